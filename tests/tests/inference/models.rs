//! Lists of models and single ones: what is reachable now for callers of each dialect, in the shape that they parse.

use bitrouter_tests::{Answer, Daemon, InferenceFixture, World};
use serde_json::{Value, json};

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

/// How callers say what they speak: a path's beginning and a header.
const OPENAI: (&str, Option<&str>) = ("/v1", None);
const ANTHROPIC: (&str, Option<&str>) = ("/v1", Some("anthropic-version"));
const GOOGLE: (&str, Option<&str>) = ("/v1beta", None);
const GOOGLE_BY_HEADER: (&str, Option<&str>) = ("/v1", Some("x-goog-api-key"));
const ALL: [(&str, Option<&str>); 4] = [OPENAI, ANTHROPIC, GOOGLE, GOOGLE_BY_HEADER];

#[track_caller]
fn ask(daemon: &Daemon, method: &str, (base, header): (&str, Option<&str>), below: &str) -> Answer {
    let call = daemon.http().request(method, &format!("{base}/models{below}"));
    header.into_iter().fold(call, |call, name| call.header(name, "2023-06-01")).send()
}

/// The names in a list of either shape.
#[track_caller]
fn names(list: &Value) -> Vec<String> {
    match list["models"].as_array() {
        None => ids(list),
        Some(all) => {
            let name = |model: &Value| Some(model["name"].as_str()?.strip_prefix("models/")?.to_owned());
            all.iter().map(|model| name(model).unwrap_or_else(|| panic!("{model}"))).collect()
        }
    }
}

