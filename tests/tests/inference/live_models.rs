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
