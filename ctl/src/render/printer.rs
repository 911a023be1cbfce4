//! Standard output and standard error of one command. A reader that closed its end ends the command quietly.

use std::{
    borrow::Cow,
    io::{self, IsTerminal as _, Write as _},
};

use bitrouter_proto::{
    codes::exit,
    env::{self, Environment},
    terminal::visible,
};
use serde::Serialize;

use super::{
    Shown,
    style::{BAD, TYPED, styled},
    wrap::wrap,
};
use crate::exit::{Failure, Status};

/// Where a command prints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    /// `--json`: standard output holds nothing but JSON.
    pub(crate) json: bool,
    /// Standard output is a terminal.
    pub(crate) on_terminal: bool,
    /// Somebody may be watching standard error: it is a terminal, and not for `--json`.
    pub(crate) is_watched: bool,
    /// What stands on that terminal can be replaced.
    pub(crate) can_replace: bool,
    stdout_styled: bool,
    stderr_styled: bool,
}

impl Printer {
    /// Styles are for terminals, and for those that want them.
    pub(crate) fn new(json: bool, environment: &Environment) -> Self {
        let is_able = environment.text(env::TERM).is_some_and(|terminal| terminal != "dumb");
        let wanted = is_able && environment.text(env::NO_COLOR).is_none();
        let on_terminal = io::stdout().is_terminal();
        let on_stderr = io::stderr().is_terminal();
        let (stdout_styled, stderr_styled) = (wanted && on_terminal, wanted && on_stderr);
        let is_watched = on_stderr && !json;
        Self { json, on_terminal, is_watched, can_replace: is_watched && is_able, stdout_styled, stderr_styled }
    }

