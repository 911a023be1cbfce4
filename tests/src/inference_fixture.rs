//! The usual cast: a world, a scripted provider in the place of OpenAI, a watched key, and a daemon that holds it.

use crate::{
    daemon::Daemon,
    http::{Client, Opened},
    provider::Provider,
    serve::Serve,
    world::World,
};

/// A model that the fixture's provider serves, as a caller names it.
pub const MODEL: &str = "openai:m";

/// Everything a test of the inference path needs.
#[derive(Debug)]
pub struct InferenceFixture {
    /// The daemon, with `OPENAI_API_KEY` in its environment.
    pub daemon: Daemon,
    /// What stands in for OpenAI.
    pub provider: Provider,
    /// The key, which must turn up nowhere but at the provider.
    pub key: String,
    /// The world.
    pub world: World,
}

impl Default for InferenceFixture {
    fn default() -> Self {
        Self::new()
    }
}

impl InferenceFixture {
    /// The usual cast.
    #[track_caller]
    pub fn new() -> Self {
        Self::with("")
    }

    /// With more settings, which may begin with top-level tables.
    #[track_caller]
    pub fn with(settings: &str) -> Self {
        Self::build(settings, |serve| serve)
    }

    /// With more settings and a changed daemon.
    #[track_caller]
    pub fn build(settings: &str, change: impl FnOnce(Serve) -> Serve) -> Self {
        let world = World::new();
        let provider = Provider::start();
        let key = world.canary("openai");
        world.config(&format!("{settings}\n{}", provider.as_openai()));
        let daemon = change(world.serve().env("OPENAI_API_KEY", &key)).start();
        Self { daemon, provider, key, world }
    }

    /// A caller of the daemon's own user.
    pub fn http(&self) -> Client {
        self.daemon.http()
    }

    /// Opens a streamed chat completion.
    #[track_caller]
    pub fn stream(&self) -> Opened {
        self.http().chat_stream(MODEL, "hello").open()
    }
}
