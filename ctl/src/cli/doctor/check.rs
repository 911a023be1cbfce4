//! One thing that was looked at, and how all of them are shown.

use std::fmt::Write as _;

use bitrouter_proto::{codes::CheckCode, status::Severity, terminal::visible_line};
use serde::Serialize;

use crate::render::style::{BAD, DIM, TYPED, WARNING, styled};

/// What came of one look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// A stable word.
    pub(super) code: String,
    /// False where something is wrong.
    pub(super) ok: bool,
    /// How much it matters: `error` makes the exit code 1. Of what is well always `info`.
    pub(super) severity: Severity,
    /// For people: a fragment.
    pub(super) message: String,
    /// The command that cures it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) command: Option<String>,
}

impl Check {
    /// All is well.
    pub(super) fn good(code: CheckCode, message: impl Into<String>) -> Self {
        Self { code: code.to_string(), ok: true, severity: Severity::Info, message: message.into(), command: None }
    }

    /// Something does not work.
    pub(super) fn error(code: CheckCode, message: impl Into<String>) -> Self {
        Self { ok: false, severity: Severity::Error, ..Self::good(code, message) }
    }

    /// Something does not work as it could.
    pub(super) fn warning(code: CheckCode, message: impl Into<String>) -> Self {
        Self { ok: false, severity: Severity::Warning, ..Self::good(code, message) }
    }

    /// With the command that cures it.
    pub(super) fn cure(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    /// The same, with a command where there is one.
    pub(super) fn cure_if(self, command: Option<String>) -> Self {
        Self { command, ..self }
    }

    /// True where the command fails because of it.
    pub(super) fn fails(&self) -> bool {
        !self.ok && self.severity == Severity::Error
    }
}

/// A line for each, worst first; what is well is dim.
pub(super) fn text(checks: &[Check]) -> String {
    let width = checks.iter().map(|check| check.code.chars().count()).max().unwrap_or_default();
    let mut out = String::new();
    for Check { code, ok, severity, message, command } in checks {
        let message = visible_line(message);
        if *ok {
            let line = format!("✓ {code:<width$}  {message}");
            let _ = writeln!(out, "{}", styled(DIM, line));
            continue;
        }
        let (style, mark) = match severity {
            Severity::Error => (BAD, '✗'),
            Severity::Warning => (WARNING, '!'),
            Severity::Info => (DIM, '!'),
        };
        let _ = write!(out, "{} {code:<width$}  {message}", styled(style, mark));
        if let Some(command) = command {
            let _ = write!(out, "; run: {}", styled(TYPED, visible_line(command)));
        }
        out.push('\n');
    }
    out
}

/// In the order in which they are shown: what fails first.
pub(super) fn sort(checks: &mut [Check]) {
    checks.sort_by_key(|check| (check.ok, std::cmp::Reverse(check.severity)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_comes_first_and_only_an_error_fails() {
        let mut checks = vec![
            Check::good(CheckCode::Home, "all is well"),
            Check::warning(CheckCode::Unit, "hm").cure("x"),
            Check::error(CheckCode::Daemon, "no daemon is running").cure("bitrouter start"),
        ];
        sort(&mut checks);
        let shown = anstream::adapter::strip_str(&text(&checks)).to_string();
        let expected = "\
✗ daemon  no daemon is running; run: bitrouter start
! unit    hm; run: x
✓ home    all is well
";
        assert_eq!(shown, expected);
        assert_eq!(checks.iter().map(Check::fails).collect::<Vec<_>>(), [true, false, false]);
        let json = serde_json::to_string(&checks[2]).unwrap();
        assert_eq!(json, r#"{"code":"home","ok":true,"severity":"info","message":"all is well"}"#);
    }

    #[test]
    fn nothing_that_is_told_writes_over_the_terminal() {
        let shown = text(&[Check::error(CheckCode::Port, "a\u{1b}[2Jb\nc").cure("d\u{7}")]);
        assert_eq!(anstream::adapter::strip_str(&shown).to_string().matches('\n').count(), 1);
        assert!(!shown.contains('\u{7}') && !shown.contains("\u{1b}[2J"), "{shown:?}");
    }
}
