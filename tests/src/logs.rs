//! Reads log lines that a daemon wrote with `--log-format json`.

use serde_json::Value;

use crate::{daemon::Daemon, process::Stream};

/// A member of a log line, wherever the line keeps its fields.
pub fn member<'a>(line: &'a Value, name: &str) -> &'a Value {
    match &line[name] {
        Value::Null => &line["fields"][name],
        found => found,
    }
}

/// Every line that is JSON and carries this `message`.
pub fn with_message(text: &str, message: &str) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| member(line, "message") == message).collect()
}

/// Waits for a reload that `trigger` caused, and returns its line.
#[track_caller]
pub fn wait_for_reload_by(daemon: &Daemon, trigger: &str) -> Value {
    let by = |text: &str| with_message(text, "reload").into_iter().find(|line| member(line, "trigger") == trigger);
    let text = daemon.stderr().until(&format!("a reload by {trigger}"), |text| by(text).is_some());
    by(&text).expect("just seen")
}

/// Waits for `count` lines with this `message` on the stderr of a foreground daemon.
#[track_caller]
pub fn wait_for(daemon: &Daemon, message: &str, count: usize) -> Vec<Value> {
    let stderr: &Stream = daemon.stderr();
    let text =
        stderr.until(&format!("{count} `{message}` log lines"), |text| with_message(text, message).len() >= count);
    with_message(&text, message)
}
