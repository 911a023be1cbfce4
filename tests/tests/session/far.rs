//! The usual cast: a daemon whose credential file names a scripted issuer.

use bitrouter_tests::{
    Daemon, Serve, World,
    http::Call,
    issuer::{Issuer, Pair},
    wait,
};
use serde_json::Value;

/// The credential file.
pub(crate) const FILE: &str = "data/bitrouter/account-credentials.json";

/// The model of the account that echoes.
pub(crate) const FAR: &str = "bitrouter:far/model";

/// A world whose credential is the issuer's.
pub(crate) struct Far {
    pub(crate) world: World,
    pub(crate) issuer: Issuer,
    pub(crate) pair: Pair,
}

impl Far {
    /// A stored session whose access token is over in `left` seconds; those that come live for `lifetime` seconds.
    pub(crate) fn stored(lifetime: u64, left: i64) -> Self {
        let world = World::new();
        let issuer = Issuer::start(world.user(), lifetime);
        let pair = issuer.session();
        let far = Self { world, issuer, pair };
        far.write(left);
        far
    }

    /// Writes the session to the file again.
    pub(crate) fn write(&self, left: i64) {
        let content = self.issuer.credential(&self.pair, left);
        self.world.write(FILE, serde_json::to_string_pretty(&content).expect("JSON"));
    }

    /// A daemon that is about to start; its node is off, so that nothing else writes into the data directory.
    pub(crate) fn serve(&self) -> Serve {
        self.world.config("[node]\nenabled = false\n");
        self.world.serve().arg("--demo")
    }

    /// A daemon.
    #[track_caller]
    pub(crate) fn start(&self) -> Daemon {
        self.serve().start()
    }

    /// The file as it is.
    #[track_caller]
    pub(crate) fn file(&self) -> Value {
        file(&self.world)
    }

    /// Waits until the file holds another access token than at first.
    #[track_caller]
    pub(crate) fn wait_renewed(&self) -> String {
        wait::until_within("a renewed token in the file", wait::PATIENCE * 2, || {
            let token = self.file()["access_token"].as_str().expect("a token").to_owned();
            (token != self.pair.access).then_some(token)
        })
    }

    /// No token stands anywhere but in the file.
    #[track_caller]
    pub(crate) fn nothing_leaked(&self) {
        for secret in self.issuer.secrets() {
            self.world.watch(&secret);
        }
        assert_eq!(self.world.leaks(), Vec::<String>::new());
    }
}

/// The credential file of `world`.
#[track_caller]
pub(crate) fn file(world: &World) -> Value {
    let text = std::fs::read_to_string(world.path(FILE)).expect("the credential file");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("not whole ({error}): {} bytes", text.len()))
}

/// Its permission bits.
#[track_caller]
pub(crate) fn mode(world: &World) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::symlink_metadata(world.path(FILE)).expect("the credential file").permissions().mode() & 0o7777
}

/// The names in the data directory, sorted.
pub(crate) fn names(world: &World) -> Vec<String> {
    let entries = std::fs::read_dir(world.path("data/bitrouter")).expect("the data directory").flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A call of the account's model.
pub(crate) fn call(daemon: &Daemon) -> Call {
    daemon.http().chat(FAR, "hello")
}

/// `session` of `status --json`.
#[track_caller]
pub(crate) fn session(daemon: &Daemon) -> Value {
    daemon.status()["session"].clone()
}

/// Waits for a state of the session.
#[track_caller]
pub(crate) fn wait_state(daemon: &Daemon, state: &str) -> Value {
    wait::until(&format!("the session to be {state}"), || {
        let session = session(daemon);
        (session["state"] == state).then_some(session)
    })
}