/// A daemon with a provider for each of three protocols and one for all, each with two models.
fn in_every_dialect() -> (World, Daemon) {
    let world = World::new();
    for (id, protocols) in [
        ("all", r#"["chat_completions", "responses", "messages", "generate_content"]"#),
        ("chat", r#""chat_completions""#),
        ("gen", r#""generate_content""#),
        ("msg", r#""messages""#),
        ("resp", r#""responses""#),
    ] {
        let manifest = format!(
            "id = \"{id}\"\nname = \"The {id}\"\nkind = \"local\"\nendpoint = \"http://127.0.0.1:9/v1\"\nprotocol = \
             {protocols}\n[[models]]\nid = \"big\"\nmax_input_tokens = 1000\nmax_output_tokens = 100\ncapabilities = \
             [\"reasoning\", \"image_input\"]\n[[models]]\nid = \"{id}/em:bed\"\ncapabilities = [\"embeddings\"]\n"
        );
        world.write(&format!("config/bitrouter/registry/{id}.toml"), manifest);
    }
    let daemon = world.serve().start();
    (world, daemon)
}

#[test]
fn each_caller_sees_what_its_dialect_reaches() {
    let (_world, daemon) = in_every_dialect();
    let openai = ["all/big", "all/all/em:bed", "chat/big", "chat/chat/em:bed", "resp/big"];
    // Nobody makes embeddings by way of messages.
    let anthropic = ["all/big", "msg/big"];
    let google = ["all/big", "all/all/em:bed", "gen/big", "gen/gen/em:bed"];
    for (caller, expected) in
        [(OPENAI, &openai[..]), (ANTHROPIC, &anthropic), (GOOGLE, &google), (GOOGLE_BY_HEADER, &google)]
    {
        let list = ask(&daemon, "GET", caller, "").ok().json();
        assert_eq!(names(&list), expected, "{caller:?}");
        let shape = if expected == google { "models" } else { "data" };
        assert!(list[shape].is_array(), "{list}");
        for name in expected {
            let model = ask(&daemon, "GET", caller, &format!("/{name}")).ok().json();
            let listed = list[shape].as_array().and_then(|all| all.iter().find(|listed| **listed == model));
            assert!(listed.is_some(), "{model}");
        }
    }
}

#[test]
fn google_reads_its_own_shape() {
    let (_world, daemon) = in_every_dialect();
    let list = ask(&daemon, "GET", GOOGLE, "").ok().json();
    assert_eq!(list.as_object().map(serde_json::Map::len), Some(1), "{list}");
    assert_eq!(
        (&list["models"][0], &list["models"][1]),
        (
            &json!({
                "name": "models/all/big",
                "baseModelId": "all/big",
                "version": "unknown",
                "displayName": "big (The all)",
                "description": "The model big of The all.",
                "inputTokenLimit": 1000,
                "outputTokenLimit": 100,
                "thinking": true,
                "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
            }),
            &json!({
                "name": "models/all/all/em:bed",
                "baseModelId": "all/all/em:bed",
                "version": "unknown",
                "displayName": "all/em:bed (The all)",
                "description": "The model all/em:bed of The all.",
                "thinking": false,
                "supportedGenerationMethods": ["embedContent", "batchEmbedContents"],
            }),
        )
    );
}

#[test]
fn others_read_the_superset() {
    let (_world, daemon) = in_every_dialect();
    for caller in [OPENAI, ANTHROPIC] {
        let list = ask(&daemon, "GET", caller, "").ok().json();
        let model = &list["data"][0];
        for (member, expected) in [
            ("id", json!("all/big")),
            ("object", json!("model")),
            ("type", json!("model")),
            ("owned_by", json!("all")),
            ("name", json!("big")),
            ("display_name", json!("big (The all)")),
            ("lifecycle", json!("active")),
            ("input_modalities", json!(["text", "image"])),
            ("output_modalities", json!(["text"])),
            ("max_input_tokens", json!(1000)),
            ("max_output_tokens", json!(100)),
            ("max_tokens", json!(100)),
            ("providers", json!({"total_online": 1})),
            ("input_usd_per_1k", Value::Null),
        ] {
            assert_eq!(model[member], expected, "{caller:?} {member}");
        }
        // To Anthropic's readers it is an object, or null where it is not known.
        let capabilities = if caller == OPENAI { json!(["reasoning", "image_input"]) } else { Value::Null };
        assert_eq!(model["capabilities"], capabilities, "{caller:?}");
        assert_eq!(list["first_id"], "all/big");
        assert_eq!(list["last_id"], names(&list).last().map(String::as_str).unwrap_or_default());
    }
}

#[test]
fn the_pages_of_a_list_joined_are_the_list() {
    let (_world, daemon) = in_every_dialect();
    for (caller, size, after, next) in [
        (OPENAI, "limit", "after_id", "last_id"),
        (ANTHROPIC, "limit", "after_id", "last_id"),
        (GOOGLE, "pageSize", "pageToken", "nextPageToken"),
        (GOOGLE_BY_HEADER, "page_size", "page_token", "nextPageToken"),
    ] {
        let whole = names(&ask(&daemon, "GET", caller, "").ok().json());
        for length in 1..=whole.len() + 1 {
            let mut joined = Vec::new();
            let mut query = format!("?{size}={length}");
            loop {
                let page = ask(&daemon, "GET", caller, &query).ok().json();
                assert!(names(&page).len() <= length, "{query}: {page}");
                joined.extend(names(&page));
                let more = page.get("has_more").map_or(page.get(next).is_some(), |more| *more == true);
                if !more {
                    break;
                }
                let token = page[next].as_str().expect("where it goes on").replace('/', "%2F");
                query = format!("?beta=true&{size}={length}&{after}={token}");
            }
            assert_eq!(joined, whole, "{caller:?} {length}");
        }
        // Whatever else stands in a query changes nothing.
        assert_eq!(names(&ask(&daemon, "GET", caller, "?key=x&owned_by=all&cursor").ok().json()), whole);
    }
    let page = ask(&daemon, "GET", ANTHROPIC, "?limit=1000").ok().json();
    assert_eq!(page["has_more"], false);
    let before = ask(&daemon, "GET", OPENAI, "?limit=2&before_id=chat/big").ok().json();
    assert_eq!((names(&before), &before["has_more"]), (vec!["all/big".into(), "all/all/em:bed".into()], &json!(false)));
    let before = ask(&daemon, "GET", OPENAI, "?limit=1&before_id=chat/big").ok().json();
    assert_eq!((names(&before), &before["has_more"]), (vec!["all/all/em:bed".into()], &json!(true)));
}

#[test]
fn p13_what_is_no_page_is_refused_in_the_callers_dialect() {
    let (_world, daemon) = in_every_dialect();
    for (caller, query, param) in [
        (OPENAI, "?limit=0", "limit"),
        (OPENAI, "?limit=1001", "limit"),
        (OPENAI, "?after_id=gen/big", "after_id"),
        (ANTHROPIC, "?limit=ten", "limit"),
        (ANTHROPIC, "?after_id=chat/big", "after_id"),
        (ANTHROPIC, "?after_id=all/big&before_id=msg/big", "before_id"),
        (GOOGLE, "?pageSize=0", "pageSize"),
        (GOOGLE, "?pageSize=-1", "pageSize"),
        (GOOGLE_BY_HEADER, "?pageToken=nope", "pageToken"),
    ] {
        let refused = ask(&daemon, "GET", caller, query);
        let error = refused_as(caller, &refused, 400, "invalid_request");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains(&format!("`{param}`")), "{query}: {message}");
        let named = error.get("param").unwrap_or(&error["details"][0]["metadata"]["param"]);
        assert_eq!(*named, param, "{query}");
    }
    // The other dialect's parameters mean nothing.
    ask(&daemon, "GET", GOOGLE, "?limit=0&after_id=nope").ok();
    ask(&daemon, "GET", OPENAI, "?pageSize=0&pageToken=nope").ok();
}

/// Checks that `answer` is an error with this status and code as `caller` reads it, and returns its `error`.
#[track_caller]
fn refused_as(caller: (&str, Option<&str>), answer: &Answer, status: u16, code: &str) -> Value {
    let (document, text) = (answer.json(), answer.text());
    assert_eq!(answer.status, status, "{text}");
    let error = document["error"].clone();
    if caller == OPENAI {
        assert_eq!(error["code"], code, "{text}");
        assert!(error["type"].is_string(), "{text}");
    } else if caller == ANTHROPIC {
        assert_eq!((&document["type"], &error["code"]), (&json!("error"), &json!(code)), "{text}");
    } else {
        assert_eq!((&error["code"], error["status"].is_string()), (&json!(status), true), "{text}");
        assert_eq!(error["details"][0]["reason"], code.to_ascii_uppercase(), "{text}");
    }
    error
}

#[test]
fn p13_a_model_out_of_reach_is_refused_as_a_call_would_be() {
    let (_world, daemon) = in_every_dialect();
    for caller in ALL {
        let elsewhere = if caller == OPENAI { "msg" } else { "chat" };
        for name in [format!("{elsewhere}/big"), format!("{elsewhere}%2Fbig"), format!("{elsewhere}:big")] {
            let answer = ask(&daemon, "GET", caller, &format!("/{name}"));
            let error = refused_as(caller, &answer, 501, "protocol_not_supported");
            assert_eq!(error["provider"], elsewhere, "{name}");
        }
        for (name, status, code) in [
            ("nope", 404, "model_not_found"),
            ("all/nope", 404, "model_not_found"),
            ("demo/echo", 404, "model_not_found"),
            ("all/../big", 400, "invalid_request"),
            ("all%2F..%2Fbig", 400, "invalid_request"),
            ("all%253Abig", 400, "invalid_request"),
            ("all%2Fbig%3Fx", 400, "invalid_request"),
            ("", 404, "not_found"),
        ] {
            refused_as(caller, &ask(&daemon, "GET", caller, &format!("/{name}")), status, code);
        }
        for name in ["all/big", "all%2fbig", "all:big", "all%3Abig", "all:never-listed"] {
            ask(&daemon, "GET", caller, &format!("/{name}")).ok();
        }
    }
    for (caller, name) in [
        (OPENAI, "openai/gpt-6-luna"),
        (ANTHROPIC, "anthropic:x"),
        (GOOGLE, "google:x"),
        (GOOGLE_BY_HEADER, "google:x"),
    ] {
        refused_as(caller, &ask(&daemon, "GET", caller, &format!("/{name}")), 402, "provider_key_missing");
    }
}

#[test]
fn p13_lists_are_only_read() {
    let (_world, daemon) = in_every_dialect();
    for caller in ALL {
        for below in ["", "/all/big", "/all:big", "?limit=1"] {
            let (whole, head) = (ask(&daemon, "GET", caller, below), ask(&daemon, "HEAD", caller, below));
            assert_eq!((head.status, head.text().as_str()), (200, ""), "{caller:?} {below}");
            assert_eq!(head.header("content-length"), whole.header("content-length"), "{caller:?} {below}");
        }
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            for below in ["", "/all/big"] {
                let answer = ask(&daemon, method, caller, below);
                refused_as(caller, &answer, 405, "method_not_allowed");
                assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{caller:?} {method} {below}");
            }
        }
    }
    // What no model here can do is at no path; what one can do is not read.
    refused_as(GOOGLE, &ask(&daemon, "POST", GOOGLE, "/all/big:predict"), 404, "not_found");
    let answer = ask(&daemon, "GET", GOOGLE, "/all/big:generateContent");
    refused_as(GOOGLE, &answer, 405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("POST"));
}

#[test]
fn the_shipped_providers_are_listed_where_they_are_spoken_to() {
    let world = World::new();
    let serve = world.serve().env("GOOGLE_API_KEY", world.canary("google"));
    let daemon = serve.env("ANTHROPIC_API_KEY", world.canary("anthropic")).start();
    let starts = |caller, provider: &str| {
        let names = names(&ask(&daemon, "GET", caller, "").ok().json());
        names.iter().filter(|name| name.starts_with(provider)).count()
    };
    assert!(starts(OPENAI, "google/") > 5 && starts(OPENAI, "anthropic/") > 5);
    assert!(starts(ANTHROPIC, "google/") == 0 && starts(ANTHROPIC, "anthropic/") > 5);
    assert!(starts(GOOGLE, "google/") > 5 && starts(GOOGLE, "anthropic/") == 0);
    let embeds = ask(&daemon, "GET", GOOGLE, "/google/gemini-embedding-001").json();
    assert_eq!(embeds["supportedGenerationMethods"], json!(["embedContent", "batchEmbedContents"]), "{embeds}");
}

#[test]
fn health_answers_everybody() {
    let world = World::new();
    let daemon = world.demo();
    for path in ["/health", "/ping"] {
        daemon.http().get(path).send().ok();
    }
}
