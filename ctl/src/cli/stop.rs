//! `stop`: returns when the process is gone.

use std::time::Duration;

use bitrouter_proto::{client::ClientError, codes::exit};
use serde_json::json;

use crate::{
    context::Context,
    exit::{Failure, Status},
    launch,
};

pub(super) fn run(context: &Context, timeout: Option<Duration>) -> Result<Status, Failure> {
    let stopped = context.block_on(async {
        let client = match context.connect().await {
            Ok(client) => client,
            Err(ClientError::NotRunning { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        launch::order_stop(&client, timeout).await.map(Some)
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
