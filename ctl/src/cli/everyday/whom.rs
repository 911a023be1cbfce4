//! Which server an everyday verb asks, and the daemon that does it.

use std::ops::ControlFlow;

use bitrouter_proto::client::{Asked, Client, ClientError};
use clap::Args;

use crate::{
    cli::{
        cloud::LocalFlags,
        identity::{exported_key, trusted},
    },
    context::Context,
    exit::{Failure, Status},
    flags::ServeFlags,
    launch,
    name::Name,
};

#[derive(Args, Debug)]
pub(in crate::cli) struct Whom {
    #[command(flatten)]
    pub(super) local: LocalFlags,
    #[command(flatten, next_help_heading = "Where a daemon is started for it")]
    pub(super) daemon: ServeFlags,
}

impl Whom {
    /// Sees to it that a daemon runs, for the command `verb`. [`ControlFlow::Break`] in a process that became it: the command
    /// has ended with it.
    pub(super) fn start(&self, context: &Context, verb: &str) -> Result<ControlFlow<Status>, Failure> {
        Ok(match launch::ensure_daemon(context, &self.daemon, verb)? {
            Some(ended) => ControlFlow::Break(ended),
            None => ControlFlow::Continue(()),
        })
    }

    /// Has a daemon make `call`; one is started where none runs.
    pub(super) fn ask<T>(
        &self,
        context: &Context,
        verb: &str,
        call: impl AsyncFnOnce(&Client, &Asked) -> Result<T, ClientError>,
    ) -> Result<ControlFlow<Status, T>, Failure> {
        if let ControlFlow::Break(ended) = self.start(context, verb)? {
            return Ok(ControlFlow::Break(ended));
        }
        let told = context.wait(async {
            let asked = asked(context, &self.local);
            let client = trusted(context, matches!(asked, Asked::Account(Some(_)))).await?;
            Ok(call(&client, &asked).await?)
        });
        match told {
            Ok(told) => Ok(ControlFlow::Continue(told)),
            Err(failure) => Err(advised(context, failure, verb, &self.local)),
        }
    }
}

/// The server that takes the place of the account's: the one that the variable names, else the usual one of this name.
pub(in crate::cli) fn server(context: &Context) -> Option<String> {
    let name = context.name();
    let url = context.environment.text(name.url_variable()).or(name.usual_server());
    url.map(|url| url.trim_end_matches('/').to_owned())
}

/// Whom a verb asks: the own node, the account of the key that the environment holds, or the one that is signed in. Keys of
/// tokenroute are for calls, and ask for nothing else.
pub(super) fn asked(context: &Context, local: &LocalFlags) -> Asked {
    if local.is_meant() {
        return local.asked(context);
    }
    let key = if context.name() == Name::Bitrouter { exported_key(context) } else { None };
    match (key, server(context)) {
        (None, Some(server)) => Asked::AccountAt(server),
        (key, _) => Asked::Account(key),
    }
}

/// The failure of the command `verb`, with the command that helps, under the name that the program was called by.
pub(in crate::cli) fn advised(context: &Context, failure: Failure, verb: &str, local: &LocalFlags) -> Failure {
    let name = context.name();
    let failure = match failure.code.as_str() {
        // The other name has other commands.
        "not_signed_in" if name == Name::Tokenroute => Failure { message: "not logged in".to_owned(), ..failure },
        _ => failure,
    };
    if let Some(hint) = failure.hint.clone() {
        return match hint.strip_prefix("bitrouter auth login") {
            Some(flags) if name == Name::Tokenroute => {
                // Scopes and servers are not chosen there.
                let flags = Some(flags).filter(|flags| flags.starts_with(" --local")).unwrap_or_default();
                Failure { is_all_in_the_hint: false, ..failure.hint(format!("tokenroute login{flags}")) }
            }
            _ => failure,
        };
    }
    let said = failure.said.as_ref().and_then(|said| said.status);
    match (said, failure.code.as_str()) {
        (Some(400 | 413 | 415), _) | (None, "invalid_argument") => {
            failure.hint(format!("{} {verb} --help", name.as_str()))
        }
        (Some(404), _) | (None, "not_found") if verb.starts_with("keys") => {
            failure.hint(format!("{} keys list{}", name.as_str(), local.words()))
        }
        _ => failure,
    }
}

/// The failure for arguments of `verb` that mean nothing.
pub(super) fn misused(context: &Context, verb: &str, message: impl Into<String>) -> Failure {
    Failure::caller("bad_argument", message).hint(format!("{} {verb} --help", context.name().as_str()))
}
