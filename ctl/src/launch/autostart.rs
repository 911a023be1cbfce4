//! A daemon for a command that needs one and finds none: started as `start` does, unless that is somebody else's to do.

use bitrouter_proto::{client::ClientError, status::State};

use super::{Launched, ensure_running, service_unit::UnitPlaces};
use crate::{
    context::Context,
    exit::{Failure, Status},
    flags::ServeFlags,
};

/// Sees to it that a daemon runs, for the command `verb`. In a process that became the daemon this answers how that ended,
/// which is then the end of the command.
///
/// # Errors
/// Where none runs and none is started here, or it cannot be.
pub(crate) fn ensure_daemon(context: &Context, flags: &ServeFlags, verb: &str) -> Result<Option<Status>, Failure> {
    let found = context.block_on(async { Ok(context.connect().await) })?;
    let refused = may_start(context);
    match found {
        // One that drains is about to be gone.
        Ok(client) if refused.is_err() || client.status().state != State::Draining => return Ok(None),
        Err(ClientError::NotRunning { .. }) if context.named_socket().is_none() => refused?,
        // One that is sick or on its way is waited for, or reported, as `start` does.
        Err(ClientError::Unresponsive { .. }) | Ok(_) if refused.is_ok() => {}
        Err(error) => return Err(error.into()),
        Ok(_) => return Ok(None),
    }
    match ensure_running(context, flags, verb)? {
        Launched::WasTheDaemon(status) => Ok(Some(status)),
        Launched::Running { status, fresh } => {
            if fresh {
                let pid = status.pid.unwrap_or_default();
                context.printer.stderr(&format!("started bitrouter (pid {pid})"));
            }
            Ok(None)
        }
    }
}

/// Refuses where the socket was chosen by hand, where the user said no, or where a service manager owns the daemon's life.
fn may_start(context: &Context) -> Result<(), Failure> {
    let refused = |message: String, start: &str| Err(Failure::unreachable("not_running", message).hint(start));
    if let Some(socket) = context.named_socket() {
        return refused(format!("no daemon is running at `{}`", socket.display()), "bitrouter start");
    }
    if context.no_autostart {
        let message = "no daemon is running, and `--no-autostart` or `BITROUTER_NO_AUTOSTART` says to start none";
        return refused(message.to_owned(), "bitrouter start");
    }
    match UnitPlaces::of(&context.environment).enabled() {
        Some(unit) => {
            let link = unit.enabled_by.display();
            refused(format!("no daemon is running, and to start it is the service manager's: `{link}`"), unit.start)
        }
        None => Ok(()),
    }
}