    /// One line, or several, for people. Nothing under `--json`.
    pub(crate) fn stdout(self, text: &str) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        write(&self.plain_unless(self.stdout_styled, text))
    }

    /// The rows of a list. An empty one is nothing in a pipe; whoever watches is told that there is `nothing`.
    pub(crate) fn rows(self, text: &str, nothing: &str) -> Result<(), Failure> {
        if !text.is_empty() {
            return self.stdout(text);
        }
        if self.is_watched {
            self.stderr(nothing);
        }
        Ok(())
    }

    /// How a table is shown: a terminal's is as wide as it is.
    pub(crate) fn table(self, wide: bool) -> Shown {
        if !self.on_terminal {
            return Shown::Piped { wide };
        }
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
        let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
        Shown::Terminal { columns: (!wide).then(|| columns.unwrap_or(USUAL_COLUMNS)) }
    }

    /// A server's document as it came. Under `--json` only.
    pub(crate) fn document(self, json: &str) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        // On a terminal it would write over its own line.
        let text = if self.on_terminal { Cow::Owned(json.replace('\r', "")) } else { Cow::Borrowed(json) };
        write_whole(&text)
    }

    /// What standard output is asked for: shell code, help, log lines. Under `--json` too.
    pub(crate) fn stdout_important(self, text: &str) -> Result<(), Failure> {
        write(&self.plain_unless(self.stdout_styled, text))
    }

    /// Help, as wide as the terminal is.
    pub(crate) fn help(self, text: &str) -> Result<(), Failure> {
        let size = self.on_terminal.then(|| rustix::termios::tcgetwinsize(io::stdout()).ok()).flatten();
        match size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0) {
            Some(columns) => self.stdout_important(&wrap(text, columns.min(100))),
            None => self.stdout_important(text),
        }
    }

    /// One JSON document, pretty. Nothing without `--json`.
    pub(crate) fn json(self, value: &impl Serialize) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        let text =
            serde_json::to_string_pretty(value).map_err(|error| Failure::caller("internal", error.to_string()))?;
        write(&text)
    }

    /// One JSON document on one line, at once: an event of several. Nothing without `--json`.
    pub(crate) fn json_line(self, value: &serde_json::Value) -> Result<(), Failure> {
        if self.json { write(&value.to_string()) } else { Ok(()) }
    }

    /// A line on standard error in the place of the one that is there, and is not ended yet. Only where that can be.
    pub(crate) fn replace_line(self, text: &str) {
        if self.can_replace {
            let mut err = io::stderr().lock();
            // Erases the line (ECMA-48, EL). Nobody may be reading; that is no failure.
            let _ = write!(err, "\r\u{1b}[2K{text}").and_then(|()| err.flush());
        }
    }

    /// What is drawn on a terminal's screen, as it is and at once.
    #[expect(clippy::unused_self, reason = "all output goes through a printer")]
    pub(crate) fn screen(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(left)
    }

    /// `text` as standard output has it: without a look where nobody would see one.
    pub(crate) fn for_stdout(self, text: &str) -> String {
        self.plain_unless(self.stdout_styled, text)
    }

    /// How many columns there are on standard error, where somebody watches.
    pub(crate) fn columns(self) -> Option<usize> {
        let size = self.is_watched.then(|| rustix::termios::tcgetwinsize(io::stderr()).ok()).flatten()?;
        Some(if size.ws_col == 0 { USUAL_COLUMNS } else { size.ws_col.into() })
    }

    /// A remark on standard error. Nothing under `--json`.
    pub(crate) fn stderr(self, text: &str) {
        if !self.json {
            // Nobody may be reading remarks; that is no failure.
            let _ = writeln!(io::stderr(), "{}", self.plain_unless(self.stderr_styled, text));
        }
    }

    /// One JSON document on standard error, where standard output is another program's. Nothing without `--json`.
    pub(crate) fn stderr_json(self, value: &serde_json::Value) {
        if self.json {
            // Nobody may be reading; that is no failure.
            let _ = writeln!(io::stderr(), "{value}");
        }
    }

    /// A question on standard error, which its answer follows on the same line.
    #[expect(clippy::unused_self, reason = "all output goes through a printer")]
    pub(crate) fn ask(self, text: &str) {
        let mut err = io::stderr().lock();
        // Where it cannot be shown, no answer comes either.
        let _ = write!(err, "{}", visible(text)).and_then(|()| err.flush());
    }

    /// The failure, in its form, and the exit status that goes with it.
    pub(crate) fn failure(self, failure: &Failure) -> Status {
        if failure.code == CLOSED {
            return Status(exit::OK);
        }
        if self.json {
            // Standard error may be closed too; the exit code still speaks.
            let _ = writeln!(io::stderr(), "{}", serde_json::json!({ "error": failure }));
        } else {
            self.stderr(&failure_text(failure));
        }
        Status(failure.exit)
    }

    #[expect(clippy::unused_self, reason = "all output goes through a printer")]
    fn plain_unless(self, styled: bool, text: &str) -> String {
        if styled { text.to_owned() } else { anstream::adapter::strip_str(text).to_string() }
    }
}

/// The lines of a failure: what, and what helps. An empty message is none.
pub(crate) fn failure_text(failure: &Failure) -> String {
    // So that it can be run as it stands.
    if let Some(command) = failure.hint.as_ref().filter(|_| failure.is_all_in_the_hint) {
        return visible(command).into_owned();
    }
    let lines = [(BAD, "error:", Some(&failure.message)), (TYPED, "hint:", failure.hint.as_ref())];
    let said = lines.into_iter().filter_map(|(style, label, text)| Some((style, label, text?)));
    let said = said.filter(|(.., text)| !text.is_empty());
    said.map(|(style, label, text)| format!("{} {}", styled(style, label), visible(text)))
        .collect::<Vec<_>>()
        .join("\n")
}

/// What a terminal has that does not know its size.
const USUAL_COLUMNS: usize = 80;

/// The code of a failure that is none: the reader of our output went away.
const CLOSED: &str = "output_closed";

fn write(text: &str) -> Result<(), Failure> {
    write_whole(text.trim_end_matches('\n'))
}

/// Writes `text`, and the end of its last line where it has none.
fn write_whole(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let result = write!(out, "{text}{end}").and_then(|()| out.flush());
    result.map_err(left)
}

/// A reader that went away is none of our failures.
fn left(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::caller(CLOSED, "the reader of the output went away"),
        _ => Failure::from(error),
    }
}
