//! Whom a `cloud` command asks, and the daemon that does it.

use std::ops::ControlFlow;

use bitrouter_proto::client::{Asked, Client, ClientError};
use clap::Args;

use super::local::LocalFlags;
use crate::{
    cli::identity::trusted,
    context::Context,
    exit::{Failure, Status},
    flags::ServeFlags,
    launch,
};

#[derive(Args, Debug)]
pub(in crate::cli) struct Target {
    #[command(flatten)]
    pub(super) local: LocalFlags,
    #[command(flatten)]
    daemon: ServeFlags,
}

impl Target {
    /// Has a daemon make `call`; one is started where none runs. [`ControlFlow::Break`] in a process that became it: the
    /// command has ended with it.
    pub(super) fn ask<T>(
        &self,
        context: &Context,
        verb: &str,
        call: impl AsyncFnOnce(&Client, &Asked) -> Result<T, ClientError>,
    ) -> Result<ControlFlow<Status, T>, Failure> {
        if let Some(ended) = self.start(context, verb)? {
            return Ok(ControlFlow::Break(ended));
        }
        let told = context.block_on(async {
            let (client, asked) = self.connect(context).await?;
            Ok(call(&client, &asked).await?)
        })?;
        Ok(ControlFlow::Continue(told))
    }

    /// Sees to it that a daemon runs. In the process that became it: how it ended.
    pub(super) fn start(&self, context: &Context, verb: &str) -> Result<Option<Status>, Failure> {
        launch::ensure_daemon(context, &self.daemon, verb)
    }

    /// The daemon, and whom it is to ask.
    pub(super) async fn connect(&self, context: &Context) -> Result<(Client, Asked), Failure> {
        let asked = self.local.asked(context);
        let with_key = matches!(asked, Asked::Account(Some(_)));
        Ok((trusted(context, with_key).await?, asked))
    }
}
