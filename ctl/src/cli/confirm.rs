//! The question before something is destroyed.

use std::io::{BufRead as _, IsTerminal as _, stderr, stdin};

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
    context.printer.ask(&format!("{what}? [y/N] "));
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::caller("not_confirmed", "nothing was changed")),
    }
}
