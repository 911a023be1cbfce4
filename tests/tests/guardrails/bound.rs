//! Two providers that speak all dialects and list some of the same models, and keys that policies bind.

use bitrouter_tests::{
    Answer, Client, Daemon, Provider, Reply, Serve, World,
    dialects::{Script, chat, google, messages, responses},
    http::Call,
    ledger::Books,
    provider::Request,
    sign_in::{Owner, Session},
};
use serde_json::{Value, json};

/// The policies of a key are made with these.
const SCOPES: [&str; 7] =
    ["inference:invoke", "keys:read", "keys:write", "policy:read", "policy:write", "usage:read", "billing:read"];

/// The daemon, its two providers, and the node's owner.
pub(crate) struct Bound {
    pub(crate) daemon: Daemon,
    /// `acme`, first-party: chosen where both could serve.
    pub(crate) acme: Provider,
    /// `zeta`, a gateway.
    pub(crate) zeta: Provider,
    pub(crate) books: Books,
    pub(crate) owner: Owner,
    pub(crate) world: World,
}

/// A key, and the policies that bind it.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) policies: Vec<String>,
}

impl Key {
    /// The policy, where there is one.
    pub(crate) fn policy(&self) -> &str {
        &self.policies[0]
    }
}

impl Bound {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With settings.
    pub(crate) fn with(settings: &str) -> Self {
        let world = World::new();
        let (acme, zeta) = (Provider::start(), Provider::start());
        for provider in [&acme, &zeta] {
            let script = Script::new();
            provider.always(move |request| answer(&script, request));
        }
        world.write("config/bitrouter/registry/acme.toml", manifest("acme", "first_party", &acme, &ACME));
        world.write("config/bitrouter/registry/zeta.toml", manifest("zeta", "gateway", &zeta, &ZETA));
        world.config(&format!("[aliases]\nquick = \"acme:m\"\n{settings}"));
        let daemon = serve(&world).start();
        let owner = Owner::sign_in(&world, &daemon);
        let mut books = Books::of(&owner, &daemon, None);
        books.session = owner.program(&SCOPES, None);
        Self { daemon, acme, zeta, books, owner, world }
    }

    /// The daemon dies, and another one takes its place.
    pub(crate) fn restart(&mut self) {
        self.daemon.kill();
        self.daemon = serve(&self.world).start();
        self.daemon.until_node_is_on();
        self.books = self.books.at(&self.daemon);
    }

    pub(crate) fn http(&self) -> Client {
        self.daemon.http()
    }

    /// Whoever makes policies.
    pub(crate) fn session(&self) -> &Session {
        &self.books.session
    }

    /// Sends JSON to a path of the namespace.
    #[track_caller]
    pub(crate) fn post(&self, below: &str, body: &Value) -> Answer {
        let path = format!("/v1/namespaces/{}{below}", self.session().namespace);
        self.http().post(&path).bearer(&self.session().access_token).json(body.to_string()).send()
    }

    /// A key that a guardrail of this spec binds.
    #[track_caller]
    pub(crate) fn guarded(&self, spec: &Value) -> Key {
        self.key(&[("guardrail", spec)])
    }

    /// A key that a policy of each kind and spec binds.
    #[track_caller]
    pub(crate) fn key(&self, policies: &[(&str, &Value)]) -> Key {
        let mint = json!({"display_name": "a caller", "scopes": ["inference:invoke"]});
        let minted = self.post("/keys", &mint).ok().json();
        let id = text(&minted, "id");
        let bind = json!({"principal_type": "api_key", "principal_id": id});
        let made = policies.iter().map(|(kind, spec)| {
            let policy = json!({"name": "a policy", "kind": kind, "spec": spec});
            let policy = text(&self.post("/policies", &policy).ok().json(), "id");
            self.post(&format!("/policies/{policy}/bind"), &bind).ok();
            policy
        });
        Key { policies: made.collect(), token: text(&minted, "token"), id }
    }
}

/// A member of text.
#[track_caller]
pub(crate) fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("no `{member}` in {value}")).to_owned()
}

