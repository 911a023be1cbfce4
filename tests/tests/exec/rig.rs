//! A daemon with a provider whose prices are easy to add up, and commands that are run with a key of their own.

use std::fs::OpenOptions;

use bitrouter_tests::{
    Client, Daemon, Gate, Output, Provider, Reply, Serve, World,
    process::{Process, shell_code},
    provider::Request,
    wait,
};
use serde_json::{Value, json};

/// Micro-USD a token of input, and of output.
pub(crate) const INPUT: i64 = 10;
/// Micro-USD a token of output.
pub(crate) const OUTPUT: i64 = 50;
/// What a call is billed that nobody changed: 100 tokens in, 10 out.
pub(crate) const COUNTED: i64 = 100 * INPUT + 10 * OUTPUT;

/// The daemon and its provider.
pub(crate) struct Rig {
    pub(crate) daemon: Daemon,
    pub(crate) provider: Provider,
    pub(crate) world: World,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With settings.
    pub(crate) fn with(settings: &str) -> Self {
        let (world, provider) = (World::new(), Provider::start());
        world.write("config/bitrouter/registry/acme.toml", manifest(&provider));
        world.config(settings);
        // Where a daemon that replaces another one finds it too.
        world.env_file(&format!("BITROUTER_ACME_API_KEY={}\n", world.canary("acme")));
        provider.always(counted);
        let daemon = serve(&world).start();
        Self { daemon, provider, world }
    }

    /// The same with its node on.
    pub(crate) fn on() -> Self {
        let rig = Self::new();
        rig.daemon.until_node_is_on();
        rig
    }

    pub(crate) fn http(&self) -> Client {
        self.daemon.http()
    }

    /// The same daemon once more, at the same port.
    pub(crate) fn start_again(&mut self) {
        self.daemon = serve(&self.world)
            .listen_as_configured()
            .args(["--listen", &format!("127.0.0.1:{}", self.daemon.port())])
            .start();
        self.daemon.until_node_is_on();
    }

    /// Runs `script` by a shell, with these flags of `exec`, to its end.
    #[track_caller]
    pub(crate) fn run(&self, flags: &[&str], script: &str) -> Output {
        let words = [&["exec"], flags, &["--", "sh", "-c", script]].concat();
        self.world.command(words).run()
    }

    /// The same while it runs.
    #[track_caller]
    pub(crate) fn begin(&self, flags: &[&str]) -> Held {
        let gate = self.world.path("home/gate");
        std::fs::remove_file(&gate).ok();
        let script = "mkfifo gate && echo \"$OPENAI_API_KEY $$\" && { read line < gate; exit 7; }";
        let words = [&["exec"], flags, &["--", "sh", "-c", script]].concat();
        let process = self.world.command(words).spawn();
        let line = process.stdout().until("the command's first line", |text| text.ends_with('\n'));
        let (key, pid) = line.trim().split_once(' ').expect("a key and a number");
        Held { process, key: key.to_owned(), pid: pid.parse().expect("a number"), gate }
    }

    /// A chat completion with a key.
    #[track_caller]
    pub(crate) fn call(&self, key: &str) -> bitrouter_tests::Answer {
        self.http().chat("acme:m", "hello").bearer(key).send()
    }

    /// Whether a key opens anything: nothing is called.
    #[track_caller]
    pub(crate) fn opens(&self, key: &str) -> bool {
        match self.http().get("/v1/models").bearer(key).send().status {
            200 => true,
            401 => false,
            other => panic!("status {other}"),
        }
    }

    /// The policies of the own node's first namespace.
    #[track_caller]
    pub(crate) fn policies(&self) -> Vec<Value> {
        listed(&self.world.cli(["cloud", "policy", "list", "--local", "--json"]).with_code(0).json())
    }

    /// Its keys, those that were revoked too.
    #[track_caller]
    pub(crate) fn keys(&self) -> Vec<Value> {
        listed(&self.world.cli(["cloud", "keys", "list", "--local", "--json"]).with_code(0).json())
    }

    /// Waits until no key of a run is good, and no policy of one is left.
    #[track_caller]
    pub(crate) fn until_all_is_over(&self) {
        wait::holds("the end of every run", || {
            self.keys().iter().all(|key| !key["revoked_at"].is_null()) && self.policies().is_empty()
        });
    }
}

fn listed(list: &Value) -> Vec<Value> {
    list["data"].as_array().expect("a list").clone()
}

/// A command that waits for the gate, which it then leaves with 7.
pub(crate) struct Held {
    pub(crate) process: Process,
    pub(crate) key: String,
    /// The command's own number.
    pub(crate) pid: u32,
    gate: std::path::PathBuf,
}

impl Held {
    /// Lets it end.
    pub(crate) fn open(&self) {
        wait::holds("the gate", || self.gate.exists());
        // The shell reads an end where nothing is written.
        drop(OpenOptions::new().write(true).open(&self.gate).expect("the gate"));
    }

    /// Lets it end; how `exec` did.
    #[track_caller]
    pub(crate) fn end(mut self) -> (i32, String) {
        self.open();
        let status = self.process.wait(wait::PATIENCE * 2);
        assert!(self.process.stderr().ends_within(wait::PATIENCE), "stderr stays open");
        (shell_code(status), self.process.stderr().text())
    }
}

/// The document that `exec --json` leaves on standard error.
#[track_caller]
pub(crate) fn document(stderr: &str) -> Value {
    let line = stderr.lines().rev().find(|line| line.starts_with('{'));
    line.and_then(|line| serde_json::from_str(line).ok()).unwrap_or_else(|| panic!("no document in {stderr}"))
}

fn serve(world: &World) -> Serve {
    world.serve().args(["--demo", "--log-format", "json"])
}

/// A document in which 100 tokens of input and 10 of output are counted.
pub(crate) fn counted(_: &Request) -> Reply {
    let usage = json!({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110});
    let message = json!({"role": "assistant", "content": "hello there"});
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
    Reply::json(200, json!({"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage}).to_string())
}

/// A stream that says one word, and nothing more until the other side leaves.
pub(crate) fn endless(_: &Request) -> Reply {
    Reply::stream().token("word").gate(&Gate::new())
}

fn manifest(provider: &Provider) -> String {
    let base = provider.base_url();
    format!(
        "id = \"acme\"\nkind = \"first_party\"\nendpoint = \"{base}\"\n\
         protocol = [\"chat_completions\", \"responses\", \"messages\"]\n\
         [[models]]\nid = \"m\"\nmax_input_tokens = 1_000_000\nmax_output_tokens = 1_000\n\
         [models.pricing.input_tokens]\nno_cache = {INPUT}.0\n[models.pricing.output_tokens]\ntext = {OUTPUT}.0\n\
         [[models]]\nid = \"other\"\nmax_output_tokens = 1_000\n"
    )
}
