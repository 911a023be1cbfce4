//! B16: two daemons on one data directory, twenty callers, an expired token: one exchange.

use std::{collections::BTreeSet, net::SocketAddr, thread};

use bitrouter_tests::{Client, Gate, World, issuer::Fault, process::Process, wait};
use serde_json::Value;

use crate::far::{FAR, Far};

/// A daemon of the same world with other places for its lock and its socket.
struct Beside {
    http: Client,
    _process: Process,
}

impl Beside {
    #[track_caller]
    fn start(far: &Far, name: &str) -> Self {
        let world: &World = &far.world;
        let (state, run) =
            (world.directory(&format!("home/{name}-state")), world.directory(&format!("home/{name}-run")));
        let serve = far.serve().env("XDG_STATE_HOME", &state).env("XDG_RUNTIME_DIR", &run);
        let mut process = serve.spawn();
        let addr: SocketAddr = wait::until("a second daemon", || {
            assert!(process.status().is_none(), "{}", process.stderr().text());
            let file: Value = serde_json::from_slice(&std::fs::read(state.join("bitrouter/daemon.json")).ok()?).ok()?;
            file["http"].as_str()?.strip_prefix("http://")?.parse().ok()
        });
        Self { http: Client::new(addr, world.user()), _process: process }
    }
}

#[test]
fn b16_two_daemons_twenty_callers_and_one_exchange() {
    let far = Far::stored(3_600, -30);
    let gate = Gate::new();
    // Whoever comes first holds the lock until everybody waits.
    far.issuer.next(Fault::Late(gate.clone()));
    let daemons = [Beside::start(&far, "one"), Beside::start(&far, "two")];
    thread::scope(|scope| {
        let callers: Vec<_> = (0..20)
            .map(|number| {
                let http = daemons[number % 2].http;
                scope.spawn(move || http.chat(FAR, "hello").send())
            })
            .collect();
        far.issuer.wait_exchanges(1);
        gate.open();
        for caller in callers {
            caller.join().expect("an answer").ok();
        }
    });
    assert_eq!(far.issuer.exchanges().len(), 1, "{:?}", far.issuer.exchanges());
    assert!(!far.issuer.was_replayed());
    // A server that forgot its tokens: whoever is told first renews for both.
    far.issuer.forget_access_tokens();
    thread::scope(|scope| {
        let callers: Vec<_> = (0..20)
            .map(|number| {
                let http = daemons[number % 2].http;
                scope.spawn(move || http.chat(FAR, "hello").send())
            })
            .collect();
        for caller in callers {
            caller.join().expect("an answer").ok();
        }
    });
    let exchanges = far.issuer.exchanges();
    let spent: BTreeSet<&str> = exchanges.iter().map(|exchange| exchange.refresh_token.as_str()).collect();
    assert_eq!(spent.len(), exchanges.len(), "a refresh token went out twice");
    assert!(!far.issuer.was_replayed());
}
