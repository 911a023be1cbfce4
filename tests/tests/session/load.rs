//! A daemon that is signed in to the node of another one with tokens of 5 s, under load: no request fails.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use bitrouter_tests::{Daemon, World, sign_in::Owner, wait};
use serde_json::Value;

/// How many call at the same time.
const CALLERS: usize = 4;

/// The pause of each between two calls.
const PAUSE: Duration = Duration::from_millis(20);

/// A daemon that is signed in to another one's node.
struct Pair {
    daemon: Daemon,
    world: World,
    far: Daemon,
}

impl Pair {
    fn sign_in() -> Self {
        let far_world = World::new();
        far_world.config("[node.oauth]\naccess_token_ttl = \"5s\"\n");
        let far = far_world.demo();
        let world = World::new();
        world.config("[node]\nenabled = false\n");
        let daemon = world.demo();
        let issuer = format!("http://127.0.0.1:{}", far.port());
        let mut login = world.command(["auth", "login", "--json", "--oauth-as", &issuer]).spawn();
        let code = wait::until("the code", || {
            let text = login.stdout().text();
            let line = text.lines().next().filter(|_| text.contains('\n'))?;
            serde_json::from_str::<Value>(line).ok()?["user_code"].as_str().map(str::to_owned)
        });
        Owner::sign_in(&far_world, &far).approve(&code, &["inference:invoke"], None);
        assert!(login.wait(wait::PATIENCE * 2).success(), "{}", login.stderr().text());
        Self { daemon, world, far }
    }
}

/// Calls for `span`.
pub(crate) fn run(span: Duration) {
    let pair = Pair::sign_in();
    let token = |world: &World| {
        let text = std::fs::read_to_string(world.path("data/bitrouter/account-credentials.json")).expect("the file");
        serde_json::from_str::<Value>(&text).expect("whole")["access_token"].clone()
    };
    let calls = AtomicU64::new(0);
    let deadline = wait::Deadline::after(span);
    let mut tokens = vec![token(&pair.world)];
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (http, calls) = (pair.daemon.http(), &calls);
            scope.spawn(move || {
                while !deadline.is_over() {
                    if caller % 2 == 0 {
                        http.chat("bitrouter:demo/echo", "hello").send().ok();
                    } else {
                        let answer = http.chat_stream("bitrouter:demo/echo", "hello world").send().ok();
                        assert_eq!(answer.streamed_text(), "hello world");
                    }
                    calls.fetch_add(1, Ordering::Relaxed);
                    wait::pass(PAUSE);
                }
            });
        }
        while !deadline.is_over() {
            let now = token(&pair.world);
            if tokens.last() != Some(&now) {
                tokens.push(now);
            }
            wait::pass(Duration::from_millis(50));
        }
    });
    let (calls, renewals) = (calls.into_inner(), tokens.len() - 1);
    // Half of 5 s is the time of a token: a machine that is busy renews less often, but never not at all.
    let least = usize::try_from(span.as_secs() / 10).expect("small");
    assert!(renewals >= least, "{renewals} renewals in {span:?}");
    assert!(calls > 100, "{calls} calls in {span:?}");
    assert_eq!(pair.daemon.status()["session"]["state"], "active");
    pair.daemon.stop();
    pair.far.stop();
}
