//! Scripts that try an SDK cell by cell (plain, stream, tools and so on, each under its name), and the places where they
//! do: a scripted provider itself, the same behind the daemon, the daemon's own `demo`.

use std::{collections::BTreeSet, time::Duration};

use super::{copy, node};
use crate::{
    dialects::{Script, Vendor},
    provider::{Provider, Request},
    world::World,
};

/// How long all cells of a script may take together, on a busy machine; each has its own limit in the script.
const PATIENCE: Duration = Duration::from_secs(150);

/// What an SDK insists on as its key. The daemon drops it.
const DUMMY: &str = "sdk-dummy-key";

/// A script and the cells that it must run.
#[derive(Clone, Copy, Debug)]
pub struct Cells {
    /// Whose dialect its SDK speaks.
    pub vendor: Vendor,
    /// The script: `….py` of `tests/sdk` or `….mjs` of `tests/node`.
    pub script: &'static str,
    /// What it is told besides, such as which of several clients it tries.
    pub argument: &'static str,
    /// The cells that it runs everywhere.
    pub both: [&'static [&'static str]; 2],
    /// The cells that it runs where a scripted provider answers.
    pub scripted: [&'static [&'static str]; 2],
}

impl Cells {
    /// At the scripted provider itself: the baseline, since an SDK may fail by itself.
    #[track_caller]
    pub fn direct(self) {
        let world = World::new();
        let provider = Provider::start();
        self.vendor.play(&provider, &Script::new().key(DUMMY));
        self.run(&world, &format!("http://{}", provider.addr()), "direct", "");
        hung_up(&provider);
    }

    /// At a scripted provider behind the daemon.
    #[track_caller]
    pub fn through_daemon(self, script: Script) {
        let world = World::new();
        let provider = Provider::start();
        let key = world.canary(self.vendor.id());
        self.vendor.play(&provider, &script.key(&key));
        world.config(&self.vendor.settings(&provider));
        let daemon = world.serve().env(self.vendor.variable(), &key).start();
        self.run(&world, &format!("http://{}", daemon.addr()), "daemon", &format!("{}:", self.vendor.id()));
        hung_up(&provider);
        for number in 0..provider.count() {
            let request = &provider.exchange(number).request;
            let head = String::from_utf8_lossy(&request.head);
            assert!(!head.contains(DUMMY), "what the SDK took for a key went to the provider:\n{head}");
        }
    }

    /// At the provider `demo`.
    #[track_caller]
    pub fn at_demo(self) {
        let world = World::new();
        let daemon = world.demo();
        self.run(&world, &format!("http://{}", daemon.addr()), "demo", "");
    }

    #[track_caller]
    fn run(self, world: &World, root: &str, kind: &str, prefix: &str) {
        let args = [root, kind, prefix, DUMMY, self.argument];
        let run = if std::path::Path::new(self.script).extension().is_some_and(|kind| kind == "mjs") {
            copy(world, "tests/node", "cells.mjs");
            node::script(world, self.script, &args)
        } else {
            copy(world, "tests/sdk", "cells.py");
            super::script(world, self.script, &args)
        };
        let output = run.within(PATIENCE).run().with_code(0);
        let done: BTreeSet<&str> = output.stdout.lines().filter_map(|line| line.strip_prefix("ok ")).collect();
        let scripted = self.scripted.iter().filter(|_| kind != "demo");
        let wanted: BTreeSet<&str> = self.both.iter().chain(scripted).copied().flatten().copied().collect();
        assert_eq!(done, wanted, "`{}` did not run the cells that it should have", output.shown);
    }
}

/// Who is left waiting for an answer that nobody wants any more has been told so.
#[track_caller]
fn hung_up(provider: &Provider) {
    let exchanges = (0..provider.count()).map(|number| provider.exchange(number));
    let stalled: Vec<_> = exchanges.filter(|exchange| stalls(&exchange.request)).collect();
    assert!(!stalled.is_empty(), "no model was asked to stall");
    for exchange in stalled {
        exchange.wait_left();
    }
}

fn stalls(request: &Request) -> bool {
    let named = serde_json::from_slice(&request.body).is_ok_and(|body: serde_json::Value| body["model"] == "stall");
    named || request.target.contains("/models/stall:")
}
