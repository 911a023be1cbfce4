//! What the shell hook calls when a variable changed: silent, but for one line when there is no daemon.

use bitrouter_proto::{client::ClientError, codes::exit};

use super::Context;
use crate::exit::{Failure, Status};

pub(super) fn run(context: &Context, names: Vec<String>) -> Result<Status, Failure> {
    context.block_on(async {
        let client = match context.connect().await {
            Ok(client) => client,
            Err(error @ ClientError::NotRunning { .. }) => {
                return Err(Failure { hint: None, ..error.into() });
            }
            Err(error) => return Err(error.into()),
        };
        let variables = names
            .into_iter()
            .map(|name| {
                let value = context.environment.secret(&name);
                (name, value)
            })
            .collect();
        client.push(variables).await?;
        Ok(Status(exit::OK))
    })
}
