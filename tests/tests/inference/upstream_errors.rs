//! What a provider answers instead of success: status and `Retry-After` stay, JSON stays, everything else is wrapped.

use std::time::Duration;

use bitrouter_tests::{End, InferenceFixture, MODEL, Reply, provider::Step};

#[test]
fn p13_json_errors_pass_byte_for_byte_with_status_and_retry_after() {
    let fixture = InferenceFixture::new();
    let body = r#"{ "error" : {"message":"slow down \u00e9", "type":"x", "code" : 1e2, "extra":[1]} }"#;
    let date = "Wed, 21 Oct 2037 07:28:00 GMT";
    for stream in [false, true] {
        for status in [400, 401, 403, 404, 409, 422, 429, 500, 503, 529] {
            for after in ["7", date] {
                let headers =
                    [("content-type", "application/json"), ("retry-after", after), ("retry-after-ms", "7000")];
                fixture.provider.next(Reply::with(status, &headers, body));
                let call =
                    if stream { fixture.http().chat_stream(MODEL, "x") } else { fixture.http().chat(MODEL, "x") };
                let answer = call.send();
                assert_eq!((answer.status, answer.text().as_str()), (status, body));
                assert_eq!(answer.header("retry-after"), Some(after));
                assert_eq!(answer.header("retry-after-ms"), Some("7000"));
            }
        }
    }
}

#[test]
fn p13_errors_that_are_no_json_are_wrapped() {
    let fixture = InferenceFixture::new();
    let long = format!("<html><h1>502 Bad Gateway</h1>{}</html>", "ä".repeat(400));
    let table = [
        (500, "text/html", "<html>oops</html>".to_owned()),
        (502, "text/html; charset=utf-8", long.clone()),
        (429, "text/plain", "too many".to_owned()),
        (503, "application/json", "not json".to_owned()),
        (500, "application/json", String::new()),
    ];
    for (status, kind, body) in table {
        let headers = [("content-type", kind), ("retry-after", "3")];
        fixture.provider.next(Reply::with(status, &headers, &body));
        let answer = fixture.http().chat(MODEL, "x").send();
        let error = answer.refused(status, "upstream_error");
        assert_eq!(answer.header("retry-after"), Some("3"));
        let message = error["message"].as_str().unwrap_or_default().to_owned();
        let first: String = body.chars().take(200).collect();
        assert!(message.contains(&first), "{message}");
        assert!(message.chars().count() < 400, "{message}");
    }
}

#[test]
fn p03_a_provider_that_repeats_the_key_does_not_reveal_it() {
    let fixture = InferenceFixture::new();
    let json =
        format!(r#"{{"error":{{"message":"Incorrect API key provided: {}","code":"invalid_api_key"}}}}"#, fixture.key);
    fixture.provider.next(Reply::json(401, &json));
    let answer = fixture.http().chat(MODEL, "x").send();
    assert_eq!((answer.status, answer.text()), (401, json.replace(&fixture.key, "[redacted]")));

    fixture.provider.next(Reply::body(500, "text/html", format!("<p>key {}</p>", fixture.key)));
    let answer = fixture.http().chat(MODEL, "x").send();
    answer.refused(500, "upstream_error");
    assert!(!answer.text().contains(&fixture.key), "{}", answer.text());
}

#[test]
fn p13_a_success_that_is_no_success_is_not_hidden() {
    let fixture = InferenceFixture::new();
    fixture.provider.next(Reply::body(200, "text/html", "<html>captive portal</html>"));
    let answer = fixture.http().chat(MODEL, "x").send();
    assert!(answer.status == 200 || answer.status == 502, "{}", answer.status);
    fixture.provider.next(Reply::with(204, &[], ""));
    let answer = fixture.http().chat(MODEL, "x").send();
    assert!(answer.status == 204 || answer.status == 502, "{}", answer.status);
}

#[test]
fn a_large_error_is_passed_whole() {
    let fixture = InferenceFixture::new();
    let body = format!(r#"{{"error":{{"message":"{}"}}}}"#, "x".repeat(300_000));
    fixture.provider.next(Reply::json(400, &body));
    let answer = fixture.http().chat(MODEL, "x").send();
    assert_eq!(answer.status, 400);
    assert!(answer.text() == body, "{} of {} bytes", answer.body.len(), body.len());
}

#[test]
fn p13_an_error_whose_body_fails_keeps_its_status() {
    let fixture = InferenceFixture::with("[timeouts]\nfirst_byte = \"300ms\"\nbetween_chunks = \"300ms\"\n");
    let head = "HTTP/1.1 429 Slow\r\ncontent-type: application/json\r\nretry-after: 7\r\ncontent-length: 99\r\n\r\n";
    let drip =
        |reply: Reply| (0..8).fold(reply, |reply, _| reply.send("x").then(Step::Pause(Duration::from_millis(100))));
    for (name, reply, text) in [
        ("nothing after the head", Reply::raw(head).stall(), "answered 429"),
        ("a stall in the body", Reply::raw(head).send("{\"error\":").stall(), "{\"error\":"),
        ("a trickle", drip(Reply::raw(head).send("slow ")).stall(), "slow xxxxxxxx"),
        ("a reset", Reply::raw(head).send("{\"err").then(Step::Pause(Duration::from_millis(50))).reset(), "{\"err"),
    ] {
        fixture.provider.next(reply);
        let answer = fixture.http().chat(MODEL, "x").send();
        let error = answer.refused(429, "upstream_error");
        assert_eq!(answer.header("retry-after"), Some("7"), "{name}");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains(text), "{name}: {message}");
    }
}

#[test]
fn p13_the_first_200_characters_are_quoted_as_they_are() {
    let fixture = InferenceFixture::new();
    let text = format!("  <h1>\tNo</h1>\r\n{}\n", "ä\n".repeat(300));
    fixture.provider.next(Reply::body(502, "text/html", &text));
    let error = fixture.http().chat(MODEL, "x").send().refused(502, "upstream_error");
    assert_eq!(error["message"].as_str(), Some(text.chars().take(200).collect::<String>().as_str()));
}

#[test]
fn p13_every_json_document_passes_as_it_is() {
    let fixture = InferenceFixture::new();
    for body in ["\"oops\"", "null", " 5 ", "true", "[]"] {
        fixture.provider.next(Reply::json(500, body));
        let answer = fixture.http().chat(MODEL, "x").send();
        assert_eq!((answer.status, answer.text().as_str(), answer.end), (500, body, End::Complete));
    }
    let large = format!(r#"{{"error":{{"message":"{}"}}}}"#, "x".repeat(5_000_000));
    fixture.provider.next(Reply::json(400, &large));
    let answer = fixture.http().chat(MODEL, "x").send();
    assert!(answer.status == 400 && answer.text() == large, "{} of {} bytes", answer.body.len(), large.len());
}