/// A content rule.
pub(crate) fn content_rule(pattern: &str, action: &str) -> Value {
    json!({"content_patterns": [{"name": "a rule", "pattern": pattern, "action": action}]})
}

/// A dialect, as its callers write and read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    Chat,
    Responses,
    Messages,
    Google,
}

impl Speech {
    pub(crate) const ALL: [Self; 4] = [Self::Chat, Self::Responses, Self::Messages, Self::Google];

    /// A call of `model` whose user says `said`, before it has a credential.
    pub(crate) fn call(self, http: Client, model: &str, said: &str, stream: bool) -> Call {
        self.call_with(http, model, said, stream, &json!({}))
    }

    /// With more members at the top of its body.
    pub(crate) fn call_with(self, http: Client, model: &str, said: &str, stream: bool, more: &Value) -> Call {
        let user = json!([{"role": "user", "content": said}]);
        let (path, mut body) = match self {
            Self::Chat => ("/v1/chat/completions".to_owned(), json!({"model": model, "messages": user})),
            Self::Responses => ("/v1/responses".to_owned(), json!({"model": model, "input": said})),
            Self::Messages => ("/v1/messages".to_owned(), json!({"model": model, "max_tokens": 100, "messages": user})),
            Self::Google => {
                let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
                let contents = json!([{"role": "user", "parts": [{"text": said}]}]);
                (format!("/v1beta/models/{model}:{verb}"), json!({"contents": contents}))
            }
        };
        if stream && self != Self::Google {
            body["stream"] = json!(true);
        }
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let call = http.post(&path).json(body.to_string());
        if self == Self::Messages { call.header("anthropic-version", "2023-06-01") } else { call }
    }

    /// What a whole answer says.
    pub(crate) fn said(self, answer: &Value) -> String {
        let place = match self {
            Self::Chat => "/choices/0/message/content",
            Self::Responses => "/output/0/content/0/text",
            Self::Messages => "/content/0/text",
            Self::Google => "/candidates/0/content/parts/0/text",
        };
        answer.pointer(place).and_then(Value::as_str).unwrap_or_else(|| panic!("no text: {answer}")).to_owned()
    }

    /// What the deltas of a stream say together.
    pub(crate) fn streamed(self, answer: &Answer) -> String {
        let said = answer.data().into_iter().filter_map(|event| {
            let text = match self {
                Self::Chat => event["choices"][0]["delta"]["content"].as_str(),
                Self::Responses if event["type"] == "response.output_text.delta" => event["delta"].as_str(),
                Self::Responses => None,
                Self::Messages => event["delta"]["text"].as_str(),
                Self::Google => event["candidates"][0]["content"]["parts"][0]["text"].as_str(),
            };
            text.map(str::to_owned)
        });
        said.collect()
    }

    /// The error of a refusal, whose shape is checked to the letter: its status, its code, the policy that it names.
    #[track_caller]
    pub(crate) fn refused(self, answer: &Answer, status: u16, code: &str, policy: Option<&str>) -> Value {
        assert_eq!(answer.status, status, "{self:?}: {}", answer.text());
        let error = self.error(&answer.json(), status, code);
        let named = error.get("policy_id").map(|id| id.as_str().expect("a text").to_owned());
        assert_eq!(named.as_deref(), policy, "{self:?}: {error}");
        let retry = answer.header("x-should-retry");
        assert_eq!(retry, (status != 429).then_some("false"), "{self:?}: {error}");
        error
    }

