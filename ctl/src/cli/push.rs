//! What the shell hook calls when a variable changed. It speaks only where a key does not arrive: a line that names the
//! program and the variables, once.

use bitrouter_proto::codes::exit;
use secrecy::SecretString;

use crate::{context::Context, exit::Status, local_daemon};

/// Sends `names`. The exit status tells the hook whether to try again later: [`exit::UNREACHABLE`].
pub(super) fn run(context: &Context, names: &[String], again: bool) -> Status {
    let pushed = context.block_on(async {
        let client = context.connect().await?;
        let mut names = names.to_vec();
        // The names were asked of one daemon, and another user's may answer now.
        if client.is_foreign() {
            let shipped = local_daemon::shipped_variable_names();
            names.retain(|name| shipped.contains(name));
        }
        Ok(client.push(variables(context, &names)).await?)
    });
    let listed = names.join(", ");
    match pushed {
        Ok(outcome) => {
            for value in outcome.ignored {
                context.printer.stderr(&format!("bitrouter: {} is ignored: {}", value.name, value.reason));
            }
            Status(exit::OK)
        }
        Err(failure) if failure.exit == exit::UNREACHABLE => {
            if !again {
                let message = failure.message;
                context.printer.stderr(&format!("bitrouter: {message}; {listed} will be sent once one answers"));
            }
            Status(exit::UNREACHABLE)
        }
        Err(failure) => {
            context.printer.stderr(&format!("bitrouter: {}; {listed} was not sent", failure.message));
            Status(failure.exit)
        }
    }
}

/// What this process was given under these names. What is no text counts as unset, with a word.
pub(super) fn variables(context: &Context, names: &[String]) -> Vec<(String, Option<SecretString>)> {
    for name in names.iter().filter(|name| context.environment.is_no_text(name)) {
        context.printer.stderr(&format!("note: `{name}` is not UTF-8 and was left out"));
    }
    names.iter().map(|name| (name.clone(), context.environment.secret(name))).collect()
}
