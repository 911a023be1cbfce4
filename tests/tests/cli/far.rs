//! A world that is signed in at a scripted server.

use bitrouter_tests::{Daemon, Reply, World, command::Output, issuer::Issuer, provider::Request};
use serde_json::Value;

const FILE: &str = "data/bitrouter/account-credentials.json";

/// A world that is signed in at a scripted server, with a daemon.
pub(crate) struct Far {
    pub(crate) world: World,
    pub(crate) issuer: Issuer,
    pub(crate) daemon: Daemon,
}

impl Far {
    pub(crate) fn new() -> Self {
        let world = World::new();
        let issuer = Issuer::start(world.user(), 3_600);
        let content = issuer.credential(&issuer.session(), 3_600);
        world.write(FILE, content.to_string());
        world.config("[node]\nenabled = false\n");
        let daemon = world.demo();
        Self { world, issuer, daemon }
    }

    #[track_caller]
    pub(crate) fn cloud(&self, words: &[&str]) -> Output {
        self.world.command(["cloud"].iter().chain(words)).run()
    }

    /// What the server answers at `path` of the namespace.
    pub(crate) fn answers(&self, path: &str, answer: &Value) {
        self.issuer.rest(&format!("/v1/namespaces/ns_far{path}"), Reply::json(200, answer.to_string()));
    }

    /// The last request.
    pub(crate) fn last(&self) -> Request {
        self.issuer.provider().last().request.clone()
    }

    /// What was asked for by it.
    pub(crate) fn asked(&self) -> String {
        self.last().target
    }
}
