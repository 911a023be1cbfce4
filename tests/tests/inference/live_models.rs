//! Models of providers whose manifests list none: they are asked, off the path of everything else.

use std::time::Duration;

use bitrouter_proto::clock;
use bitrouter_tests::{InferenceFixture, Provider, Reply, World, openai, provider::Gate, wait};
use serde_json::Value;

#[track_caller]
fn ids(list: &Value) -> Vec<String> {
    let all = list["data"].as_array().expect("data");
    all.iter().map(|model| model["id"].as_str().expect("an id").to_owned()).collect()
}

const LIST: &str =
    r#"{"object":"list","data":[{"id":"llama3:8b","object":"model"},{"id":"org/phi"},{"id":"llama3:8b"}]}"#;

#[test]
fn r1_10_the_models_of_a_local_server_are_listed() {
    let world = World::new();
    let provider = Provider::start();
    provider.always(|request| match request.target.as_str() {
        "/v1/models" => Reply::json(200, LIST),
        _ => openai::answer(request),
    });
    world.config(&provider.as_provider("ollama"));
    let daemon = world.serve().start();
    let list = daemon.http().get("/v1/models").send().ok().json();
    assert_eq!(ids(&list), ["ollama/llama3:8b", "ollama/org/phi"]);
    assert_eq!((&list["first_id"], &list["last_id"]), (&"ollama/llama3:8b".into(), &"ollama/org/phi".into()));
    for name in ["ollama/llama3:8b", "ollama%2Fllama3:8b", "ollama:llama3:8b", "ollama/llama3%3A8b"] {
        let model = daemon.http().get(&format!("/v1/models/{name}")).send().ok().json();
        assert_eq!(model["id"], "ollama/llama3:8b", "{name}");
    }
    for id in ids(&list) {
        daemon.http().chat(&id, "x").send().ok();
    }
    // Asked once, for all of this; and what is known stays while the server is away.
    let asked = || (0..provider.count()).filter(|n| provider.exchange(*n).request.target == "/v1/models").count();
    assert_eq!(asked(), 1);
    let request = &provider.exchange(0).request;
    assert_eq!((request.method.as_str(), request.header("authorization")), ("GET", None));
    drop(provider);
    assert_eq!(ids(&daemon.http().get("/v1/models").send().ok().json()).len(), 2);
}

