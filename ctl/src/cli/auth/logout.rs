//! `auth logout`: the session ends at its server, as far as that can be reached, and the credential is gone.

use bitrouter_proto::{codes::exit, credential_file, env, paths::Places};
use serde_json::json;

use crate::{
    context::Context,
    exit::{Failure, Status},
    flags::ServeFlags,
    launch,
};

pub(super) fn run(context: &Context, flags: &ServeFlags) -> Result<Status, Failure> {
    let printer = context.printer;
    let path = credential_file::path(&Places::of(&context.environment)?);
    let is_running = context.block_on(async { Ok(context.connect().await.is_ok()) })?;
    // Whatever is there, a link that leads nowhere too.
    if !is_running && context.named_socket().is_none() && path.symlink_metadata().is_err() {
        return told(context, false, None);
    }
    if let Some(ended) = launch::ensure_daemon(context, flags, "auth logout")? {
        return Ok(ended);
    }
    let done = context.block_on(async { Ok(context.connect().await?.logout().await?) })?;
    let status = told(context, done.was_signed_in, done.not_revoked.as_deref())?;
    if context.environment.text(env::BITROUTER_API_KEY).is_some() {
        printer.stderr("note: `BITROUTER_API_KEY` is still set, and stays in force where it is");
    }
    Ok(status)
}

fn told(context: &Context, was_signed_in: bool, not_revoked: Option<&str>) -> Result<Status, Failure> {
    let document = json!({ "signed_out": true, "was_signed_in": was_signed_in, "not_revoked": not_revoked });
    context.printer.json(&document)?;
    context.printer.stderr(&match (was_signed_in, not_revoked) {
        (_, Some(why)) => {
            format!("signed out here; nothing could be revoked, and the session may live on at its server: {why}")
        }
        (true, None) => "signed out".to_owned(),
        (false, None) => "nobody was signed in; nothing to do".to_owned(),
    });
    Ok(Status(exit::OK))
}
