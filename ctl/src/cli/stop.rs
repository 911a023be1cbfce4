//! `stop`: returns when the process is gone.

use std::time::Duration;

use bitrouter_proto::{
    client::{ClientError, UnresponsiveCause},
    clock,
    codes::exit,
};
use serde_json::json;

use crate::{
    context::Context,
    exit::{Failure, Status},
    launch,
};

/// How long a daemon is given that ends connections, to be gone or to answer.
const ENDING: Duration = Duration::from_secs(2);
/// The pause between two tries.
const AGAIN: Duration = Duration::from_millis(20);

/// A daemon that is asked and hangs takes longer than this to be found out.
const QUICK: Duration = Duration::from_millis(400);

/// True where the connection ended before the daemon had answered, as it does while the daemon ends.
fn is_broken(error: &ClientError, after: Duration) -> bool {
    match error {
        ClientError::Broken(_) => true,
        ClientError::Unresponsive { cause, .. } => *cause != UnresponsiveCause::Stopped && after < QUICK,
        _ => false,
    }
}

pub(super) fn run(context: &Context, timeout: Option<Duration>) -> Result<Status, Failure> {
    let stopped = context.block_on(async {
        let deadline = clock::after(ENDING);
        loop {
            let asked = clock::monotonic_now();
            let answer = context.connect().await;
            let now = clock::monotonic_now();
            match answer {
                Ok(client) => return launch::order_stop(&client, timeout).await.map(Some),
                Err(ClientError::NotRunning { .. }) => return Ok(None),
                // A daemon that somebody else is stopping may close a connection before it has answered on it.
                Err(error) if !is_broken(&error, now.saturating_duration_since(asked)) || now >= deadline => {
                    return Err(error.into());
                }
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    })?;
    let stopped = stopped.map(|ending| ending.wait(context)).transpose()?;
    context.printer.json(&json!({ "state": "stopped", "pid": stopped.flatten() }))?;
    context.printer.stdout(&match stopped {
        Some(Some(pid)) => format!("bitrouter stopped (pid {pid})"),
        Some(None) => "bitrouter stopped".to_owned(),
        None => "bitrouter was not running".to_owned(),
    })?;
    Ok(Status(exit::OK))
}
