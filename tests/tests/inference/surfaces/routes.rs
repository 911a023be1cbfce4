//! Where a name leads depends on what its caller speaks; where nobody who serves it speaks that, the answer says what they
//! do speak.

use std::fmt::Write as _;

use bitrouter_tests::{Answer, Daemon, Provider, Reply, World};
use serde_json::{Value, json};

use super::voice::Voice;

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const MESSAGES: &str = "/v1/messages";

/// Providers of their own dialects: name, kind, protocols, models; those whose name begins with `no` have no key.
const PROVIDERS: [(&str, &str, &str, &[&str]); 7] = [
    ("chatty", "first_party", r#"["chat_completions"]"#, &["shared", "only-chat"]),
    ("messy", "gateway", r#"["messages"]"#, &["shared", "only-messages", "chatty/shared"]),
    ("double", "gateway", r#"["messages", "responses"]"#, &["shared", "for-two"]),
    ("gem", "gateway", r#"["generate_content"]"#, &["only-google", "for-two"]),
    ("open", "gateway", r#"["responses"]"#, &[]),
    ("nokey", "first_party", r#"["messages"]"#, &["unpaid", "only-chat"]),
    ("nochat", "first_party", r#"["chat_completions"]"#, &["unpaid-chat"]),
];

struct Cast {
    daemon: Daemon,
    providers: Vec<(&'static str, Provider)>,
    _world: World,
}

impl Cast {
    fn new(settings: &str) -> Self {
        let world = World::new();
        let mut serve = world.serve();
        let mut providers = Vec::new();
        for (id, kind, protocols, models) in PROVIDERS {
            let provider = Provider::start();
            provider.always(|_| Reply::json(200, "{}"));
            let mut text = format!(
                "id = \"{id}\"\nkind = \"{kind}\"\nendpoint = \"{}\"\nprotocol = {protocols}\n",
                provider.base_url()
            );
            if id == "nokey" {
                text += "[auth]\nenv = [\"NOKEY_TOKEN\"]\n";
            }
            for model in models {
                write!(
                    text,
                    "[[models]]\nid = \"{model}\"\nprovider_model_id = \"{id}-{}\"\n",
                    model.replace('/', "-")
                )
                .expect("text");
            }
            world.write(&format!("config/bitrouter/registry/{id}.toml"), text);
            if !id.starts_with("no") {
                serve = serve.env(format!("BITROUTER_{}_API_KEY", id.to_uppercase()), world.canary(id));
            }
            providers.push((id, provider));
        }
        world.config(settings);
        Self { daemon: serve.start(), providers, _world: world }
    }

    fn ask(&self, path: &str, model: &str) -> Answer {
        let call = if path == "google" {
            self.daemon.http().post(&format!("/v1beta/models/{model}:generateContent")).json("{}")
        } else {
            self.daemon.http().post(path).json(json!({"model": model}).to_string())
        };
        call.send()
    }

    /// Who got a call for `model` at `path`, under which name.
    #[track_caller]
    fn leads_to(&self, path: &str, model: &str) -> (&'static str, String) {
        let counts: Vec<usize> = self.providers.iter().map(|(_, provider)| provider.count()).collect();
        let answer = self.ask(path, model);
        assert_eq!(answer.status, 200, "{path} {model}: {}", answer.text());
        let mut got = self.providers.iter().zip(counts).filter(|((_, provider), before)| provider.count() > *before);
        let ((id, provider), _) = got.next().expect("somebody got it");
        assert!(got.next().is_none(), "{path} {model}: two got it");
        let request = &provider.last().request;
        let in_path = request.target.strip_prefix("/v1/models/").and_then(|rest| rest.strip_suffix(":generateContent"));
        (id, in_path.map_or_else(|| request.model(), str::to_owned))
    }

    #[track_caller]
    fn refused(&self, path: &str, model: &str, status: u16, code: &str) -> Value {
        let before: usize = self.providers.iter().map(|(_, provider)| provider.count()).sum();
        let answer = self.ask(path, model);
        assert_eq!(answer.status, status, "{path} {model}: {}", answer.text());
        let error = voice(path).refused(&answer, status, code);
        assert_eq!(self.providers.iter().map(|(_, provider)| provider.count()).sum::<usize>(), before);
        error
    }
}

fn voice(path: &str) -> Voice {
    match path {
        MESSAGES => Voice::Anthropic,
        "google" => Voice::Google,
        _ => Voice::OpenAi,
    }
}

#[test]
fn a_bare_name_leads_each_caller_to_who_speaks_with_it() {
    let cast = Cast::new("[aliases]\nquick = \"shared\"\n");
    for (path, model, provider, upstream) in [
        (CHAT, "shared", "chatty", "chatty-shared"),
        (MESSAGES, "shared", "double", "double-shared"),
        ("/v1/messages/count_tokens", "shared", "double", "double-shared"),
        (RESPONSES, "shared", "double", "double-shared"),
        (MESSAGES, "for-two", "double", "double-for-two"),
        ("google", "for-two", "gem", "gem-for-two"),
        (RESPONSES, "for-two", "double", "double-for-two"),
        // An alias is a name like any other.
        (CHAT, "quick", "chatty", "chatty-shared"),
        (MESSAGES, "quick", "double", "double-shared"),
        // `p/m` of a provider that does not speak with the caller, and that somebody who does lists as it is.
        (CHAT, "chatty/shared", "chatty", "chatty-shared"),
        (MESSAGES, "chatty/shared", "messy", "messy-chatty-shared"),
        // Who lists nothing takes any name, behind its own.
        (RESPONSES, "open/what-ever", "open", "what-ever"),
        (RESPONSES, "open:shared", "open", "shared"),
        (MESSAGES, "messy:unlisted", "messy", "unlisted"),
    ] {
        assert_eq!(cast.leads_to(path, model), (provider, upstream.to_owned()), "{path} {model}");
    }
    let cast = Cast::new("[routing]\nprefer = [\"messy\", \"chatty\"]\n");
    assert_eq!(cast.leads_to(MESSAGES, "shared").0, "messy");
    assert_eq!(cast.leads_to(RESPONSES, "shared").0, "double");
    assert_eq!(cast.leads_to(CHAT, "shared").0, "chatty");
}

#[test]
fn where_nobody_speaks_with_the_caller_501_says_what_they_speak() {
    let cast = Cast::new("");
    for (path, model, providers, protocols) in [
        (MESSAGES, "chatty:shared", &["chatty"][..], &["chat_completions"][..]),
        (MESSAGES, "chatty:unlisted", &["chatty"], &["chat_completions"]),
        (CHAT, "messy:shared", &["messy"], &["messages"]),
        (CHAT, "only-messages", &["messy"], &["messages"]),
        (CHAT, "double:x", &["double"], &["messages", "responses"]),
        (RESPONSES, "only-chat", &["chatty", "nokey"], &["chat_completions", "messages"]),
        (RESPONSES, "chatty/only-chat", &["chatty"], &["chat_completions"]),
        ("google", "shared", &["chatty", "double", "messy"], &["chat_completions", "messages", "responses"]),
        (CHAT, "for-two", &["double", "gem"], &["generate_content", "messages", "responses"]),
        (MESSAGES, "open/x", &["open"], &["responses"]),
        // Without a key it would be 402 there, and it would not help.
        (CHAT, "unpaid", &["nokey"], &["messages"]),
        (CHAT, "nokey:x", &["nokey"], &["messages"]),
        (CHAT, "nokey/unpaid", &["nokey"], &["messages"]),
        (MESSAGES, "unpaid-chat", &["nochat"], &["chat_completions"]),
        ("google", "nochat:x", &["nochat"], &["chat_completions"]),
    ] {
        let error = cast.refused(path, model, 501, "protocol_not_supported");
        let message = error["message"].as_str().unwrap_or_default();
        for word in providers.iter().chain(protocols) {
            assert!(message.contains(word), "{path} {model}: {word} is not named in: {message}");
        }
        assert_eq!(error["protocols"], json!(protocols), "{path} {model}");
        match providers {
            [one] => assert_eq!(error["provider"], *one, "{path} {model}"),
            several => assert_eq!(error["providers"], json!(several), "{path} {model}"),
        }
    }
}

#[test]
fn p14_a_missing_key_names_its_variables_in_every_dialect() {
    let cast = Cast::new("");
    let variables = json!(["BITROUTER_NOKEY_API_KEY", "NOKEY_TOKEN"]);
    for (path, model) in [
        (MESSAGES, "nokey:x"),
        (MESSAGES, "nokey/unpaid"),
        (MESSAGES, "nokey/unlisted"),
        (MESSAGES, "unpaid"),
        ("/v1/messages/count_tokens", "unpaid"),
        // Who has a key does not speak with this caller, who does has none.
        (MESSAGES, "only-chat"),
    ] {
        let answer = cast.ask(path, model);
        let error = Voice::Anthropic.refused(&answer, 402, "provider_key_missing");
        assert_eq!((&error["provider"], &error["variables"]), (&json!("nokey"), &variables), "{path} {model}");
        assert!(error["message"].as_str().is_some_and(|text| text.contains("BITROUTER_NOKEY_API_KEY")), "{error}");
    }
    for (path, model, provider, variable) in [
        (CHAT, "openai:x", "openai", "OPENAI_API_KEY"),
        ("/v1/completions", "openai:x", "openai", "OPENAI_API_KEY"),
        ("/v1/embeddings", "text-embedding-3-small", "openai", "OPENAI_API_KEY"),
        (RESPONSES, "gpt-5.5", "openai", "OPENAI_API_KEY"),
        ("/v1/responses/input_tokens", "openai/gpt-5.5", "openai", "OPENAI_API_KEY"),
        (MESSAGES, "anthropic:x", "anthropic", "ANTHROPIC_API_KEY"),
        ("google", "google:x", "google", "GOOGLE_API_KEY"),
    ] {
        let error = cast.refused(path, model, 402, "provider_key_missing");
        assert_eq!(error["provider"], provider);
        let named: Vec<String> = serde_json::from_value(error["variables"].clone()).expect("variables");
        assert_eq!(named[0], format!("BITROUTER_{}_API_KEY", provider.to_uppercase()));
        assert!(named.iter().any(|name| name == variable), "{named:?}");
        if path == "google" {
            let metadata = &error["details"][0]["metadata"];
            assert_eq!(metadata["provider"], "google");
            assert!(metadata["variables"].as_str().is_some_and(|text| text.contains(variable)), "{metadata}");
        }
    }
}

#[test]
fn p13_an_unknown_name_is_404_with_names_that_the_caller_can_use() {
    let cast = Cast::new("");
    for (path, model, near, elsewhere) in [
        (MESSAGES, "only-massages", "only-messages", "chatty/only-chat"),
        (CHAT, "only-chat_", "only-chat", "only-messages"),
        ("google", "only-gogle", "only-google", "only-chat"),
    ] {
        let error = cast.refused(path, model, 404, "model_not_found");
        let suggestions: Vec<String> = serde_json::from_value(error["suggestions"].clone()).expect("suggestions");
        assert!(suggestions.iter().any(|name| name.contains(near)), "{path}: {suggestions:?}");
        assert!(!suggestions.iter().any(|name| name.contains(elsewhere)), "{path}: {suggestions:?}");
        for name in suggestions {
            assert!(!matches!(cast.ask(path, &name).status, 404 | 501), "{path}: `{name}` is no help");
        }
    }
    for path in [CHAT, RESPONSES, MESSAGES, "google"] {
        let error = cast.refused(path, "no-such-thing", 404, "model_not_found");
        assert!(error["suggestions"].is_array(), "{error}");
        // Who lists its models, and not this one, is not asked behind a slash.
        cast.refused(path, "chatty/unlisted", 404, "model_not_found");
    }
}

#[test]
fn p14_the_account_is_402_until_somebody_signs_in() {
    let cast = Cast::new("");
    for path in [CHAT, RESPONSES, MESSAGES, "google"] {
        let error = cast.refused(path, "bitrouter:any-model", 402, "provider_key_missing");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains("bitrouter auth login") && message.contains("BITROUTER_API_KEY"), "{message}");
    }
}

#[test]
fn p13_the_demo_is_named_where_it_is_off() {
    let cast = Cast::new("");
    for path in [CHAT, MESSAGES, "google"] {
        for model in ["demo/echo", "demo:echo"] {
            let error = cast.refused(path, model, 404, "model_not_found");
            assert!(error["message"].as_str().is_some_and(|text| text.contains("serve --demo")), "{error}");
        }
    }
}
