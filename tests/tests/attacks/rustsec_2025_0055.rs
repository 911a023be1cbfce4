//! RUSTSEC-2025-0055 (tracing-subscriber before 0.3.20): what a caller sent reached the terminal of whoever read the
//! log, escape sequences included.

use bitrouter_tests::{InferenceFixture, logs};

const ESCAPES: [&str; 5] =
    ["\u{1b}[2J\u{1b}[31m", "\u{1b}]0;title\u{7}", "\r\nforged line", "\u{9b}31m", "\u{8}\u{8}\u{8}"];

#[test]
fn rustsec_2025_0055_the_locked_version_is_past_it() {
    super::locked_at_least("tracing-subscriber", [0, 3, 20]);
}

#[test]
fn rustsec_2025_0055_nothing_a_caller_sends_reaches_a_terminal_unescaped() {
    for format in ["human", "json"] {
        let fixture =
            InferenceFixture::build("[log]\nlevel = \"trace\"\n", |serve| serve.args(["--log-format", format]));
        for (number, escape) in ESCAPES.into_iter().enumerate() {
            let model = serde_json::json!(format!("openai:m{escape}x"));
            let body = format!("{{\"model\":{model},\"messages\":[]}}");
            fixture.http().post("/v1/chat/completions").json(body).send();
            let model = serde_json::json!(format!("unknown{escape}x"));
            fixture.http().post("/v1/chat/completions").json(format!("{{\"model\":{model},\"messages\":[]}}")).send();
            let raw = escape.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
            fixture.http().get(&format!("/v1/{raw}")).send();
            fixture.http().get("/health").header("x-bitrouter-request-id", "good_1").header("user-agent", &raw).send();
            // The control socket as well: names and levels that a client makes up.
            let name = format!("A_KEY{escape}");
            fixture.world.cli(["reload", "--forget", &name]);
            fixture.world.cli(["logs", "--level", &format!("info{escape}")]);
            fixture
                .http()
                .chat("openai:m", "x")
                .header("x-bitrouter-request-id", &format!("last_{number}_"))
                .send()
                .ok();
        }
        let text = fixture.daemon.stderr().until_contains("last_4_");
        let shown = fixture.world.cli(["logs"]).with_code(0).stdout;
        let status = fixture.world.cli(["status"]).with_code(0).stdout;
        for (place, text) in [("stderr", &text), ("logs", &shown), ("status", &status)] {
            let bad = text.chars().find(|c| c.is_control() && *c != '\n');
            assert!(bad.is_none(), "{format}: {bad:?} in {place}");
            assert!(!text.lines().any(|line| line.starts_with("forged")), "{format}: a forged line in {place}");
        }
        if format == "json" {
            assert!(logs::with_message(&text, "request").len() >= ESCAPES.len());
            for line in text.lines() {
                serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            }
        }
    }
}
