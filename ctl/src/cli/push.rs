//! What the shell hook calls when a variable changed: silent, but for one line where the daemon cannot be told.

use bitrouter_proto::codes::exit;
use secrecy::SecretString;

use crate::{
    context::Context,
    exit::{Failure, Status},
};

pub(super) fn run(context: &Context, names: &[String]) -> Result<Status, Failure> {
    let pushed = context.block_on(async {
        let client = context.connect().await?;
        Ok(client.push(variables(context, names)).await?)
    });
    // A hook that talks at every prompt is a hook that is taken out: one line, without advice.
    pushed.map_err(|failure| Failure { hint: None, ..failure })?;
    Ok(Status(exit::OK))
}

/// What this process was given under these names. What is no text counts as unset, with a word.
pub(super) fn variables(context: &Context, names: &[String]) -> Vec<(String, Option<SecretString>)> {
    for name in names.iter().filter(|name| context.environment.is_no_text(name)) {
        context.printer.note(&format!("note: `{name}` is not UTF-8 and was left out"));
    }
    names.iter().map(|name| (name.clone(), context.environment.secret(name))).collect()
}