    /// The error in a document or in the event that ends a stream.
    #[track_caller]
    pub(crate) fn error(self, document: &Value, status: u16, code: &str) -> Value {
        let error = document["error"].clone();
        let message = error["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "{self:?}: {document}");
        match self {
            Self::Chat | Self::Responses => {
                let kind = match status {
                    402 => "payment_required",
                    403 => "permission_error",
                    404 => "not_found_error",
                    429 => "rate_limit_error",
                    _ => "invalid_request_error",
                };
                assert_eq!((&error["type"], &error["code"]), (&json!(kind), &json!(code)), "{document}");
                assert!(error.get("param").is_some(), "{document}");
            }
            Self::Messages => {
                let kind = match status {
                    402 => "billing_error",
                    403 => "permission_error",
                    404 => "not_found_error",
                    429 => "rate_limit_error",
                    _ => "invalid_request_error",
                };
                assert_eq!(document["type"], "error", "{document}");
                assert_eq!((&error["type"], &error["code"]), (&json!(kind), &json!(code)), "{document}");
            }
            Self::Google => {
                let kind = match status {
                    402 => "FAILED_PRECONDITION",
                    403 => "PERMISSION_DENIED",
                    404 => "NOT_FOUND",
                    429 => "RESOURCE_EXHAUSTED",
                    _ => "INVALID_ARGUMENT",
                };
                assert_eq!((&error["status"], &error["code"]), (&json!(kind), &json!(status)), "{document}");
                let info = &error["details"][0];
                assert_eq!(info["@type"], "type.googleapis.com/google.rpc.ErrorInfo", "{document}");
                assert_eq!(info["reason"], code.to_ascii_uppercase(), "{document}");
                if let Some(policy) = error.get("policy_id") {
                    assert_eq!(&info["metadata"]["policy_id"], policy, "{document}");
                }
            }
        }
        error
    }
}

/// A credential.
pub(crate) trait With {
    /// With this key.
    fn with(self, key: &Key) -> Self;
}

impl With for Call {
    fn with(self, key: &Key) -> Self {
        self.bearer(&key.token)
    }
}

fn serve(world: &World) -> Serve {
    let serve = world.serve().args(["--demo", "--log-format", "json"]);
    ["ACME", "ZETA"].into_iter().fold(serve, |serve, name| {
        let key = world.canary(&name.to_ascii_lowercase());
        serve.env(format!("BITROUTER_{name}_API_KEY"), key)
    })
}

/// Answers in the dialect of the path.
fn answer(script: &Script, request: &Request) -> Reply {
    if request.target.starts_with("/v1beta") {
        google::answer(script, request)
    } else if request.target.starts_with("/v1/messages") {
        messages::answer(script, request)
    } else if responses::is_for(request) {
        responses::answer(script, request)
    } else {
        chat::answer(script, request)
    }
}

/// Models of `acme`: id, the name there, what a token of input costs (of output five times as much).
const ACME: [(&str, &str, u32); 6] = [
    ("m", "m", 10),
    ("dear", "dear", 100),
    ("hidden", "internal-9", 10),
    ("batch", "batch", 10),
    ("vendor/deep", "vendor/deep", 10),
    ("embeds", "embeds", 10),
];
/// Those of `zeta`.
const ZETA: [(&str, &str, u32); 2] = [("m", "m-of-zeta", 10), ("only", "only", 10)];

fn manifest(id: &str, kind: &str, provider: &Provider, models: &[(&str, &str, u32)]) -> String {
    let (base, google) = (provider.base_url(), format!("http://{}/v1beta", provider.addr()));
    let head = format!(
        "id = \"{id}\"\nkind = \"{kind}\"\nendpoint = \"{base}\"\n\
         protocol = [\"chat_completions\", \"responses\", \"messages\"]\n\
         [endpoints.generate_content]\nurl = \"{google}\"\nheader = \"x-goog-api-key\"\nscheme = \"\"\n"
    );
    let models = models.iter().map(|(id, name, price)| {
        let more = if *id == "embeds" { "capabilities = [\"embeddings\"]\n" } else { "" };
        let output = price * 5;
        format!(
            "[[models]]\nid = \"{id}\"\nprovider_model_id = \"{name}\"\nmax_input_tokens = 100_000\n\
             max_output_tokens = 1_000\n{more}[models.pricing.input_tokens]\nno_cache = {price}.0\n\
             [models.pricing.output_tokens]\ntext = {output}.0\n"
        )
    });
    models.fold(head, |text, model| text + &model)
}
