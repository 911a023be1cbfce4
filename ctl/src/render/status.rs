//! The status for people.

use std::fmt::Write as _;

use bitrouter_proto::status::{State, Status};

/// A block in the manner of `systemctl status` (pure).
pub(crate) fn status_text(status: &Status) -> String {
    let mut out = String::new();
    let mark = match status.state {
        State::Running => '●',
        State::Starting | State::Draining => '◐',
        State::Stopped => '○',
        State::Unresponsive => '✗',
    };
    let _ = write!(out, "{mark} bitrouter {}", status.state.as_str());
    if let Some(pid) = status.pid {
        let _ = write!(out, " (pid {pid})");
    }
    if let Some(uptime) = status.uptime_s {
        let _ = write!(out, " for {}", span(uptime));
    }
    if let Some(version) = &status.version {
        let _ = write!(out, ", version {version}");
    }
    out.push('\n');
    let mut row = |label: &str, text: &str| {
        let _ = writeln!(out, "  {label:<10} {text}");
    };
    for (n, listen) in status.listen.iter().enumerate() {
        row(if n == 0 { "listening" } else { "" }, &format!("http://{listen}/v1"));
    }
    if let Some(socket) = &status.socket {
        row("control", socket);
    }
    if let Some(config) = &status.config {
        row("config", config);
    }
    if status.reloads.count > 0 {
        let last = status.reloads.last_at.as_deref().unwrap_or_default();
        row("reloads", &format!("{}, last at {last}", status.reloads.count));
    }
    if let Some(error) = &status.reloads.last_error {
        row("refused", error);
    }
    let width = status.providers.iter().map(|provider| provider.id.len()).max().unwrap_or_default();
    let (active, idle): (Vec<_>, Vec<_>) = status.providers.iter().partition(|provider| provider.active);
    for (n, provider) in active.iter().enumerate() {
        row(if n == 0 { "providers" } else { "" }, &format!("{:<width$}  {}", provider.id, provider.detail));
    }
    for (n, provider) in idle.iter().enumerate() {
        row(if n == 0 { "inactive" } else { "" }, &format!("{:<width$}  {}", provider.id, provider.detail));
    }
    for warning in &status.warnings {
        row(warning.severity.as_str(), &warning.message);
        if let Some(command) = &warning.command {
            row("", &format!("run: {command}"));
        }
    }
    out
}

/// A span of seconds in its two largest units.
fn span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut left = seconds;
    let mut parts = Vec::new();
    for (size, unit) in units {
        if left >= size || (size == 1 && parts.is_empty()) {
            parts.push(format!("{}{unit}", left / size));
            left %= size;
        }
    }
    parts.truncate(2);
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitrouter_proto::status::{ProviderStatus, Severity, Warning};

    #[test]
    fn spans_are_short() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (61, "1m 1s"), (3_600, "1h"), (90_061, "1d 1h")] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn a_running_daemon_reads_as_a_block() {
        let mut status = Status::silent(State::Running);
        status.pid = Some(42);
        status.uptime_s = Some(75);
        status.version = Some("0.1.0".to_owned());
        status.listen = vec!["127.0.0.1:4356".to_owned()];
        status.socket = Some("/run/user/1/bitrouter/control.sock".to_owned());
        let provider = |id: &str, active, detail: &str| ProviderStatus {
            id: id.to_owned(),
            active,
            key_source: None,
            variable: None,
            detail: detail.to_owned(),
        };
        status.providers = vec![provider("anthropic", false, "no key"), provider("openai", true, "OPENAI_API_KEY")];
        status.warnings = vec![Warning {
            code: "x".to_owned(),
            severity: Severity::Warning,
            message: "something".to_owned(),
            since: String::new(),
            command: Some("bitrouter reload".to_owned()),
        }];
        let expected = "\
● bitrouter running (pid 42) for 1m 15s, version 0.1.0
  listening  http://127.0.0.1:4356/v1
  control    /run/user/1/bitrouter/control.sock
  providers  openai     OPENAI_API_KEY
  inactive   anthropic  no key
  warning    something
             run: bitrouter reload
";
        assert_eq!(status_text(&status), expected);
    }
}
