//! Faults after the first byte of an answer: what came is delivered, then the error in the dialect's own form; never a
//! silent end.

use bitrouter_tests::{Answer, End, MODEL, Reply, Stage, logs, logs::member, wait};
use serde_json::Value;

use super::{call, line_of, stage, still_serves};

/// A stream that broke: what came, one error event, an orderly end; the log says the same.
#[track_caller]
fn broke(stage: &Stage, reply: Reply, code: &str) {
    stage.provider.next(reply);
    let answer = call(stage, true).send();
    let text = answer.text();
    assert_eq!((answer.status, answer.end), (200, End::Complete), "{text}");
    assert!(text.contains("\"before\"") && !text.contains("[DONE]"), "{text}");
    let last = text.trim_end().rsplit('\n').next().and_then(|line| line.strip_prefix("data: ")).unwrap_or_default();
    let event: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(event["error"]["code"], code, "{text}");
    assert!(!text.contains(&stage.key));
    let line = line_of(stage, &answer);
    assert_eq!((member(&line, "status"), member(&line, "error_code")), (&200.into(), &code.into()), "{line}");
    assert_eq!(member(&line, "cancelled"), false, "{line}");
}

fn before() -> Reply {
    Reply::stream().token("before")
}

#[test]
fn p13_a_reset_in_mid_stream_upstream_interrupted() {
    let stage = stage("");
    broke(&stage, before().reset(), "upstream_interrupted");
    still_serves(&stage);
}

#[test]
fn p13_a_close_in_mid_stream_upstream_interrupted() {
    let stage = stage("");
    broke(&stage, before().close(), "upstream_interrupted");
    broke(&stage, before().half_chunk("data: {}\n\n").close(), "upstream_interrupted");
    still_serves(&stage);
}

#[test]
fn p13_garbage_in_mid_stream_upstream_interrupted() {
    let stage = stage("");
    broke(&stage, before().send("no chunk at all\r\n\r\n").close(), "upstream_interrupted");
    still_serves(&stage);
}

#[test]
fn p13_a_stall_in_mid_stream_upstream_timeout() {
    let stage = stage("[timeouts]\nbetween_chunks = \"250ms\"\n");
    broke(&stage, before().stall(), "upstream_timeout");
    stage.provider.exchange(0).wait_left();
    still_serves(&stage);
}

#[test]
fn p13_a_stream_that_takes_too_long_in_all_upstream_timeout() {
    let stage = stage("[timeouts]\ntotal = \"400ms\"\n");
    broke(&stage, before().stall(), "upstream_timeout");
    still_serves(&stage);
}

/// A plain answer that broke after its first byte: the connection is aborted, so that nobody takes it for whole.
#[track_caller]
fn aborted(stage: &Stage, reply: Reply) -> Answer {
    stage.provider.next(reply);
    let answer = call(stage, false).send();
    let whole = answer.status == 200 && answer.end == End::Complete;
    assert!(!whole, "a broken answer looks whole: {}", answer.text());
    let text = stage.daemon.stderr().until("the log line", |text| !logs::with_message(text, "request").is_empty());
    let line = logs::with_message(&text, "request").remove(0);
    assert_eq!(member(&line, "error_code"), "upstream_interrupted", "{line}");
    answer
}

#[test]
fn p13_a_close_in_a_plain_answer_aborts_it() {
    let stage = stage("");
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n";
    aborted(&stage, Reply::raw(head).send("{\"id\":\"half").close());
    still_serves(&stage);
}

#[test]
fn p13_a_reset_in_a_plain_answer_aborts_it() {
    let stage = stage("");
    let json = [("content-type", "application/json")];
    aborted(&stage, Reply::stream_with(200, &json).piece("{\"id\":\"half").reset());
    still_serves(&stage);
}

#[test]
fn p10_a_caller_that_leaves_is_cancelled_and_logged_as_that() {
    let stage = stage("");
    stage.provider.next(before().stall());
    let mut open = stage.stream();
    open.until_contains("\"before\"");
    drop(open);
    stage.provider.exchange(0).wait_left();
    let text = stage.daemon.stderr().until("the log line", |text| !logs::with_message(text, "request").is_empty());
    let line = logs::with_message(&text, "request").remove(0);
    assert_eq!((member(&line, "cancelled"), member(&line, "stream")), (&true.into(), &true.into()), "{line}");
    let metrics = || stage.http().get("/metrics").send().ok().text();
    wait::holds("nothing in flight", || metrics().contains("bitrouter_in_flight 0"));
    still_serves(&stage);
}

#[test]
fn p15_the_end_of_the_daemon_is_told_in_the_stream_and_in_the_log() {
    let mut stage = stage("");
    stage.provider.next(before().stall());
    let mut open = stage.stream();
    open.until_contains("\"before\"");
    stage.world.cli(["stop", "--timeout", "500ms"]).expect_code(0);
    let answer = open.finish();
    let text = answer.text();
    assert!(answer.end == End::Complete && text.contains("data: {\"error\""), "{text}");
    stage.daemon.wait(wait::PATIENCE);
    stage.daemon.stderr().ends_within(wait::PATIENCE);
    let lines = logs::with_message(&stage.daemon.stderr().text(), "request");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(member(&lines[0], "error_code").is_string(), "{}", lines[0]);
}

#[test]
fn p13_an_error_event_of_the_provider_itself_passes_as_it_is() {
    let stage = stage("");
    let event = r#"{"error":{"message":"overloaded","type":"server_error","code":"overloaded","param":null}}"#;
    stage.provider.next(before().event(event).end());
    let answer = stage.http().chat_stream(MODEL, "x").send();
    assert_eq!((answer.status, answer.end), (200, End::Complete));
    assert_eq!(answer.text().matches(event).count(), 1, "{}", answer.text());
}
