//! Which path is meant, and who may ask for it.

use bitrouter_tests::{InferenceFixture, MODEL, World};

#[test]
fn r1_20_a_run_of_slashes_is_one() {
    let fixture = InferenceFixture::new();
    let body = format!(r#"{{"model":"{MODEL}","messages":[]}}"#);
    for path in ["//v1/chat/completions", "/v1//chat/completions", "///v1//chat///completions"] {
        fixture.http().post(path).json(&body).send().ok();
    }
    for path in ["//v1/models", "/v1//models", "//health", "//ping", "//metrics"] {
        fixture.http().get(path).send().ok();
    }
    assert_eq!(fixture.provider.count(), 3);
    // Whoever judges a path judges the one that is meant.
    let Some(foreign) = fixture.world.user().foreign() else { return };
    let other = fixture.http().as_user(foreign);
    other.get("//metrics").send().refused(401, "api_key_required");
    other.get("/health//").send().refused(401, "api_key_required");
    other.get("//health").send().ok();
}

#[test]
fn metrics_take_get_and_head_only() {
    let world = World::new();
    let daemon = world.demo();
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = daemon.http().request(method, "/metrics").send();
        answer.refused(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{method}");
    }
    daemon.http().get("/metrics").send().ok();
    let Some(foreign) = world.user().foreign() else { return };
    daemon.http().as_user(foreign).post("/metrics").send().refused(401, "api_key_required");
}

#[test]
fn p06_a_page_of_an_allowed_host_is_our_own() {
    let fixture = InferenceFixture::with("[server]\nallow_hosts = [\"box.local\"]\n");
    let call = |origin: &str| fixture.http().get("/health").host("box.local").header("origin", origin).send();
    call("http://box.local").ok();
    for foreign in ["https://box.local", "http://box.local:81", "http://box.local.evil", "http://evil.example"] {
        call(foreign).refused(403, "origin_not_allowed");
    }
    fixture.http().get("/v1/models").header("origin", "http://box.local").send().refused(403, "origin_not_allowed");
}
