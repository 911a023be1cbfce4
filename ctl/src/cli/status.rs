//! `status`: 0 running, 1 stopped, 2 unresponsive.

use std::path::PathBuf;

use bitrouter_proto::{
    client::ClientError,
    clock,
    codes::exit,
    env,
    status::{State, Status as DaemonStatus},
};

use crate::{
    context::Context,
    exit::{Failure, Status},
    render::{View, failure_text, status_text},
};

pub(super) fn run(context: &Context, all: bool) -> Result<Status, Failure> {
    let printer = context.printer;
    match context.block_on(async { Ok(context.connect().await) })? {
        Ok(client) => show(context, client.status(), all),
        Err(error @ (ClientError::NotRunning { .. } | ClientError::Unresponsive { .. })) => {
            let mut status = DaemonStatus::silent(State::Unresponsive);
            let mut code = exit::UNREACHABLE;
            match &error {
                ClientError::Unresponsive { pid, .. } => status.pid = *pid,
                _ => (status.state, code) = (State::Stopped, exit::CALLER),
            }
            printer.json(&status)?;
            printer.stdout(&text(context, &status, all))?;
            // Without a word of where it looked, nobody finds a slip in a path.
            let mut failure = Failure::from(error);
            if status.state == State::Stopped && context.named_socket().is_none() {
                failure.message.clear();
            }
            printer.stderr(&failure_text(&failure));
            Ok(Status(code))
        }
        Err(error) => Err(error.into()),
    }
}

/// The status of the running daemon, for `bitrouter` without a verb; `None` where none runs.
pub(super) fn if_running(context: &Context) -> Result<Option<Status>, Failure> {
    match context.block_on(async { Ok(context.connect().await) })? {
        Ok(client) => show(context, client.status(), false).map(Some),
        Err(ClientError::NotRunning { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn show(context: &Context, status: &DaemonStatus, all: bool) -> Result<Status, Failure> {
    context.printer.json(status)?;
    context.printer.stdout(&text(context, status, all))?;
    Ok(Status(exit::OK))
}

fn text(context: &Context, status: &DaemonStatus, all: bool) -> String {
    let home: Option<PathBuf> = context.environment.path(env::HOME);
    let home = home.as_deref().and_then(|home| home.to_str());
    status_text(status, View { all, home, now: clock::wall_now() })
}
