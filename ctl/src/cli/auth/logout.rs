//! `auth logout`: the session ends at its server, as far as that can be reached, and the credential is gone.

use bitrouter_proto::{
    client::{Asked, Client},
    codes::exit,
    credential_file, env,
    paths::Places,
};
use serde_json::json;

use crate::{
    cli::{everyday::same_server, identity::stored},
    context::Context,
    exit::{Failure, Status},
    flags::ServeFlags,
    launch,
};

/// Signs out, for the command `verb`. With a `server`: of that one, and of no other.
pub(in crate::cli) fn run(
    context: &Context,
    flags: &ServeFlags,
    verb: &str,
    server: Option<&str>,
) -> Result<Status, Failure> {
    let printer = context.printer;
    let path = credential_file::path(&Places::of(&context.environment)?);
    let is_running = context.block_on(async { Ok(context.connect().await.is_ok()) })?;
    // Whatever is there, a link that leads nowhere too.
    if !is_running && context.named_socket().is_none() && path.symlink_metadata().is_err() {
        return told(context, false, None);
    }
    if let Some(ended) = launch::ensure_daemon(context, flags, verb)? {
        return Ok(ended);
    }
    let done = context.block_on(async {
        let client = context.connect().await?;
        if let Some(server) = server {
            must_be_of(context, &client, server).await?;
        }
        Ok(client.logout().await?)
    })?;
    let status = told(context, done.was_signed_in, done.not_revoked.as_deref())?;
    if context.environment.text(env::BITROUTER_API_KEY).is_some() {
        printer.stderr("note: `BITROUTER_API_KEY` is still set, and stays in force where it is");
    }
    Ok(status)
}

/// Refuses to end the session of another server than the one that is meant.
async fn must_be_of(context: &Context, client: &Client, server: &str) -> Result<(), Failure> {
    let told = client.who_am_i(None).await?.identity;
    let Some(session) = told else { return Ok(()) };
    // A key in the daemon's environment hides the session, which is what would end.
    let is_hidden = session.variable.is_some();
    let session = if is_hidden { stored(context).ok() } else { Some(session) };
    let Some(session) = session else { return Ok(()) };
    let servers = [Some(&session.base_url), session.authorization_server.as_ref()];
    if servers.into_iter().flatten().any(|known| same_server(known, server)) {
        return Ok(());
    }
    // By the document of that server it may be the same one.
    if !is_hidden && client.show_identity(&Asked::AccountAt(server.to_owned())).await.is_ok() {
        return Ok(());
    }
    let message = format!("the session is one of `{}`, and `{server}` is meant: nothing was ended", session.base_url);
    Err(Failure::caller("other_server", message).hint("bitrouter auth logout"))
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
