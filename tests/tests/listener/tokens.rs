//! P6: a token opens inference in its own namespace, from anywhere, for as long as it is good; what looks like one and is none
//! opens nothing.

use bitrouter_tests::{
    InferenceFixture, MODEL, Reply, User, World,
    http::Call,
    sign_in::{Owner, Session, flat_error, revoke, sign_in},
    wait,
};
use serde_json::json;

const INVOKE: &[&str] = &["inference:invoke"];

/// `call` with `key` in each of the four places where SDKs put one.
pub(crate) fn places(fixture: &InferenceFixture, user: User, key: &str) -> Vec<(&'static str, Call)> {
    let body = r#"{"model":"openai:m","messages":[]}"#;
    let path = "/v1/chat/completions";
    let post = |path: &str| fixture.http().as_user(user).post(path).json(body);
    vec![
        ("authorization", post(path).bearer(key)),
        ("x-api-key", post(path).header("x-api-key", key)),
        ("x-goog-api-key", post(path).header("x-goog-api-key", key)),
        ("?key=", post(&format!("{path}?key={key}"))),
    ]
}

#[test]
fn p06_a_token_opens_inference_to_whoever_has_it() {
    let fixture = InferenceFixture::with("[server]\nallow_hosts = [\"box.lan\"]\n");
    let Session { access_token, .. } = sign_in(&fixture.world, &fixture.daemon, INVOKE);
    let users = [Some(fixture.world.user()), fixture.world.user().foreign()];
    for user in users.into_iter().flatten() {
        for (place, call) in places(&fixture, user, &access_token) {
            let before = fixture.provider.count();
            call.send().ok();
            let request = &fixture.provider.exchange(before).request;
            assert_eq!(request.key(), Some(fixture.key.as_str()), "{place}");
            assert!(!String::from_utf8_lossy(&request.head).contains(&access_token), "{place}");
        }
        fixture.http().as_user(user).get("/v1/models").bearer(&access_token).send().ok();
    }
    // Through a proxy, by another name: the token says who it is.
    let call = || fixture.http().chat(MODEL, "x").bearer(&access_token);
    call().header("x-forwarded-for", "203.0.113.7").send().ok();
    call().host("box.lan").send().ok();
    // What is the daemon's alone stays so.
    if let Some(foreign) = fixture.world.user().foreign() {
        let metrics = fixture.http().as_user(foreign).get("/metrics").bearer(&access_token);
        let error = metrics.send().refused(403, "peer_not_allowed");
        assert!(error["message"].as_str().is_some_and(|text| text.contains("`bitrouter node keys mint ")), "{error}");
    }
}

#[test]
fn p06_keyless_never_is_opened_by_a_token() {
    let fixture = InferenceFixture::with("[server]\nkeyless = \"never\"\n");
    let error = fixture.http().chat(MODEL, "x").send().refused(401, "api_key_required");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("`bitrouter auth login`")), "{error}");
    let Session { access_token, .. } = sign_in(&fixture.world, &fixture.daemon, INVOKE);
    fixture.http().chat(MODEL, "x").bearer(&access_token).send().ok();
}

#[test]
fn p06_what_is_no_token_is_never_taken_for_none() {
    let fixture = InferenceFixture::new();
    let Session { access_token, refresh_token, .. } = sign_in(&fixture.world, &fixture.daemon, INVOKE);
    let (head, secret) = access_token.split_once('.').expect("a token");
    let last = if secret.ends_with('0') { "1" } else { "0" };
    let spoilt = [
        format!("{head}.{}{last}", &secret[..secret.len() - 1]),
        format!("{head}.{}", &secret[..secret.len() - 1]),
        format!("{access_token}0"),
        format!("{access_token}."),
        format!("{head}."),
        head.to_owned(),
        "bra_".to_owned(),
        "brk_".to_owned(),
        format!("bra_{access_token}"),
        access_token.replacen("bra_", "brk_", 1),
        refresh_token.replacen("brr_", "bra_", 1),
        format!("{head}.{}", secret.chars().rev().collect::<String>()),
    ];
    for key in &spoilt {
        for (place, call) in places(&fixture, fixture.world.user(), key) {
            let error = call.send().refused(401, "invalid_api_key");
            assert!(!error.to_string().contains(secret), "{place} {key}: {error}");
        }
        assert_eq!(flat_error(&fixture.http().get("/v1/namespaces").bearer(key).send(), 401), "unauthorized");
    }
    assert_eq!(fixture.provider.count(), 0);
    let two = fixture.http().chat(MODEL, "x").bearer(&access_token).header("x-api-key", &spoilt[0]);
    two.send().refused(400, "invalid_request");
    let same = fixture.http().chat(MODEL, "x").bearer(&access_token).header("x-api-key", &access_token);
    same.header("x-goog-api-key", "any-string").send().ok();
    assert_eq!(fixture.provider.count(), 1);
}

#[test]
fn p08_a_token_without_the_scope_reaches_no_model() {
    let fixture = InferenceFixture::new();
    let Session { access_token, .. } = sign_in(&fixture.world, &fixture.daemon, &["namespace:read"]);
    let error = fixture.http().chat(MODEL, "x").bearer(&access_token).send().refused(403, "missing_scope");
    assert_eq!(error["message"], "missing required scope: inference:invoke");
    // The scope comes before what is wrong with the body, and behind what is wrong with the path.
    let call = fixture.http().post("/v1/chat/completions").header("content-type", "text/plain").body("{");
    call.bearer(&access_token).send().refused(403, "missing_scope");
    fixture.http().get("/v1/chat/completions").bearer(&access_token).send().refused(405, "method_not_allowed");
    fixture.http().post("/v1/nowhere").bearer(&access_token).json("{}").send().refused(404, "not_found");
    fixture.http().get("/v1/models").bearer(&access_token).send().ok();
    assert_eq!(fixture.provider.count(), 0);
}

