//! Inputs that once did harm: names without a bound, replies that are read more than once, pages, ends that never come.

use std::time::Duration;

use bitrouter_proto::clock;
use bitrouter_tests::{End, Gate, InferenceFixture, MODEL, Reply, http::Opened};

/// A document, gzipped.
const GZIPPED: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0x4a, 0x2d, 0x2a, 0xca, 0x2f, 0x52, 0xb2,
    0xaa, 0x56, 0xca, 0x4d, 0x2d, 0x2e, 0x4e, 0x4c, 0x4f, 0x55, 0xb2, 0x52, 0x2a, 0xce, 0xc9, 0x2f, 0x57, 0x48, 0xc9,
    0x2f, 0xcf, 0x53, 0xd2, 0x51, 0x4a, 0xce, 0x4f, 0x01, 0x09, 0x15, 0x25, 0x96, 0xa4, 0xc6, 0xe7, 0x64, 0xe6, 0x66,
    0x96, 0x28, 0xd5, 0xd6, 0x02, 0x00, 0xfd, 0x43, 0x95, 0xf7, 0x35, 0x00, 0x00, 0x00,
];

#[test]
fn r1_01_a_name_has_a_bound_in_bodies_and_in_paths() {
    let fixture = InferenceFixture::new();
    for length in [513, 4_000, 1 << 20] {
        let begun = clock::monotonic_now();
        let answer = fixture.http().chat(&"n".repeat(length), "x").send();
        let error = answer.refused(400, "invalid_request");
        assert_eq!(error["param"], "model");
        assert!(error["message"].as_str().is_some_and(|message| message.contains("512")), "{error}");
        assert!(answer.text().len() < 1_000, "the name is not sent back");
        assert!(clock::monotonic_now() - begun < Duration::from_secs(2), "{length} bytes took a worker");
    }
    let longest = "n".repeat(512);
    fixture.http().chat(&longest, "x").send().refused(404, "model_not_found");
    fixture.http().get(&format!("/v1/models/{longest}")).send().refused(404, "model_not_found");
    fixture.http().get(&format!("/v1/models/{longest}n")).send().refused(400, "invalid_request");
    fixture.http().get(&format!("/v1/models/{}", "%6e".repeat(513))).send().refused(400, "invalid_request");
    assert_eq!(fixture.provider.count(), 0);
    // What such a call leaves in the log pushes nothing else out of it.
    let lines = fixture.world.cli(["logs", "--json"]).with_code(0).text();
    assert!(lines.contains("\"ready\""), "the log was emptied");
}

#[test]
fn r1_09_compressed_errors_keep_their_text_and_their_code() {
    let fixture = InferenceFixture::new();
    let plain = r#"{"error":{"message":"slow down","code":"rate_limit"}}"#;
    for (status, coding, body) in [(429, "gzip", GZIPPED), (400, "gzip", GZIPPED), (503, "identity", plain.as_bytes())]
    {
        let headers = [("content-type", "application/json"), ("content-encoding", coding), ("retry-after", "3")];
        fixture.provider.next(Reply::with(status, &headers, body));
        let answer = fixture.http().chat(MODEL, "x").send();
        assert_eq!((answer.status, answer.text().as_str()), (status, plain), "{coding}");
        assert_eq!((answer.header("content-encoding"), answer.header("retry-after")), (None, Some("3")));
    }
}

