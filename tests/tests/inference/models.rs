//! `/v1/models`: what is reachable now, in one shape that every SDK parses.

use bitrouter_tests::{InferenceFixture, World};
use serde_json::Value;

#[track_caller]
fn ids(list: &Value) -> Vec<String> {
    let all = list["data"].as_array().expect("data");
    all.iter().map(|model| model["id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn the_list_has_what_openai_and_anthropic_readers_need() {
    let world = World::new();
    let daemon = world.demo();
    let list = daemon.http().get("/v1/models").send().ok().json();
    assert_eq!(list["object"], "list");
    assert_eq!(list["has_more"], false);
    for model in list["data"].as_array().expect("data") {
        assert_eq!((&model["object"], &model["type"]), (&"model".into(), &"model".into()), "{model}");
        assert!(model["created"].is_u64() && model["created_at"].is_string(), "{model}");
        assert!(model["owned_by"].is_string() && model["display_name"].is_string(), "{model}");
    }
    let ids = ids(&list);
    for id in ["demo/echo", "demo/lorem", "demo/embed"] {
        assert!(ids.iter().any(|found| found == id), "{ids:?}");
    }
    assert_eq!(list["first_id"], ids[0].as_str());
    assert_eq!(list["last_id"], ids[ids.len() - 1].as_str());
}

#[test]
fn only_what_has_a_key_is_listed() {
    let world = World::new();
    let daemon = world.serve().start();
    assert_eq!(ids(&daemon.http().get("/v1/models").send().ok().json()), Vec::<String>::new());

    let fixture = InferenceFixture::new();
    let ids = ids(&fixture.http().get("/v1/models").send().ok().json());
    assert!(ids.len() >= 5 && ids.iter().all(|id| id.starts_with("openai/")), "{ids:?}");
}

#[test]
fn a_model_is_retrieved_in_each_spelling() {
    let world = World::new();
    let daemon = world.demo();
    for path in ["/v1/models/demo/echo", "/v1/models/demo%2Fecho", "/v1/models/demo%2fecho", "/v1/models/demo:echo"] {
        let model = daemon.http().get(path).send().ok().json();
        assert_eq!((&model["id"], &model["object"]), (&"demo/echo".into(), &"model".into()), "{path}");
    }
    for path in ["/v1/models/demo/nope", "/v1/models/nope", "/v1/models/demo:nope"] {
        daemon.http().get(path).send().refused(404, "model_not_found");
    }
}

#[test]
fn a_users_manifest_replaces_the_shipped_one_whole() {
    let world = World::new();
    let key = world.canary("openai");
    let manifest = "id = \"openai\"\nname = \"Mine\"\nkind = \"first_party\"\nendpoint = \"http://127.0.0.1:9/v1\"\n\
                    protocol = \"chat_completions\"\n[auth]\nenv = [\"OPENAI_API_KEY\"]\n[[models]]\nid = \"only\"\n";
    world.write("config/bitrouter/registry/openai.toml", manifest);
    let daemon = world.serve().env("OPENAI_API_KEY", &key).start();
    assert_eq!(ids(&daemon.http().get("/v1/models").send().ok().json()), ["openai/only"]);
}

#[test]
fn health_answers_everybody() {
    let world = World::new();
    let daemon = world.demo();
    for path in ["/health", "/ping"] {
        daemon.http().get(path).send().ok();
    }
}
