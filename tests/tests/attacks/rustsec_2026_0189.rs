//! RUSTSEC-2026-0189 (rmcp): no check of `Host` on a streamable HTTP transport. Every spelling of a host, in every place
//! where a request can carry one.

use bitrouter_tests::{End, InferenceFixture, MODEL};

#[test]
fn rustsec_2026_0189_every_place_that_can_carry_a_host_is_checked() {
    let fixture = InferenceFixture::new();
    let own = fixture.http().addr().to_string();
    let body = r#"{"model":"openai:m","messages":[]}"#;
    let length = body.len();
    let rest = format!("content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    let path = "/v1/chat/completions";
    for (name, head) in [
        ("an absolute target", format!("POST http://evil.test{path} HTTP/1.1\r\nhost: {own}\r\n")),
        ("an absolute target and its host", format!("POST http://evil.test{path} HTTP/1.1\r\nhost: evil.test\r\n")),
        ("our target, another host", format!("POST http://{own}{path} HTTP/1.1\r\nhost: evil.test\r\n")),
        ("another scheme", format!("POST https://{own}{path} HTTP/1.1\r\nhost: {own}\r\n")),
        ("two hosts", format!("POST {path} HTTP/1.1\r\nhost: {own}\r\nhost: evil.test\r\n")),
        ("twice the same", format!("POST {path} HTTP/1.1\r\nhost: {own}\r\nhost: {own}\r\n")),
        ("two in one", format!("POST {path} HTTP/1.1\r\nhost: {own}, evil.test\r\n")),
        ("none", format!("POST {path} HTTP/1.1\r\n")),
        ("none in HTTP/1.0", format!("POST {path} HTTP/1.0\r\n")),
        ("an empty one", format!("POST {path} HTTP/1.1\r\nhost:\r\n")),
        ("user info", format!("POST {path} HTTP/1.1\r\nhost: x@{own}\r\n")),
        (
            "a forwarded one",
            format!("POST {path} HTTP/1.1\r\nhost: evil.test\r\nx-forwarded-host: {own}\r\nforwarded: host={own}\r\n"),
        ),
    ] {
        let answer = fixture.http().raw(format!("{head}{rest}"));
        assert!(matches!(answer.status, 400 | 403), "{name}: {} {}", answer.status, answer.text());
        assert_eq!(answer.end, End::Complete, "{name}");
    }
    assert_eq!(fixture.provider.count(), 0);
    // Our own, in upper case and as an absolute target, is ours.
    fixture.http().chat(MODEL, "x").host(&own.replace("127.0.0.1", "LOCALHOST")).send().ok();
    let absolute = format!("POST http://{own}{path} HTTP/1.1\r\nhost: {own}\r\n{rest}");
    assert_eq!(fixture.http().raw(absolute).status, 200);
}
