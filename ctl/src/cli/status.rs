//! `status`: 0 running, 1 stopped, 2 unresponsive.

use bitrouter_proto::{
    client::ClientError,
    codes::exit,
    status::{State, Status as DaemonStatus},
};

use crate::{
    context::Context,
    exit::{Failure, Status},
    render::status_text,
};

pub(super) fn run(context: &Context) -> Result<Status, Failure> {
    let printer = context.printer;
    match context.block_on(async { Ok(context.connect().await) })? {
        Ok(client) => show(context, client.status()),
        Err(error @ (ClientError::NotRunning { .. } | ClientError::Unresponsive { .. })) => {
            let (state, code) = match error {
                ClientError::NotRunning { .. } => (State::Stopped, exit::CALLER),
                _ => (State::Unresponsive, exit::UNREACHABLE),
            };
            let mut status = DaemonStatus::silent(state);
            if let ClientError::Unresponsive { pid, .. } = &error {
                status.pid = *pid;
            }
            printer.json(&status)?;
            printer.text(&status_text(&status))?;
            if state == State::Unresponsive {
                printer.note(&format!("error: {error}"));
            }
            if let Some(hint) = error.hint() {
                printer.note(&format!("hint: {hint}"));
            }
            Ok(Status(code))
        }
        Err(error) => Err(error.into()),
    }
}

/// The status of the running daemon, for `bitrouter` without a verb; `None` where none runs.
pub(super) fn if_running(context: &Context) -> Result<Option<Status>, Failure> {
    match context.block_on(async { Ok(context.connect().await) })? {
        Ok(client) => show(context, client.status()).map(Some),
        Err(ClientError::NotRunning { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn show(context: &Context, status: &DaemonStatus) -> Result<Status, Failure> {
    context.printer.json(status)?;
    context.printer.text(&status_text(status))?;
    Ok(Status(exit::OK))
}
