//! P8: an API key does what it was given, from wherever an SDK puts it, until it is revoked.

use bitrouter_tests::{
    InferenceFixture, MODEL,
    http::Answer,
    sign_in::{Session, flat_error, sign_in},
    wait,
};
use serde_json::{Value, json};

use super::tokens::places;

const KEYS: &str = "/v1/namespaces/me/keys";
const SCOPES: &[&str] = &["inference:invoke", "keys:read", "keys:write"];

fn mint(fixture: &InferenceFixture, token: &str, scopes: &[&str]) -> Value {
    let body = json!({"display_name": "agent", "scopes": scopes}).to_string();
    fixture.http().post(KEYS).bearer(token).json(body).send().ok().json()
}

fn delete(fixture: &InferenceFixture, token: &str, path: &str) -> Answer {
    fixture.http().request("DELETE", path).bearer(token).send()
}

fn text<'a>(minted: &'a Value, name: &str) -> &'a str {
    minted[name].as_str().expect("a text")
}

#[test]
fn p08_a_key_opens_inference_in_all_places_until_it_is_revoked() {
    let mut fixture = InferenceFixture::new();
    let session = sign_in(&fixture.world, &fixture.daemon, SCOPES);
    let parent = mint(&fixture, &session.access_token, SCOPES);
    let child = mint(&fixture, text(&parent, "token"), &["inference:invoke"]);
    let other = mint(&fixture, &session.access_token, &["inference:invoke"]);
    for key in [&parent, &child, &other] {
        for (place, call) in places(&fixture, fixture.world.user(), text(key, "token")) {
            let before = fixture.provider.count();
            call.send().ok();
            let request = &fixture.provider.exchange(before).request;
            assert_eq!(request.key(), Some(fixture.key.as_str()), "{place}");
            assert!(!String::from_utf8_lossy(&request.head).contains(text(key, "token")), "{place}");
        }
    }
    let used = fixture.provider.count();
    // On a connection that is open already, too.
    let call = |key: &Value| fixture.http().chat(MODEL, "x").bearer(text(key, "token"));
    let (answer, stream) = call(&child).on(fixture.http().connect()).finish_keeping();
    answer.ok();
    let path = format!("{KEYS}/{}", text(&parent, "id"));
    assert_eq!(delete(&fixture, &session.access_token, &path).ok().json(), json!({"revoked": true}));
    let (answer, _) = call(&child).on(stream).finish_keeping();
    let error = answer.refused(401, "invalid_api_key");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("`bitrouter cloud keys mint ")), "{error}");
    for key in [&parent, &child] {
        for (_, call) in places(&fixture, fixture.world.user(), text(key, "token")) {
            call.send().refused(401, "invalid_api_key");
        }
        fixture.http().get("/v1/models").bearer(text(key, "token")).send().refused(401, "invalid_api_key");
        assert_eq!(flat_error(&fixture.http().get(KEYS).bearer(text(key, "token")).send(), 401), "unauthorized");
    }
    assert_eq!(fixture.provider.count(), used + 1);
    call(&other).send().ok();
    // Nor after a crash.
    fixture.daemon.kill();
    fixture.daemon = fixture.world.serve().env("OPENAI_API_KEY", &fixture.key).start();
    for (key, status) in [(&parent, 401), (&child, 401), (&other, 200)] {
        assert_eq!(fixture.http().chat(MODEL, "x").bearer(text(key, "token")).send().status, status);
    }
}

#[test]
fn p08_a_key_without_the_scope_reaches_no_model() {
    let fixture = InferenceFixture::new();
    let Session { access_token, .. } = sign_in(&fixture.world, &fixture.daemon, SCOPES);
    let key = mint(&fixture, &access_token, &["keys:read"]);
    let error = fixture.http().chat(MODEL, "x").bearer(text(&key, "token")).send().refused(403, "missing_scope");
    assert_eq!(error["message"], "missing required scope: inference:invoke");
    assert_eq!(fixture.provider.count(), 0);
    // Nor can it mint one that does.
    let wider = json!({"display_name": "k", "scopes": ["inference:invoke"]}).to_string();
    let refused = fixture.http().post(KEYS).bearer(text(&key, "token")).json(wider).send();
    assert_eq!(refused.json()["error_description"], "missing required scope: keys:write");
    let writer = mint(&fixture, &access_token, &["keys:write"]);
    let wider = json!({"display_name": "k", "scopes": ["inference:invoke"]}).to_string();
    let refused = fixture.http().post(KEYS).bearer(text(&writer, "token")).json(wider).send();
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["error_description"], "scope exceeds the caller's: inference:invoke");
}

#[test]
fn a_key_of_the_own_node_that_is_stored_is_used_in_process() {
    let fixture = InferenceFixture::new();
    let session = sign_in(&fixture.world, &fixture.daemon, SCOPES);
    let key = mint(&fixture, &session.access_token, SCOPES);
    let stored = json!({"kind": "api_key", "api_key": text(&key, "token"), "base_url": "http://127.0.0.1:9"});
    fixture.world.rename_over("data/bitrouter/account-credentials.json", stored.to_string());
    let call = || fixture.http().chat("bitrouter:openai:m", "x").send();
    wait::holds("the stored key", || call().status == 200);
    let path = format!("{KEYS}/{}", text(&key, "id"));
    delete(&fixture, &session.access_token, &path).ok();
    call().refused(401, "session_ended");
}