#[test]
fn p08_a_revocation_holds_on_the_next_request_of_an_open_connection() {
    let fixture = InferenceFixture::new();
    let session = sign_in(&fixture.world, &fixture.daemon, INVOKE);
    let call = || fixture.http().chat(MODEL, "x").bearer(&session.access_token);
    let stream = fixture.http().connect();
    let (answer, stream) = call().on(stream).finish_keeping();
    assert_eq!(answer.status, 200, "{}", answer.text());
    revoke(fixture.http(), &session.refresh_token);
    let (answer, _) = call().on(stream).finish_keeping();
    answer.refused(401, "invalid_api_key");
    assert_eq!(fixture.provider.count(), 1);
    fixture.http().chat(MODEL, "x").send().ok();
}

#[test]
fn p08_a_token_ends_at_its_time() {
    let fixture = InferenceFixture::with("[node.oauth]\naccess_token_ttl = \"2s\"\n");
    let session = sign_in(&fixture.world, &fixture.daemon, INVOKE);
    wait::holds("the end of the token", || {
        fixture.http().chat(MODEL, "x").bearer(&session.access_token).send().status == 401
    });
}

#[test]
fn p08_a_web_session_never_opens_inference() {
    let fixture = InferenceFixture::with("[server]\nkeyless = \"never\"\n");
    let owner = Owner::sign_in(&fixture.world, &fixture.daemon);
    let call = fixture.http().chat(MODEL, "x").header("cookie", owner.cookie());
    call.send().refused(401, "api_key_required");
    let models = fixture.http().get("/v1/models").header("cookie", owner.cookie());
    models.send().refused(401, "api_key_required");
    assert_eq!(fixture.provider.count(), 0);
}

#[test]
fn p08_a_stored_response_belongs_to_the_namespace_that_made_it() {
    let fixture = InferenceFixture::new();
    fixture.provider.always(|request| match request.method.as_str() {
        "POST" => Reply::json(200, json!({"id": "resp_made", "object": "response", "status": "completed"}).to_string()),
        _ => Reply::json(200, json!({"id": "resp_made"}).to_string()),
    });
    fixture.world.cli(["node", "namespace", "create", "second"]).expect_code(0);
    let owner = Owner::sign_in(&fixture.world, &fixture.daemon);
    let first = owner.program(INVOKE, Some("default"));
    let again = owner.program(INVOKE, Some("default"));
    let second = owner.program(INVOKE, Some("second"));
    assert_eq!(first.namespace, again.namespace);
    assert_ne!(first.namespace, second.namespace);
    let make = fixture.http().post("/v1/responses").bearer(&first.access_token);
    make.json(r#"{"model":"openai:m","input":"x"}"#).send().ok();
    let get = |id: &str| fixture.http().get(&format!("/v1/responses/{id}"));
    for token in [&first.access_token, &again.access_token] {
        get("resp_made").bearer(token).send().ok();
    }
    // Calls without a credential are made in the same namespace.
    get("resp_made").send().ok();
    let before = fixture.provider.count();
    get("resp_made").bearer(&second.access_token).send().refused(404, "not_found");
    let go_on = r#"{"model":"openai:m","input":"x","previous_response_id":"resp_made"}"#;
    let call = fixture.http().post("/v1/responses").bearer(&second.access_token).json(go_on);
    call.send().refused(404, "not_found");
    // Whatever is not remembered is nobody's who has a token; the key that made it is this user's own.
    for token in [&first.access_token, &second.access_token] {
        get("resp_elsewhere").bearer(token).send().refused(404, "not_found");
        let go_on = go_on.replace("resp_made", "resp_elsewhere");
        let call = fixture.http().post("/v1/responses").bearer(token).json(go_on);
        call.send().refused(404, "not_found");
    }
    assert_eq!(fixture.provider.count(), before);
    get("resp_elsewhere").send().ok();
}

#[test]
fn p08_with_the_node_off_a_token_opens_nothing_and_is_never_taken_for_none() {
    for (settings, break_it, status) in [("[node]\nenabled = false\n", false, 401), ("", true, 503)] {
        let world = World::new();
        world.config("");
        let daemon = world.demo();
        let session = sign_in(&world, &daemon, INVOKE);
        daemon.stop();
        world.config(settings);
        if break_it {
            world.write("data/bitrouter/node.db", "no database at all, whatever else it may be");
        }
        let daemon = world.demo();
        let call = daemon.http().chat("demo/echo", "x").bearer(&session.access_token);
        let code = if status == 401 { "invalid_api_key" } else { "unavailable" };
        let error = call.send().refused(status, code);
        let named = if status == 401 { "enabled = false" } else { "node.db" };
        assert!(error["message"].as_str().is_some_and(|text| text.contains(named)), "{error}");
        daemon.http().chat("demo/echo", "x").bearer("brk_0123").send().refused(status, code);
        let managed = daemon.http().get("/v1/namespaces").bearer(&session.access_token).send();
        assert_eq!(flat_error(&managed, status), if status == 401 { "unauthorized" } else { "unavailable" });
        assert_eq!(daemon.http().chat("demo/echo", "hi").send().ok().content(), "hi");
        daemon.stop();
    }
}
