//! `serve`, and `bitrouter` without a verb.

use std::io::{IsTerminal as _, Write as _};

use bitrouter_proto::codes::exit;

use super::status;
use crate::{
    context::Context,
    exit::{Failure, Status},
    flags::ServeFlags,
    launch, local_daemon,
};

/// `bitrouter` without a verb.
pub(super) fn bare(context: &Context) -> Result<Status, Failure> {
    if let Some(running) = status::if_running(context)? {
        return Ok(running);
    }
    // The variable is meant for clients, which this was until now: it named a socket where no daemon is.
    if let Some(named) = context.named_socket() {
        return Err(launch::cannot_choose("serve", &named));
    }
    foreground(context, &ServeFlags::default())
}

/// `bitrouter serve`.
pub(super) fn foreground(context: &Context, flags: &ServeFlags) -> Result<Status, Failure> {
    // `BITROUTER_SOCKET` is for clients, and may be set where a daemon is started for them.
    if let Some(named) = &context.socket {
        return Err(launch::cannot_choose("serve", named));
    }
    let greet = std::io::stdout().is_terminal() && !context.printer.json;
    local_daemon::foreground(context, flags, |banner| {
        if greet {
            // A terminal that went away is no reason not to serve.
            let _ = std::io::stdout().write_all(banner.as_bytes());
        }
        greet
    })?;
    Ok(Status(exit::OK))
}
