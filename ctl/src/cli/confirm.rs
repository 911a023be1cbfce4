//! The question before something is destroyed.

use std::io::{IsTerminal as _, Read as _, stderr, stdin};

use super::typing::{INTERRUPT, Typing};
use crate::{context::Context, exit::Failure};

/// Asks whether to go on; `yes` is the answer that the command line gave. `what` fits after "delete" and the like, and
/// `again` is the command that needs no question.
///
/// # Errors
/// Where the answer is no, or nobody can be asked.
pub(super) fn confirm(context: &Context, yes: bool, what: &str, again: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if context.printer.json || !stdin().is_terminal() || !stderr().is_terminal() {
        let message = format!("{what} needs `--yes` where nobody can be asked");
        return Err(Failure::caller("not_confirmed", message).hint(again));
    }
    let lines = Typing::lines()?;
    context.printer.ask(&format!("{what}? [y/N] "));
    // A terminal hands over one line at a time, or what stands before an interrupt.
    let mut line = [0; 256];
    let length = stdin().lock().read(&mut line)?;
    drop(lines);
    let answer = line.get(..length).unwrap_or_default();
    if !answer.ends_with(b"\n") {
        context.printer.ask("\n");
    }
    if answer.ends_with(&[INTERRUPT]) {
        return Err(Failure::interrupted());
    }
    match answer.trim_ascii().to_ascii_lowercase().as_slice() {
        b"y" | b"yes" => Ok(()),
        _ => Err(Failure::caller("not_confirmed", "nothing was changed")),
    }
}
