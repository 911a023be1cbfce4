//! Standard output and standard error of one command. A reader that closed its end ends the command quietly.

use std::io::{self, Write};

use bitrouter_proto::codes::exit;
use serde::Serialize;

use crate::exit::{Failure, Status};

/// Where a command prints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    /// `--json`: standard output holds nothing but JSON.
    pub(crate) json: bool,
}

impl Printer {
    /// One line, or several, for people. Nothing under `--json`.
    pub(crate) fn text(self, text: &str) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        self.raw(text)
    }

    /// A line for standard output as it is.
    #[expect(clippy::unused_self, reason = "all output goes through a printer")]
    pub(crate) fn raw(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        written(writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush()))
    }

    /// One JSON document, pretty. Nothing without `--json`.
    pub(crate) fn json(self, value: &impl Serialize) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        let text =
            serde_json::to_string_pretty(value).map_err(|error| Failure::caller("internal", error.to_string()))?;
        self.raw(&text)
    }

    /// A remark on standard error. Nothing under `--json`.
    pub(crate) fn note(self, text: &str) {
        if !self.json {
            // Nobody may be reading remarks; that is no failure.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// The failure, in its form, and the exit status that goes with it.
    pub(crate) fn failure(self, failure: &Failure) -> Status {
        if failure.code == CLOSED {
            return Status(exit::OK);
        }
        let mut err = io::stderr().lock();
        // Standard error may be closed too; the exit code still speaks.
        let _ = if self.json {
            writeln!(err, "{}", serde_json::json!({ "error": failure }))
        } else {
            let hint = failure.hint.as_deref().map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
            write!(err, "error: {}\n{hint}", failure.message)
        };
        Status(failure.exit)
    }
}

/// The code of a failure that is none: the reader of our output went away.
const CLOSED: &str = "output_closed";

fn written(result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::caller(CLOSED, "the reader of the output went away"),
        _ => Failure::from(error),
    })
}
