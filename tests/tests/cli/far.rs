//! A world that is signed in at a scripted server.

use bitrouter_tests::{Daemon, Reply, World, command::Output, issuer::Issuer, provider::Request, shared_files};
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

    /// What minting a key prints.
    #[track_caller]
    pub(crate) fn minted(&self, words: &[&str]) -> (String, String) {
        minted(&self.world, &["cloud", "keys", "mint"].iter().chain(words).copied().collect::<Vec<_>>())
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

/// What a run of the binary prints that shows a secret, as it is there to do: standard output and standard error. Unlike those of
/// other runs they are not looked through for secrets.
#[track_caller]
pub(crate) fn minted(world: &World, words: &[&str]) -> (String, String) {
    let run = world.bare_command(shared_files::binary()).args(words).output();
    let output = run.unwrap_or_else(|error| panic!("{words:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{words:?}: {stderr}");
    (stdout, stderr)
}
