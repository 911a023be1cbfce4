//! The keeper of the credential in process: against a server that does what a test says, with clocks turned by hand.

mod attempts;
mod discovered;
mod files;
mod interleaved;
mod issuer;
mod judged;
mod meanwhile;
mod rest;
mod signing;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use bitrouter_gateway::ports::{AccountCredential, AccountRefused};
use bitrouter_node::Settings;
use bitrouter_proto::clock;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use self::issuer::TestIssuer;
use super::{
    clocks::Clocks,
    refresher::{Outcome, Why},
    schedule::Moment,
    *,
};
use crate::node_host::{NodeOff, NodeState};

/// Longer than anything in process takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Clocks that a test turns.
#[derive(Debug)]
struct ManualClocks(Mutex<Moment>);

impl Clocks for ManualClocks {
    fn now(&self) -> Moment {
        *lock(&self.0)
    }
}

impl ManualClocks {
    fn pass(&self, span: Duration) {
        let mut now = lock(&self.0);
        *now = Moment { wall: now.wall + span, boot: now.boot + span };
    }

    fn set_wall(&self, wall: SystemTime) {
        lock(&self.0).wall = wall;
    }
}

/// A keeper over a directory of its own.
struct Rig {
    keeper: Credentials,
    clocks: Arc<ManualClocks>,
    issuer: TestIssuer,
    root: Arc<tempfile::TempDir>,
    health: Health,
    events: Events,
}

impl Rig {
    /// Signed out.
    async fn new() -> Self {
        let root = Arc::new(tempfile::tempdir().unwrap());
        let issuer = TestIssuer::start().await;
        let clocks = Arc::new(ManualClocks(Mutex::new(Moment { wall: clock::wall_now(), boot: secs(1_000) })));
        Self::over(root, issuer, clocks)
    }

    /// Another keeper of the same file.
    fn beside(&self) -> Self {
        Self::over(Arc::clone(&self.root), self.issuer.clone(), Arc::clone(&self.clocks))
    }

    fn over(root: Arc<tempfile::TempDir>, issuer: TestIssuer, clocks: Arc<ManualClocks>) -> Self {
        let events = Events::default();
        let health = Health::new(Arc::default(), events.clone());
        let off = NodeOff { disabled: true, reason: "switched off".to_owned(), ..NodeOff::default() };
        let plan = CredentialPlan {
            dir: root.path().join("data"),
            proxies: ProxySettings::default(),
            node: NodeHost::new(NodeState::Off(off)),
            node_settings: Arc::new(ArcSwap::from_pointee(Settings::default())),
            health: health.clone(),
            events: events.clone(),
            tasks: Tasks::new(),
        };
        let keeper = Credentials::new(plan, Arc::clone(&clocks) as Arc<dyn Clocks>);
        Self { keeper, clocks, issuer, root, health, events }
    }

    /// Signed in, with tokens that live for an hour and are over in `left` seconds.
    async fn signed_in(left: u64) -> Self {
        let rig = Self::new().await;
        rig.write(&rig.content(left));
        rig.keeper.look().await;
        rig
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join("data")
    }

    fn path(&self) -> PathBuf {
        self.dir().join("account-credentials.json")
    }

    /// The content of a file with a new session of the issuer.
    fn content(&self, left: u64) -> Value {
        let now = self.clocks.now().wall;
        let (access, refresh) = self.issuer.session();
        json!({
            "kind": "oauth", "access_token": access, "refresh_token": refresh, "token_type": "Bearer",
            "issued_at": clock::rfc3339(now + secs(left) - secs(3600)), "expires_at": clock::rfc3339(now + secs(left)),
            "scope": "inference:invoke usage:read", "client_id": "bitrouter-cli",
            "authorization_server": self.issuer.url(), "namespace_id": "ns_1", "subject": "usr_1", "kept": {"a": [1]},
        })
    }

    /// Writes as another program does: atomically.
    fn write(&self, content: &Value) {
        self.write_text(&content.to_string());
    }

    fn write_text(&self, text: &str) {
        let dir = bitrouter_proto::files::private_dir(&self.dir()).unwrap();
        bitrouter_proto::files::replace(&dir, "account-credentials.json", text.as_bytes(), &self.path()).unwrap();
    }

    fn file(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.path()).unwrap()).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir()).unwrap().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Tries once, as the driver does.
    async fn attempt(&self, why: Why) -> Outcome {
        Inner::wait_for(self.keeper.0.attempt(why), PATIENCE).await.expect("the attempt ends")
    }

    /// The token that a call would go with.
    async fn token(&self) -> Result<String, AccountRefused> {
        match self.keeper.0.credential().await? {
            AccountCredential::Token(token) => Ok(token.token.expose_secret().to_owned()),
            AccountCredential::OwnNode(_) => panic!("there is no own node here"),
        }
    }

    fn warned(&self, code: &str) -> Option<bitrouter_proto::status::Warning> {
        self.health.list().into_iter().find(|warning| warning.code == code)
    }
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