#[test]
fn r1_14_usage_is_read_by_its_place_and_in_linear_time() {
    let fixture = InferenceFixture::new();
    let usage = r#""usage":{"prompt_tokens":11,"completion_tokens":22}"#;
    let early = format!(r#"{{{usage},"choices":[{{"message":{{"content":"{}"}}}}]}}"#, "x".repeat(64 << 10));
    let tool = r#"{"choices":[{"message":{"tool_calls":[{"function":{"arguments":"{\"usage\":{\"prompt_tokens\":99}}"}}],"usage":{"prompt_tokens":98}}}]}"#;
    let nest = format!("{}1{}", r#"{"usage":"#.repeat(100_000), "}".repeat(100_000));
    for (body, counted) in [(early.as_str(), 22), (tool, 22), (&nest, 22)] {
        fixture.provider.next(Reply::json(200, body));
        let begun = clock::monotonic_now();
        assert_eq!(fixture.http().chat(MODEL, "x").send().ok().text(), body);
        assert!(
            clock::monotonic_now() - begun < Duration::from_secs(3),
            "a reply of {} bytes took too long",
            body.len()
        );
        let metrics = fixture.http().get("/metrics").send().ok().text();
        let line = format!("bitrouter_tokens_total{{class=\"output\"}} {counted}\n");
        assert!(metrics.contains(&line), "{metrics}");
    }
}

#[test]
fn r1_20_a_page_instead_of_json_names_base_url() {
    let fixture = InferenceFixture::new();
    let page = "<!DOCTYPE html><html><body>Welcome</body></html>";
    for (kind, stream) in
        [("text/html; charset=utf-8", false), ("text/html", true), ("text/plain", false), ("application/json", false)]
    {
        fixture.provider.next(Reply::body(200, kind, page));
        let call = if stream { fixture.http().chat_stream(MODEL, "x") } else { fixture.http().chat(MODEL, "x") };
        let error = call.send().refused(502, "upstream_error");
        assert!(error["message"].as_str().is_some_and(|message| message.contains("base_url")), "{error}");
    }
}

#[test]
fn r1_20_a_provider_that_stays_open_after_the_last_event_keeps_nobody() {
    let fixture = InferenceFixture::new();
    fixture.provider.next(Reply::stream().token("whole").done().stall());
    let begun = clock::monotonic_now();
    let answer = fixture.stream().finish();
    assert_eq!((answer.streamed_text().as_str(), answer.end), ("whole", End::Complete));
    assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    // Two seconds are promised; a busy machine gets five times that.
    assert!(clock::monotonic_now() - begun < Duration::from_secs(10));
}

#[test]
fn r1_20_a_byte_order_mark_is_called_by_its_name() {
    let fixture = InferenceFixture::new();
    let body = [b"\xef\xbb\xbf", format!(r#"{{"model":"{MODEL}","messages":[]}}"#).as_bytes()].concat();
    let error = fixture.http().post("/v1/chat/completions").json(body).send().refused(400, "invalid_request");
    assert!(error["message"].as_str().is_some_and(|message| message.contains("byte order mark")), "{error}");
}

#[test]
fn a_body_of_several_mebibytes_is_served_and_holds_nobody_up() {
    let fixture = InferenceFixture::new();
    let gate = Gate::new();
    fixture.provider.next(Reply::json(200, "{}").after(&gate));
    let large = format!(r#"{{"pad":"{}","model":"{MODEL}","messages":[]}}"#, "x".repeat(8 << 20));
    let caller = fixture.http().post("/v1/chat/completions").json(&large).fire();
    fixture.http().get("/health").send().ok();
    gate.open();
    Opened::read(caller).finish().ok();
    assert_eq!(fixture.provider.exchange(0).request.body.len(), large.replace(MODEL, "m").len());
}

#[test]
fn a_name_in_a_path_that_no_name_can_be_is_400() {
    let fixture = InferenceFixture::new();
    for name in ["..%2fx", "a%2f..%2fb", "../x", "a%3fb", "a%23b", "a%25b", "a%00b", "a%0ab", "%ff", "%2e"] {
        fixture.http().get(&format!("/v1/models/{name}")).send().refused(400, "invalid_request");
    }
    for name in ["a..b", "openai%3Am", "nope%2Fx"] {
        let answer = fixture.http().get(&format!("/v1/models/{name}")).send();
        assert_ne!(answer.status, 400, "{name}: {}", answer.text());
    }
}
