//! A daemon with a provider of four dialects, prices that are easy to add up, and a credential that makes policies.

use std::sync::atomic::{AtomicUsize, Ordering};

use bitrouter_tests::{
    Answer, Client, Daemon, Provider, Reply, Serve, World,
    http::Call,
    provider::Request,
    sign_in::{Owner, Session},
    wait,
};
use serde_json::{Value, json};

/// Micro-USD a token of input, and of output.
pub(crate) const INPUT: i64 = 10;
/// Micro-USD a token of output.
pub(crate) const OUTPUT: i64 = 50;
/// Micro-USD a token of sound that `sings` puts out.
pub(crate) const AUDIO: i64 = 200;
/// The longest output of `m`, and of all models but `long`.
pub(crate) const MAX_OUTPUT: i64 = 1_000;
/// The longest output of `long`.
pub(crate) const LONG_OUTPUT: i64 = 100_000;

/// The daemon, its provider, and who makes policies.
pub(crate) struct Bound {
    pub(crate) daemon: Daemon,
    pub(crate) provider: Provider,
    pub(crate) world: World,
    /// The owner's credential that makes policies.
    pub(crate) token: String,
    pub(crate) namespace: String,
    names: AtomicUsize,
}

/// A key of ours.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) token: String,
}

impl Bound {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With settings.
    pub(crate) fn with(settings: &str) -> Self {
        Self::started(settings, |serve| serve)
    }

    /// With settings, and a daemon that was described further.
    pub(crate) fn started(settings: &str, describe: impl FnOnce(Serve) -> Serve) -> Self {
        let (world, provider) = (World::new(), Provider::start());
        world.write("config/bitrouter/registry/acme.toml", manifest(&provider));
        world.write("config/bitrouter/registry/near.toml", near(&provider));
        world.config(settings);
        // Where a daemon that replaces another one finds it too.
        world.env_file(&format!("BITROUTER_ACME_API_KEY={}\n", world.canary("acme")));
        let daemon = describe(serve(&world)).start();
        daemon.until_node_is_on();
        provider.always(counted);
        let signed_in = world.cli(["auth", "login", "--local", "--json"]).with_code(0).json();
        let path = signed_in["credentials_path"].as_str().expect("a path");
        let credential: Value = serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON");
        let token = text(&credential, "access_token");
        let namespace = text(&signed_in, "namespace_id");
        Self { daemon, provider, world, token, namespace, names: AtomicUsize::new(0) }
    }

    pub(crate) fn http(&self) -> Client {
        self.daemon.http()
    }

    /// The same daemon once more, to be described and started.
    pub(crate) fn serve(&self) -> Serve {
        serve(&self.world)
    }

    /// `kill -9`, and the same daemon once more.
    pub(crate) fn killed_and_started(&mut self) {
        self.daemon.kill();
        self.daemon = self.serve().start();
        self.daemon.until_node_is_on();
    }

    /// An orderly end, and the same daemon once more.
    pub(crate) fn stopped_and_started(&mut self) {
        self.world.cli(["stop"]).expect_code(0);
        self.daemon = self.serve().start();
        self.daemon.until_node_is_on();
    }

    /// A call of the management API, by whoever has `token`.
    pub(crate) fn api_as(&self, token: &str, method: &str, below: &str, body: Option<&Value>) -> Answer {
        let call = self.http().request(method, &format!("/v1/namespaces/me{below}")).bearer(token);
        match body {
            Some(body) => call.json(body.to_string()).send(),
            None => call.send(),
        }
    }

    /// The same by the owner, which succeeds.
    #[track_caller]
    pub(crate) fn api(&self, method: &str, below: &str, body: Option<&Value>) -> Value {
        self.api_as(&self.token, method, below, body).ok().json()
    }

    /// A new policy.
    #[track_caller]
    pub(crate) fn policy(&self, kind: &str, spec: &Value) -> String {
        let name = format!("{kind} {}", self.names.fetch_add(1, Ordering::Relaxed));
        text(&self.api("POST", "/policies", Some(&json!({"name": name, "kind": kind, "spec": spec}))), "id")
    }

