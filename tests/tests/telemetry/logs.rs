//! The log: one line per request with everything but secrets, streamed over the control API, its level changed at run
//! time.

use bitrouter_tests::{InferenceFixture, MODEL, Reply, World, logs, logs::member};
use serde_json::Value;

const FIELDS: [&str; 12] = [
    "request_id",
    "model",
    "provider",
    "status",
    "stream",
    "input_tokens",
    "output_tokens",
    "total_ms",
    "first_byte_ms",
    "error_code",
    "cancelled",
    "message",
];

fn json_fixture() -> InferenceFixture {
    InferenceFixture::build("", |serve| serve.args(["--log-format", "json"]))
}

#[test]
fn each_request_makes_one_line() {
    let fixture = json_fixture();
    let answer = fixture.http().chat(MODEL, "x").send().ok();
    let line = logs::wait_for(&fixture.daemon, "request", 1)[0].clone();
    for field in FIELDS {
        let container = if line.get("fields").is_some() { &line["fields"] } else { &line };
        let optional = matches!(field, "error_code");
        assert!(optional || container.get(field).is_some(), "`{field}` is missing in {line}");
    }
    assert_eq!(member(&line, "request_id").as_str(), answer.header("x-bitrouter-request-id"));
    assert_eq!((member(&line, "model"), member(&line, "provider")), (&"m".into(), &"openai".into()));
    assert_eq!((member(&line, "status"), member(&line, "stream")), (&200.into(), &false.into()));
    assert_eq!((member(&line, "input_tokens"), member(&line, "output_tokens")), (&3.into(), &4.into()));
    assert_eq!((member(&line, "cancelled"), member(&line, "error_code")), (&false.into(), &Value::Null));
    assert!(member(&line, "total_ms").is_number() && member(&line, "first_byte_ms").is_number(), "{line}");

    fixture.provider.next(Reply::stream().token("x").reset());
    fixture.stream().finish();
    let line = logs::wait_for(&fixture.daemon, "request", 2)[1].clone();
    assert_eq!((member(&line, "stream"), member(&line, "error_code")), (&true.into(), &"upstream_interrupted".into()));
}

#[test]
fn tokens_are_read_from_a_stream() {
    let fixture = json_fixture();
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":22,"total_tokens":33}}"#;
    fixture.provider.next(Reply::stream().token("x").event(usage).event("[DONE]").end().cut_every(5));
    fixture.stream().finish().ok();
    let line = logs::wait_for(&fixture.daemon, "request", 1)[0].clone();
    assert_eq!((member(&line, "input_tokens"), member(&line, "output_tokens")), (&11.into(), &22.into()), "{line}");
}

#[test]
fn logs_shows_the_ring_and_follows_it() {
    let fixture = InferenceFixture::new();
    fixture.http().chat(MODEL, "x").send().ok();
    let shown = fixture.world.cli(["logs"]).with_code(0);
    assert!(shown.stdout.contains("request"), "{}", shown.text());
    let follow = fixture.world.command(["logs", "-f"]).spawn();
    follow.stdout().until("the ring", |text| text.contains("request"));
    let id = "followed_1";
    fixture.http().chat(MODEL, "x").header("x-bitrouter-request-id", id).send().ok();
    follow.stdout().until_contains(id);
}

#[test]
fn a_detached_daemon_logs_to_its_file() {
    let world = World::new();
    world.cli(["start", "--demo", "--listen", "127.0.0.1:0"]).expect_code(0);
    let daemon = world.detached();
    daemon.http().chat("demo/echo", "x").header("x-bitrouter-request-id", "in_the_file").send().ok();
    bitrouter_tests::wait::holds("the line in the file", || {
        std::fs::read_to_string(world.path("state/bitrouter/daemon.log")).is_ok_and(|text| text.contains("in_the_file"))
    });
}

#[test]
fn the_level_changes_at_run_time() {
    let fixture = json_fixture();
    fixture.world.cli(["logs", "--level", "error"]).expect_code(0);
    fixture.http().chat(MODEL, "x").header("x-bitrouter-request-id", "quiet_1").send().ok();
    fixture.world.cli(["logs", "--level", "debug"]).expect_code(0);
    fixture.http().chat(MODEL, "x").header("x-bitrouter-request-id", "loud_1").send().ok();
    let text = fixture.daemon.stderr().until_contains("loud_1");
    assert!(!text.contains("quiet_1"), "{text}");
    let output = fixture.world.cli(["logs", "--level", "shout"]).with_code(1);
    assert!(output.stderr.contains("shout"), "{}", output.stderr);
}

#[test]
fn control_characters_cannot_forge_a_line() {
    let fixture = InferenceFixture::new();
    let body = r#"{"model":"openai:m\n2026-01-01T00:00:00Z ERROR forged\u001b[31m","messages":[]}"#;
    fixture.http().post("/v1/chat/completions").json(body).send();
    fixture.http().chat(MODEL, "x").header("x-bitrouter-request-id", "after_it").send().ok();
    let text = fixture.daemon.stderr().until_contains("after_it");
    assert!(!text.lines().any(|line| line.starts_with("2026-01-01T00:00:00Z")), "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn a_line_stays_json_whatever_a_caller_puts_into_it() {
    let world = World::new();
    let daemon = world.demo();
    for name in ["openai:a\u{202e}b", "x\u{2028}y", "x\u{61c}\u{9b}y\u{1b}[31m"] {
        daemon.http().chat(name, "x").send();
        let said = world.cli(["logs", "--json", "-n", "1"]).with_code(0).text();
        let line: Value = serde_json::from_str(said.trim_end()).unwrap_or_else(|e| panic!("{e}: {said}"));
        assert_eq!(line["model"].as_str(), Some(name));
        assert!(
            !said.trim_end().contains(|c: char| c.is_control() || matches!(c, '\u{202e}' | '\u{2028}' | '\u{61c}'))
        );
    }
}
