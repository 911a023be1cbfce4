//! The fault table: what fails × what the caller sees × what the log says. One test a row.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod before_the_answer;
mod caller;
mod connection;
mod during_the_answer;
mod machine;
mod places;
mod reload;
mod reply;
mod row;
mod settings;

use bitrouter_tests::{Answer, MODEL, Stage, http::Call, logs, logs::member};
use serde_json::Value;

/// A stage whose log is JSON.
#[track_caller]
fn stage(settings: &str) -> Stage {
    Stage::build(settings, |serve| serve.args(["--log-format", "json"]))
}

/// A call, plain or streamed.
fn call(stage: &Stage, streamed: bool) -> Call {
    if streamed { stage.http().chat_stream(MODEL, "hello") } else { stage.http().chat(MODEL, "hello") }
}

/// The log line of the call with this answer.
#[track_caller]
fn line_of(stage: &Stage, answer: &Answer) -> Value {
    let id = answer.header("x-bitrouter-request-id").expect("every reply carries its request id").to_owned();
    let find =
        |text: &str| logs::with_message(text, "request").into_iter().find(|line| member(line, "request_id") == &id);
    let text = stage.daemon.stderr().until(&format!("the log line of `{id}`"), |text| find(text).is_some());
    find(&text).expect("just seen")
}

/// One row: the caller sees a JSON error, the log says the same, and neither shows the key.
#[track_caller]
fn row(stage: &Stage, streamed: bool, status: u16, code: &str) -> (Answer, Value) {
    let answer = call(stage, streamed).send();
    answer.refused(status, code);
    assert!(!answer.text().contains(&stage.key));
    let line = line_of(stage, &answer);
    assert_eq!((member(&line, "status"), member(&line, "error_code")), (&status.into(), &code.into()), "{line}");
    assert_eq!((member(&line, "cancelled"), member(&line, "stream")), (&false.into(), &streamed.into()), "{line}");
    assert_eq!((member(&line, "model"), member(&line, "provider")), (&"m".into(), &"openai".into()), "{line}");
    (answer, line)
}

/// The row for a plain and for a streamed call.
#[track_caller]
fn both(stage: &Stage, mut prepare: impl FnMut(), status: u16, code: &str) {
    for streamed in [false, true] {
        prepare();
        row(stage, streamed, status, code);
    }
}

/// The next call works: the fault was the provider's, not ours.
#[track_caller]
fn still_serves(stage: &Stage) {
    call(stage, false).send().ok();
    call(stage, true).send().ok();
}