    /// Binds a policy; the id of the binding.
    #[track_caller]
    pub(crate) fn bind(&self, policy: &str, principal_type: &str, principal_id: &str) -> String {
        let body = json!({"principal_type": principal_type, "principal_id": principal_id});
        text(&self.api("POST", &format!("/policies/{policy}/bind"), Some(&body)), "binding_id")
    }

    /// A budget of so much in a day, bound to the namespace.
    #[track_caller]
    pub(crate) fn budget(&self, limit: i64) -> String {
        self.budget_of("namespace", &self.namespace, limit)
    }

    /// The same, bound to something else.
    #[track_caller]
    pub(crate) fn budget_of(&self, principal_type: &str, principal_id: &str, limit: i64) -> String {
        let policy = self.policy("budget", &json!({"window": "day", "limit_micro_usd": limit}));
        self.bind(&policy, principal_type, principal_id);
        policy
    }

    /// Another limit.
    #[track_caller]
    pub(crate) fn limit(&self, policy: &str, limit: i64) {
        let spec = json!({"spec": {"window": "day", "limit_micro_usd": limit}});
        self.api("PUT", &format!("/policies/{policy}"), Some(&spec));
    }

    /// What is in force for a principal.
    #[track_caller]
    pub(crate) fn effective(&self, principal_type: &str, principal_id: &str) -> Value {
        let query = format!("?principal_type={principal_type}&principal_id={principal_id}");
        self.api("GET", &format!("/policies/effective{query}"), None)
    }

    /// Spent and reserved of the one budget of the namespace.
    #[track_caller]
    pub(crate) fn spent(&self) -> (i64, i64) {
        spent(&self.effective("namespace", &self.namespace))
    }

    /// Waits until nothing is reserved of the one budget of the namespace; what is spent.
    #[track_caller]
    pub(crate) fn released(&self) -> i64 {
        wait::until("nothing to be reserved", || Some(self.spent()).filter(|(_, reserved)| *reserved == 0)).0
    }

    /// A key with the scopes to call and to mint, minted by whoever has `token`.
    #[track_caller]
    pub(crate) fn mint_as(&self, token: &str, name: &str) -> Key {
        let scopes = json!(["inference:invoke", "keys:read", "keys:write", "policy:read", "policy:write"]);
        let body = json!({"display_name": name, "scopes": scopes});
        let made = self.api_as(token, "POST", "/keys", Some(&body)).ok().json();
        Key { id: text(&made, "id"), token: text(&made, "token") }
    }

    /// The same by the owner.
    #[track_caller]
    pub(crate) fn mint(&self, name: &str) -> Key {
        self.mint_as(&self.token, name)
    }

    /// A program that is signed in, and the id of its session.
    #[track_caller]
    pub(crate) fn program(&self) -> (Session, String) {
        let listed = || -> Vec<String> {
            let list = self.api("GET", "/sessions", None);
            list["data"].as_array().expect("sessions").iter().map(|session| text(session, "id")).collect()
        };
        let before = listed();
        let owner = Owner::sign_in(&self.world, &self.daemon);
        let session =
            owner.program(&["inference:invoke", "keys:write", "keys:read", "policy:read", "policy:write"], None);
        let new = listed().into_iter().find(|id| !before.contains(id)).expect("a session");
        (session, new)
    }

    /// The rows of the ledger, the newest first, once there are at least `count` and none of them is open.
    #[track_caller]
    pub(crate) fn settled(&self, count: usize) -> Vec<Value> {
        wait::until("rows that are settled", || {
            let rows = self.rows();
            let is_open = |row: &Value| row["completed_at"].is_null();
            (rows.len() >= count && !rows.iter().any(is_open)).then_some(rows)
        })
    }

    /// The rows of the ledger, the newest first.
    #[track_caller]
    pub(crate) fn rows(&self) -> Vec<Value> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.api("GET", &format!("/requests?limit=100{cursor}"), None);
            rows.extend(page["data"].as_array().expect("rows").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return rows,
            }
        }
    }

    /// A chat completion with members of its own.
    pub(crate) fn chat(&self, model: &str, members: &Value) -> Call {
        chat(self.http(), model, members)
    }

    /// Any call without a credential.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Call {
        self.http().post(path).json(body.to_string())
    }
}

