//! A daemon with a provider that takes keys of others, and credentials that store them.

use bitrouter_tests::{
    Answer, Client, Daemon, Provider, Reply, World,
    http::Call,
    provider::Request,
    sign_in::{Owner, Session},
    wait,
};
use serde_json::{Value, json};

/// What a program may do that stores keys and calls models.
const SCOPES: [&str; 7] =
    ["inference:invoke", "byok:read", "byok:write", "usage:read", "keys:write", "policy:read", "policy:write"];
const PASSWORD: &str = "correct horse battery";

/// The daemon and its provider.
pub(crate) struct Place {
    pub(crate) daemon: Daemon,
    pub(crate) provider: Provider,
    pub(crate) world: World,
    /// A program of the owner's.
    pub(crate) owner: Session,
}

impl Place {
    /// With settings, and a key of the node's own for the provider where that is wanted.
    pub(crate) fn new(settings: &str, nodes_key: Option<&str>) -> Self {
        let (world, provider) = (World::new(), Provider::start());
        world.write("config/bitrouter/registry/acme.toml", manifest("acme", &provider, "modes = [\"byok\"]"));
        world.config(settings);
        if let Some(key) = nodes_key {
            world.env_file(&format!("BITROUTER_ACME_API_KEY={key}\n"));
        }
        provider.always(said);
        let daemon = world.serve().args(["--demo", "--log-format", "json"]).start();
        daemon.until_node_is_on();
        let owner = Owner::sign_in(&world, &daemon).program(&SCOPES, None);
        Self { daemon, provider, world, owner }
    }

    pub(crate) fn http(&self) -> Client {
        self.daemon.http()
    }

    /// Another person with a namespace of her own, and a program of hers.
    pub(crate) fn person(&self, name: &str) -> Session {
        let add = ["node", "user", "add", name, "--password-stdin"];
        self.world.command(add).stdin(format!("{PASSWORD}\n")).run().expect_code(0);
        Owner::with_password(&self.daemon, name, PASSWORD).program(&SCOPES, None)
    }

    /// `kill -9`, and the same daemon once more.
    pub(crate) fn killed_and_started(&mut self) {
        self.daemon.kill();
        self.daemon = self.world.serve().args(["--demo", "--log-format", "json"]).start();
        self.daemon.until_node_is_on();
    }

    /// The same daemon once more, with these flags and no others.
    pub(crate) fn restarted_with(&mut self, flags: &[&str]) {
        self.daemon.kill();
        self.daemon = self.world.serve().args(flags.iter().copied()).start();
        self.daemon.until_node_is_on();
    }

    /// A call of the REST by whoever has `token`.
    pub(crate) fn api(&self, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let call = self.http().request(method, path).bearer(token);
        match body {
            Some(body) => call.json(body.to_string()).send(),
            None => call.send(),
        }
    }

    /// Stores a key as the command line does, at the own node.
    #[track_caller]
    pub(crate) fn set(&self, key: &str, more: &[&str]) {
        let words = ["cloud", "byok", "set", "--provider", "acme", "--local", "--key-stdin"];
        let words: Vec<&str> = words.into_iter().chain(more.iter().copied()).collect();
        self.world.command(words).stdin(format!("{key}\n")).run().expect_code(0);
    }

    /// Stores a key for whoever has `token`, sealed here.
    #[track_caller]
    pub(crate) fn set_as(&self, token: &str, key: &str) {
        self.api(token, "POST", "/v1/byok/keys", Some(&self.sealed("acme", key))).ok();
    }

    /// What is submitted for a key.
    #[track_caller]
    pub(crate) fn sealed(&self, provider: &str, key: &str) -> Value {
        let current = self.http().get("/v1/byok/encryption-pubkey").send().ok().json();
        let current = serde_json::from_value(current).expect("a public key");
        let new = bitrouter_proto::account::seal::sealed(&current, provider, &key.to_owned().into(), None);
        json!(new.expect("a sealed key"))
    }

    /// A chat completion by whoever has `token`.
    pub(crate) fn chat(&self, token: &str) -> Call {
        self.http().chat("acme:m", "hello").bearer(token)
    }

    /// The key that the provider saw last.
    #[track_caller]
    pub(crate) fn seen(&self) -> String {
        self.provider.last().request.key().expect("a key").to_owned()
    }

    /// The newest row of whoever has `token`, once it is settled and there are so many.
    #[track_caller]
    pub(crate) fn row(&self, token: &str, count: usize) -> Value {
        wait::until("a row that is settled", || {
            let page = self.api(token, "GET", "/v1/namespaces/me/requests", None).ok().json();
            let rows = page["data"].as_array()?.clone();
            (rows.len() >= count && !rows[0]["completed_at"].is_null()).then(|| rows[0].clone())
        })
    }

    /// What the owner has stored for the provider.
    #[track_caller]
    pub(crate) fn stored(&self) -> Value {
        let listed = self.world.cli(["cloud", "byok", "list", "--local", "--json"]).with_code(0).json();
        let rows = listed["data"].as_array().expect("a list");
        rows.iter().find(|row| row["provider_name"] == "acme").cloned().unwrap_or_else(|| panic!("none: {listed}"))
    }
}

/// A whole reply of so many tokens.
fn said(_: &Request) -> Reply {
    let usage = json!({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110});
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"});
    Reply::json(200, json!({"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage}).to_string())
}

/// The manifest of a provider.
pub(crate) fn manifest(id: &str, provider: &Provider, payment: &str) -> String {
    format!(
        "id = \"{id}\"\nkind = \"first_party\"\nendpoint = \"{}\"\nprotocol = [\"chat_completions\"]\n[payment]\n{payment}\n\
         [[models]]\nid = \"m\"\nmax_input_tokens = 10_000\nmax_output_tokens = 100\n\
         [models.pricing.input_tokens]\nno_cache = 10.0\n[models.pricing.output_tokens]\ntext = 50.0\n",
        provider.base_url()
    )
}