#[test]
fn r1_10_a_users_own_provider_is_asked_with_its_key() {
    let world = World::new();
    let provider = Provider::start();
    provider.always(|_| Reply::json(200, r#"{"data":[{"id":"mine"}]}"#));
    let manifest = format!(
        "id = \"own\"\nendpoint = \"{}\"\n[auth]\nheader = \"X-Own-Key\"\nenv = [\"OWN_KEY\"]\n",
        provider.base_url()
    );
    world.write("config/bitrouter/registry/own.toml", manifest);
    let daemon = world.serve().start();
    // Without a key nobody is asked.
    assert!(ids(&daemon.http().get("/v1/models").send().ok().json()).is_empty());
    assert_eq!(provider.count(), 0);
    let key = world.canary("own");
    world.env_file(&format!("OWN_KEY={key}\n"));
    wait::holds("the key", || daemon.provider("own")["active"] == true);
    assert_eq!(ids(&daemon.http().get("/v1/models").send().ok().json()), ["own/mine"]);
    assert_eq!(provider.exchange(0).request.header("x-own-key"), Some(key.as_str()));
}

/// A provider of the user's own that speaks one protocol.
fn own(world: &World, provider: &Provider, protocol: &str, more: &str) {
    let manifest = format!(
        "id = \"own\"\nkind = \"local\"\nendpoint = \"{}\"\nprotocol = \"{protocol}\"\n{more}",
        provider.base_url()
    );
    world.write("config/bitrouter/registry/own.toml", manifest);
}

#[test]
fn a_provider_is_asked_as_its_dialect_does_and_listed_where_it_is_spoken() {
    let chat = r#"{"data":[{"id":"a"},{"id":"b"}],"has_more":true}"#;
    let anthropic = [
        r#"{"data":[{"type":"model","id":"a"},{"type":"model","id":"b"}],"has_more":true,"last_id":"b"}"#,
        r#"{"data":[{"type":"model","id":"c"}],"has_more":false,"last_id":"c"}"#,
    ];
    let google = [
        r#"{"models":[{"name":"models/a","supportedGenerationMethods":[]},{"name":"models/b"}],"nextPageToken":"n/2"}"#,
        r#"{"models":[{"name":"models/c"}]}"#,
    ];
    for (protocol, pages, targets, header, expected) in [
        ("chat_completions", &[chat][..], &["/v1/models"][..], None, 2),
        ("responses", &[chat], &["/v1/models"], None, 2),
        ("messages", &anthropic, &["?limit=1000", "?limit=1000&after_id=b"], Some("2023-06-01"), 3),
        ("generate_content", &google, &["?pageSize=1000", "?pageSize=1000&pageToken=n/2"], None, 3),
    ] {
        let world = World::new();
        let provider = Provider::start();
        for page in pages {
            provider.next(Reply::json(200, page));
        }
        own(&world, &provider, protocol, "");
        let daemon = world.serve().start();
        let list = |header: Option<&str>| {
            let call = daemon.http().get("/v1/models");
            header.into_iter().fold(call, |call, name| call.header(name, "2023-06-01")).send().ok().json()
        };
        wait::holds("the list", || {
            [None, Some("anthropic-version"), Some("x-goog-api-key")].map(list).iter().any(|list| {
                list["data"].as_array().or(list["models"].as_array()).is_some_and(|models| !models.is_empty())
            })
        });
        let (openai, anthropic, google) = (list(None), list(Some("anthropic-version")), list(Some("x-goog-api-key")));
        let shown = |spoken: bool| if spoken { expected } else { 0 };
        let is_openai = matches!(protocol, "chat_completions" | "responses");
        assert_eq!(ids(&openai).len(), shown(is_openai), "{protocol}");
        assert_eq!(ids(&anthropic).len(), shown(protocol == "messages"), "{protocol}");
        let models = google["models"].as_array().expect("models");
        assert_eq!(models.len(), shown(protocol == "generate_content"), "{protocol}");
        if let Some(model) = models.last() {
            assert_eq!((&model["name"], model.get("thinking")), (&"models/own/c".into(), None));
        }
        // Whoever asked: the provider was asked once, in its own way.
        assert_eq!(provider.count(), targets.len(), "{protocol}");
        for (number, target) in targets.iter().enumerate() {
            let request = &provider.exchange(number).request;
            assert!(request.target.starts_with("/v1/models") && request.target.ends_with(target), "{}", request.target);
            assert_eq!(request.header("anthropic-version"), header, "{protocol}");
        }
    }
}

#[test]
fn a_manifests_version_goes_before_the_usual_one() {
    let world = World::new();
    let provider = Provider::start();
    provider.always(|_| Reply::json(200, r#"{"data":[{"id":"a"}],"has_more":true}"#));
    own(&world, &provider, "messages", "[auth]\nextra_headers = { anthropic-version = \"2026-10-21\" }\n");
    let daemon = world.serve().start();
    wait::holds("the list", || {
        let list = daemon.http().get("/v1/models").header("anthropic-version", "2023-06-01").send().ok().json();
        ids(&list) == ["own/a"]
    });
    // Who says that there is more, and gives the same again, is not asked for ever.
    assert_eq!(provider.count(), 2);
    for number in 0..2 {
        let head = String::from_utf8_lossy(&provider.exchange(number).request.head).to_lowercase();
        assert_eq!(head.matches("anthropic-version").count(), 1, "{head}");
        assert!(head.contains("anthropic-version: 2026-10-21"), "{head}");
    }
}

#[test]
fn what_runs_on_this_machine_is_listed_to_everyone_it_can_answer() {
    let world = World::new();
    let (ollama, other) = (Provider::start(), Provider::start());
    ollama.always(|_| Reply::json(200, LIST));
    world.config(&format!("{}{}", ollama.as_provider("ollama"), other.as_provider("anthropic")));
    let daemon = world.serve().env("ANTHROPIC_API_KEY", world.canary("anthropic")).start();
    for header in ["accept", "anthropic-version"] {
        wait::holds("both lists", || {
            let list = ids(&daemon.http().get("/v1/models").header(header, "x").send().ok().json());
            let listed = |provider: &str| list.iter().filter(|id| id.starts_with(provider)).count();
            (listed("ollama/"), listed("anthropic/") > 5) == (2, true)
        });
    }
    // It does not speak Google's dialect.
    assert_eq!(daemon.http().get("/v1beta/models").send().ok().json()["models"], Value::Array(Vec::new()));
    let model = daemon.http().get("/v1/models/ollama/x").header("anthropic-version", "x").send().ok().json();
    assert_eq!(model["id"], "ollama/x");
    assert_eq!(daemon.http().get("/v1beta/models/ollama/x").send().status, 501);
}

#[test]
fn r1_10_nobody_waits_for_a_server_that_does_not_answer() {
    let gate = Gate::new();
    let world = World::new();
    let (silent, good) = (Provider::start(), Provider::start());
    let answer = gate.clone();
    silent.always(move |_| Reply::json(200, LIST).after(&answer));
    world.config(&format!("{}{}", silent.as_provider("ollama"), good.as_openai()));
    let daemon = world.serve().env("OPENAI_API_KEY", world.canary("openai")).start();
    let start = clock::monotonic_now();
    let list = ids(&daemon.http().get("/v1/models").send().ok().json());
    assert!(list.len() > 3 && list.iter().all(|id| id.starts_with("openai/")), "{list:?}");
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    gate.open();
    wait::holds("the list, once it came", || {
        ids(&daemon.http().get("/v1/models").send().ok().json()).contains(&"ollama/org/phi".to_owned())
    });
}

#[test]
fn r1_10_what_is_no_list_shows_nothing() {
    for answer in [
        Reply::json(500, LIST),
        Reply::body(200, "text/html", "<h1>hello</h1>"),
        Reply::json(200, r#"{"data":null}"#),
        Reply::redirect("http://127.0.0.1:1/v1/models"),
        Reply::nothing().reset(),
        Reply::json(200, format!(r#"{{"data":[{{"id":"{}"}}]}}"#, "x".repeat(5 << 20))),
    ] {
        let world = World::new();
        let provider = Provider::start();
        provider.next(answer);
        world.config(&provider.as_provider("vllm"));
        let daemon = world.serve().start();
        assert_eq!(ids(&daemon.http().get("/v1/models").send().ok().json()), Vec::<String>::new());
    }
}

#[test]
fn r5_08_what_a_call_would_take_can_be_retrieved() {
    let fixture = InferenceFixture::new();
    for name in ["openai:never-listed", "openai%3Anever-listed"] {
        let model = fixture.http().get(&format!("/v1/models/{name}")).send().ok().json();
        assert_eq!(model["id"], "openai/never-listed", "{name}");
    }
    fixture.http().chat("openai:never-listed", "x").send().ok();
    fixture.http().get("/v1/models/openai/never-listed").send().refused(404, "model_not_found");
    fixture.http().get("/v1/models/anthropic:x").send().refused(402, "provider_key_missing");
}
