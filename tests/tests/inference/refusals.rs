//! The order of refusals, their shape, and that none of them reaches a provider.

use bitrouter_tests::{InferenceFixture, MODEL};
use serde_json::json;

#[test]
fn p13_r5_08_refusals_come_in_their_order() {
    let fixture = InferenceFixture::with("[server]\nmax_body = \"1 KiB\"\n");
    let large = "x".repeat(4096);
    let chat = || fixture.http().post("/v1/chat/completions");
    let foreign = fixture.world.user().foreign();
    let wrong = |call: bitrouter_tests::http::Call| call.header("content-type", "text/plain").body(&large);

    if let Some(foreign) = foreign {
        let other = fixture.http().as_user(foreign).post("/v1/chat/completions");
        let call = wrong(other.clone().host("evil.example").header("origin", "http://evil.example"));
        call.send().refused(403, "host_not_allowed");
        wrong(other.clone().header("origin", "http://evil.example")).send().refused(403, "origin_not_allowed");
        wrong(other).send().refused(401, "api_key_required");
    }
    let call = wrong(chat().host("evil.example").header("origin", "http://evil.example"));
    call.send().refused(403, "host_not_allowed");
    wrong(chat().header("origin", "http://evil.example")).send().refused(403, "origin_not_allowed");
    // The path comes before what is sent to it, in whatever type and size.
    for (path, status, code) in [
        ("/nowhere", 404, "not_found"),
        ("/v1/images/generations", 404, "not_found"),
        ("/v1/models", 405, "method_not_allowed"),
        ("/metrics", 405, "method_not_allowed"),
    ] {
        wrong(fixture.http().post(path)).send().refused(status, code);
        fixture.http().post(path).json(&large).send().refused(status, code);
    }
    wrong(chat()).send().refused(415, "unsupported_media_type");
    chat().json(&large).send().refused(413, "body_too_large");
    chat().json("{").send().refused(400, "invalid_request");
    chat().json(r#"{"model":"nope"}"#).send().refused(404, "model_not_found");
    chat().json(r#"{"model":"anthropic:x"}"#).send().refused(402, "provider_key_missing");
    assert_eq!(fixture.provider.count(), 0);
}

#[test]
fn p13_a_body_without_one_clear_model_is_400() {
    let fixture = InferenceFixture::new();
    let bodies = [
        ("", "empty"),
        ("{", "cut"),
        ("[]", "no object"),
        ("\"x\"", "no object"),
        ("{}", "no model"),
        (r#"{"messages":[]}"#, "no model"),
        (r#"{"model":null}"#, "null"),
        (r#"{"model":1}"#, "number"),
        (r#"{"model":""}"#, "empty name"),
        (r#"{"model":["openai:m"]}"#, "list"),
        (r#"{"model":"openai:m","model":"openai:m"}"#, "duplicate"),
        (r#"{"model":"openai:m","mod\u0065l":"openai:n"}"#, "duplicate in another spelling"),
        (r#"{"model":"openai:m"} x"#, "bytes after the document"),
        (r#"{"model":"openai:m"}{"#, "a second document"),
        (r#"{"model":"openai:m",}"#, "trailing comma"),
        (r#"{"model":"openai:m","x":01}"#, "a number that is none"),
        (r#"{"model":"openai:m","x":"\q"}"#, "an escape that is none"),
        ("{\"model\":\"openai:m\",\"x\":\"\u{1}\"}", "a control character"),
    ];
    for (body, name) in bodies {
        let answer = fixture.http().post("/v1/chat/completions").json(body).send();
        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
        answer.refused(400, "invalid_request");
    }
    let invalid = [&b"{\"model\":\"openai:m\",\"x\":\""[..], &[0xff, 0xfe], b"\"}"].concat();
    fixture.http().post("/v1/chat/completions").json(invalid).send().refused(400, "invalid_request");
    let deep = format!(r#"{{"model":"openai:m","x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let answer = fixture.http().post("/v1/chat/completions").json(deep).send();
    assert!(matches!(answer.status, 200 | 400), "{}", answer.status);
    assert!(fixture.provider.count() <= 1);
}

#[test]
fn p13_only_plain_json_is_taken() {
    let fixture = InferenceFixture::new();
    let body = r#"{"model":"openai:m","messages":[]}"#;
    let chat = || fixture.http().post("/v1/chat/completions");
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx"]
    {
        chat().header("content-type", kind).body(body).send().refused(415, "unsupported_media_type");
    }
    chat().body(body).send().refused(415, "unsupported_media_type");
    for coding in ["gzip", "br", "deflate"] {
        chat().json(body).header("content-encoding", coding).send().refused(415, "unsupported_media_type");
    }
    assert_eq!(fixture.provider.count(), 0);
    chat().json(body).header("content-encoding", "identity").send().ok();
    for kind in ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"] {
        chat().header("content-type", kind).body(body).send().ok();
    }
}

#[test]
fn p13_unknown_paths_and_methods_are_json_and_name_the_way() {
    let fixture = InferenceFixture::new();
    for path in ["/nowhere", "/v1/nowhere", "/chat/completions", "/v1/v1/chat/completions"] {
        let error = fixture.http().get(path).send().refused(404, "not_found");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains(&fixture.daemon.base_url()), "{path}: {message}");
    }
    let body = json!({"model": MODEL, "messages": []}).to_string();
    fixture.http().get("/v1/chat/completions").send().refused(405, "method_not_allowed");
    fixture.http().get("/v1/embeddings").send().refused(405, "method_not_allowed");
    fixture.http().post("/v1/models").json(&body).send().refused(405, "method_not_allowed");
    fixture.http().request("DELETE", "/v1/models").send().refused(405, "method_not_allowed");
    for method in ["POST", "DELETE", "PUT", "OPTIONS"] {
        for path in ["/metrics", "/health", "/v1/models"] {
            let answer = fixture.http().request(method, path).send();
            answer.refused(405, "method_not_allowed");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{method} {path}");
        }
    }
    fixture.http().request("PUT", "/v1/chat/completions").json(&body).send().refused(405, "method_not_allowed");
    let answer = fixture.http().get("/v1/responses").send();
    answer.refused(426, "upgrade_required");
    assert_eq!((answer.header("upgrade"), answer.header("connection")), (Some("HTTP/1.1"), Some("upgrade")));
    assert_eq!(fixture.provider.count(), 0);
}

#[test]
fn the_root_answers_everybody_that_it_is_there() {
    let fixture = InferenceFixture::new();
    let root = fixture.http().get("/").send().ok().json();
    assert_eq!(root["name"], "bitrouter", "{root}");
    let url = fixture.daemon.base_url().replace("/v1", "/");
    let head = fixture.world.program("/usr/bin/curl".as_ref(), ["-sS", "--head", "--max-time", "30", &url]).run();
    assert!(head.with_code(0).stdout.starts_with("HTTP/1.1 200 "));
    fixture.http().post("/").json("{}").send().refused(405, "method_not_allowed");
}

#[test]
fn refusals_are_counted_by_their_reason() {
    let fixture = InferenceFixture::new();
    fixture.http().get("/health").host("evil.example").send().refused(403, "host_not_allowed");
    fixture.http().chat("nope", "x").send().refused(404, "model_not_found");
    let metrics = fixture.http().get("/metrics").send().ok().text();
    for reason in ["host_not_allowed", "model_not_found"] {
        let line = metrics.lines().find(|line| line.starts_with("bitrouter_refused_total") && line.contains(reason));
        assert!(line.is_some_and(|line| line.ends_with(" 1")), "{reason}:\n{metrics}");
    }
}
