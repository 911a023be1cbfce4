//! `start`: one daemon, however many ask at once.

use bitrouter_proto::codes::exit;

use crate::{
    context::Context,
    exit::{Failure, Status},
    flags::ServeFlags,
    launch,
};

pub(super) fn run(context: &Context, flags: &ServeFlags, verb: &str) -> Result<Status, Failure> {
    match launch::ensure_running(context, flags, verb)? {
        launch::Launched::WasTheDaemon(status) => Ok(status),
        launch::Launched::Running { status, fresh } => {
            let pid = status.pid.unwrap_or_default();
            let listen = status.listen.first().cloned().unwrap_or_default();
            let verb = if fresh { "runs" } else { "already runs" };
            context.printer.text(&format!("bitrouter {verb} (pid {pid}) on http://{listen}/v1"))?;
            context.printer.json(&status)?;
            Ok(Status(exit::OK))
        }
    }
}
