//! The provider `bitrouter`: what the account's server lists, where calls go, whose key counts.

use bitrouter_tests::{World, issuer::Issuer, wait};
use serde_json::{Value, json};

use crate::far::{Far, call, session};

/// The account's models in `/v1/models`.
fn listed(daemon: &bitrouter_tests::Daemon) -> Vec<Value> {
    let list = daemon.http().get("/v1/models").send().ok().json();
    let data = list["data"].as_array().expect("a list").clone();
    data.into_iter().filter(|model| model["id"].as_str().is_some_and(|id| id.starts_with("bitrouter/"))).collect()
}

#[test]
fn the_accounts_list_gives_its_models_their_limits_and_prices() {
    let far = Far::stored(3_600, 3_600);
    let daemon = far.start();
    let models = wait::until("the account's models", || {
        let models = listed(&daemon);
        (models.len() == 2).then_some(models)
    });
    let model = models.iter().find(|model| model["id"] == "bitrouter/far/model").expect("the model");
    assert_eq!(
        (&model["max_input_tokens"], &model["max_output_tokens"], &model["pricing"]["input_tokens"]["no_cache"]),
        (&json!(1000), &json!(100), &json!(1.5)),
        "{model}"
    );
    let unpriced = models.iter().find(|model| model["id"] == "bitrouter/far/unpriced").expect("the other");
    assert!(unpriced["pricing"].is_null(), "{unpriced}");
    let detail = daemon.provider("bitrouter")["detail"].as_str().expect("a detail").to_owned();
    assert!(detail.contains("models") && detail.contains(&far.issuer.url()), "{detail}");
    // Both ways to name one.
    for name in ["bitrouter:far/model", "bitrouter/far/model", "bitrouter:never/listed"] {
        daemon.http().chat(name, "hello").send().ok();
        let request = &far.issuer.provider().last().request;
        assert_eq!(request.target, "/v1/chat/completions");
        assert_eq!(Some(request.model().as_str()), name.strip_prefix("bitrouter").map(|rest| &rest[1..]));
        assert!(request.header("x-bitrouter-hop").is_some());
    }
    // Never without being named.
    daemon.http().chat("far/model", "hello").send().refused(404, "model_not_found");
    // The last good list is shown while the server is away; signed out it is gone.
    far.issuer.refuse_all(true);
    assert_eq!(listed(&daemon).len(), 2);
    far.issuer.refuse_all(false);
    far.world.cli(["auth", "logout"]).expect_code(0);
    wait::holds("an empty list", || listed(&daemon).is_empty());
    daemon.stop();
}

#[test]
fn bitrouter_api_key_serves_without_a_session_and_beats_one() {
    let far = Far::stored(3_600, 3_600);
    let other = Issuer::start(far.world.user(), 3_600);
    let key = format!("brk_01jxyz.{}", far.world.canary("account").replace("sk-canary-", ""));
    far.world.watch(&key);
    let daemon = far.serve().env("BITROUTER_API_KEY", &key).env("BITROUTER_API_URL", other.url()).start();
    call(&daemon).send().ok();
    assert_eq!(other.provider().last().request.key(), Some(key.as_str()));
    assert_eq!(far.issuer.provider().connections(), 0, "the session is not used");
    let session = session(&daemon);
    assert_eq!((&session["state"], &session["issuer"]), (&json!("api_key"), &json!(other.url())), "{session}");
    let provider = daemon.provider("bitrouter");
    assert_eq!((&provider["key_source"], &provider["variable"]), (&json!("environment"), &json!("BITROUTER_API_KEY")));
    // An answer of the server is the caller's.
    other.refuse_all(true);
    let answer = call(&daemon).send();
    assert_eq!(answer.status, 401, "{}", answer.text());
    assert!(!answer.text().contains("auth login"), "{}", answer.text());
    daemon.stop();
}

#[test]
fn a_key_for_no_server_is_not_replaced_by_the_session() {
    let far = Far::stored(3_600, 3_600);
    let daemon = far.serve().env("BITROUTER_API_KEY", "brk_a.b").env("BITROUTER_API_URL", "http://far.example").start();
    call(&daemon).send().refused(402, "provider_key_missing");
    let session = session(&daemon);
    assert_eq!(session["state"], "none", "{session}");
    assert!(session["reason"].as_str().is_some_and(|reason| reason.contains("BITROUTER_API_URL")), "{session}");
    assert_eq!(far.issuer.provider().connections(), 0);
    daemon.stop();
}

#[test]
fn p14_signed_out_both_ways_in_are_named() {
    let world = World::new();
    let daemon = world.demo();
    let error = call(&daemon).send().refused(402, "provider_key_missing");
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("bitrouter auth login") && message.contains("BITROUTER_API_KEY"), "{message}");
    assert_eq!((&error["provider"], &error["variables"]), (&json!("bitrouter"), &json!(["BITROUTER_API_KEY"])));
    let section = world.config("[providers.bitrouter]\nbase_url = \"https://x.example/v1\"\n");
    let refused = world.cli(["reload"]).with_code(1);
    assert!(
        refused.stderr.contains("[account]") && refused.stderr.contains(&section.display().to_string()),
        "{}",
        refused.stderr
    );
    daemon.stop();
}

#[test]
fn every_dialect_reaches_the_account() {
    let far = Far::stored(3_600, 3_600);
    let daemon = far.start();
    let text = r#"[{"role":"user","content":"hello"}]"#;
    for (path, body, target) in [
        ("/v1/messages", format!(r#"{{"model":"bitrouter:m","max_tokens":9,"messages":{text}}}"#), "/v1/messages"),
        ("/v1/responses", r#"{"model":"bitrouter:m","input":"hello"}"#.to_owned(), "/v1/responses"),
        (
            "/v1beta/models/bitrouter:m:generateContent",
            r#"{"contents":[{"parts":[{"text":"hello"}]}]}"#.to_owned(),
            "/v1beta/models/m:generateContent",
        ),
    ] {
        daemon.http().post(path).json(body).send();
        let request = &far.issuer.provider().last().request;
        assert_eq!(request.target, target, "{path}");
        assert_eq!(request.key(), Some(far.pair.access.as_str()), "{path}");
    }
    daemon.stop();
}
