//! CVE-2026-7482 (Ollama): lengths in a request were believed, and what lay behind the buffer (keys from the
//! environment, other people's prompts) came back. Here: every length lies, and nothing that is not the caller's own
//! comes back.

use std::time::Duration;

use bitrouter_tests::{
    InferenceFixture, MODEL, canary,
    hostile::{Hostile, call_headers, flag, frame, kind},
};

#[test]
fn cve_2026_7482_no_lying_length_brings_back_what_lies_behind() {
    let fixture = InferenceFixture::build("", |serve| serve.env("GROQ_API_KEY", "sk-canary-groq-behind-the-buffer-1"));
    let prompt = fixture.world.canary("prompt");
    let secrets = [fixture.key.clone(), prompt.clone(), "sk-canary-groq-behind-the-buffer-1".to_owned()];
    // Somebody's prompts lie about in memory.
    for _ in 0..20 {
        fixture.http().chat(MODEL, &prompt).send().ok();
    }
    let host = fixture.http().addr();
    let head = |length: &str| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n{length}\r\n\r\n"
        )
    };
    let mut answers = Vec::new();
    for lie in [
        "content-length: 4096",
        "content-length: 18446744073709551615",
        "content-length: 99999999999999999999",
        "content-length: -1",
    ] {
        let client = fixture.http().within(Duration::from_millis(700));
        answers.push(client.raw(format!("{}{{\"model\":\"openai:m\"}}", head(lie))).body);
    }
    for chunk in ["ffffffffffffffff\r\nx", "7fffffff\r\nx", "-1\r\nx", "fffffffffffffffff\r\nx", "2\r\nx\r\n0\r\n\r\n"]
    {
        let client = fixture.http().within(Duration::from_millis(700));
        answers.push(client.raw(format!("{}{chunk}", head("transfer-encoding: chunked"))).body);
    }
    for body in [
        "{\"model\":\"openai:m\",\"messages\":[",
        "\"\\ud800\"",
        "{\"model\":\"\\u0000\"}",
        "[[[[[[[[[[",
        "{\"model\":1e999}",
    ] {
        answers.push(fixture.http().post("/v1/chat/completions").json(body).send().body);
    }
    for length in [u32::MAX, 1 << 30, 4096] {
        let mut client = Hostile::greeted(&fixture.daemon.socket());
        client.say(&frame(kind::HEADERS, flag::END_HEADERS, 1, &call_headers("DaemonService/Reload")));
        let mut message = vec![0];
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(b"short");
        client.say(&frame(kind::DATA, flag::END_STREAM, 1, &message));
        answers.push(client.listen(Duration::from_millis(500)).0);
    }
    for (number, answer) in answers.iter().enumerate() {
        let leaks = canary::find(&secrets, &format!("answer {number}"), answer);
        assert!(leaks.is_empty(), "{leaks:?}");
    }
}