/// Spent and reserved of the first budget that is in force.
#[track_caller]
pub(crate) fn spent(effective: &Value) -> (i64, i64) {
    let budget = &effective["budgets"][0];
    let number = |name: &str| budget[name].as_i64().unwrap_or_else(|| panic!("no `{name}` in {effective}"));
    (number("spent_micro_usd"), number("reserved_micro_usd"))
}

/// A chat completion with members of its own, without a credential.
pub(crate) fn chat(http: Client, model: &str, members: &Value) -> Call {
    http.post("/v1/chat/completions").json(chat_body(model, members).to_string())
}

/// The body of a chat completion with members of its own.
pub(crate) fn chat_body(model: &str, members: &Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
    let all = body.as_object_mut().expect("an object");
    all.extend(members.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
    body
}

/// What a call costs that reads and writes so many tokens.
pub(crate) fn cost(input: i64, output: i64) -> i64 {
    input * INPUT + output * OUTPUT
}

/// What [`counted`] is billed.
pub(crate) const COUNTED: i64 = 100 * INPUT + 10 * OUTPUT;

/// A document in the dialect that is asked for, in which 100 tokens of input and 10 of output are counted.
pub(crate) fn counted(request: &Request) -> Reply {
    document(request, 100, 10)
}

/// The same with other counts.
pub(crate) fn document(request: &Request, input: u64, output: u64) -> Reply {
    use bitrouter_tests::dialects::{Turn, Usage, google, messages, responses};
    let turn = Turn { usage: Usage { input, output, ..Usage::default() }, ..Turn::saying("hello there") };
    let path = request.target.split('?').next().unwrap_or_default();
    let body = match path {
        path if path.ends_with("/messages") => messages::whole(&turn, "m"),
        path if path.ends_with("/responses") => responses::whole(&turn, "m", "resp_1"),
        path if path.ends_with(":generateContent") => google::whole(&turn, "m"),
        path if path.ends_with("/embeddings") => {
            let usage = json!({"prompt_tokens": input, "total_tokens": input});
            json!({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.25]}], "usage": usage})
        }
        _ => {
            let usage = json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
            let message = json!({"role": "assistant", "content": "hello there"});
            let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
            json!({"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage})
        }
    };
    Reply::json(200, body.to_string())
}

/// A member that is text.
#[track_caller]
pub(crate) fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("no `{member}` in {value}")).to_owned()
}

fn serve(world: &World) -> Serve {
    world.serve().args(["--demo", "--log-format", "json"])
}

fn manifest(provider: &Provider) -> String {
    let (base, google) = (provider.base_url(), format!("http://{}/v1beta", provider.addr()));
    let model = |id: &str, most: i64, more: &str, input: i64, output: i64| {
        format!(
            "[[models]]\nid = \"{id}\"\nmax_input_tokens = 1_000_000\nmax_output_tokens = {most}\n{more}\
             [models.pricing.input_tokens]\nno_cache = {input}.0\n[models.pricing.output_tokens]\ntext = {output}.0\n"
        )
    };
    let priced = |id, most, more| model(id, most, more, INPUT, OUTPUT);
    format!(
        "id = \"acme\"\nkind = \"first_party\"\nendpoint = \"{base}\"\n\
         protocol = [\"chat_completions\", \"responses\", \"messages\"]\n\
         [endpoints.generate_content]\nurl = \"{google}\"\n{}{}{}{}{}{}audio = {AUDIO}.0\n\
         [[models]]\nid = \"unpriced\"\nmax_output_tokens = {MAX_OUTPUT}\n",
        priced("m", MAX_OUTPUT, ""),
        priced("long", LONG_OUTPUT, ""),
        priced("thinks", LONG_OUTPUT, "capabilities = [\"reasoning\"]\nmax_output_tps = 100\n"),
        priced("embeds", MAX_OUTPUT, "capabilities = [\"embeddings\"]\n"),
        model("free", MAX_OUTPUT, "", 0, 0),
        priced("sings", MAX_OUTPUT, ""),
    )
}

/// A server on this machine that takes money for nothing.
fn near(provider: &Provider) -> String {
    format!(
        "id = \"near\"\nkind = \"local\"\nendpoint = \"{}\"\nprotocol = [\"chat_completions\", \"responses\", \"messages\"]\n\
         [[models]]\nid = \"little\"\nmax_output_tokens = {MAX_OUTPUT}\n",
        provider.base_url()
    )
}
