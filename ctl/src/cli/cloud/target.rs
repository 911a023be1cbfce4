//! Whom a `cloud` command asks, and the daemon that does it.

use std::ops::ControlFlow;

use bitrouter_proto::{
    client::{Asked, Client, ClientError, Told},
    codes::exit,
};
use clap::Args;

use super::{advice, local::LocalFlags};
use crate::{
    cli::identity::trusted,
    context::Context,
    exit::{Failure, Status},
    flags::ServeFlags,
    launch,
    render::Shown,
};

#[derive(Args, Debug)]
pub(in crate::cli) struct Target {
    #[command(flatten)]
    pub(super) local: LocalFlags,
    #[command(flatten, next_help_heading = "Where a daemon is started for it")]
    daemon: ServeFlags,
}

/// `--wide`.
#[derive(Args, Debug)]
pub(in crate::cli) struct WideFlag {
    /// Show every column, and shorten nothing
    #[arg(long)]
    wide: bool,
}

impl WideFlag {
    /// How a table is shown.
    pub(in crate::cli) fn shown(&self, context: &Context) -> Shown {
        context.printer.table(self.wide)
    }
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
        let told = context.wait(async {
            let (client, asked) = self.connect(context).await?;
            Ok(call(&client, &asked).await?)
        });
        match told {
            Ok(told) => Ok(ControlFlow::Continue(told)),
            Err(failure) => Err(advice::advised(failure, verb, &self.local)),
        }
    }

    /// Asks, and shows one thing: under `--json` as the server sent it, else what `text` makes of it.
    pub(super) fn show<T>(
        &self,
        context: &Context,
        verb: &str,
        call: impl AsyncFnOnce(&Client, &Asked) -> Result<Told<T>, ClientError>,
        text: impl FnOnce(&T) -> String,
    ) -> Result<Status, Failure> {
        self.show_with_note(context, verb, call, text, |_| None)
    }

    /// As [`Self::show`], with a remark on standard error.
    pub(super) fn show_with_note<T>(
        &self,
        context: &Context,
        verb: &str,
        call: impl AsyncFnOnce(&Client, &Asked) -> Result<Told<T>, ClientError>,
        text: impl FnOnce(&T) -> String,
        note: impl FnOnce(&T) -> Option<String>,
    ) -> Result<Status, Failure> {
        let told = match self.ask(context, verb, call)? {
            ControlFlow::Continue(told) => told,
            ControlFlow::Break(ended) => return Ok(ended),
        };
        let printer = context.printer;
        printer.document(&told.json)?;
        printer.stdout(&text(&told.read))?;
        if let Some(note) = note(&told.read) {
            printer.stderr(&format!("note: {note}"));
        }
        Ok(Status(exit::OK))
    }

    /// Asks, and shows the rows of a list; `nothing` is said where there are none.
    pub(super) fn list<T>(
        &self,
        context: &Context,
        verb: &str,
        call: impl AsyncFnOnce(&Client, &Asked) -> Result<Told<T>, ClientError>,
        text: impl FnOnce(&T) -> String,
        nothing: &str,
    ) -> Result<Status, Failure> {
        let told = match self.ask(context, verb, call)? {
            ControlFlow::Continue(told) => told,
            ControlFlow::Break(ended) => return Ok(ended),
        };
        context.printer.document(&told.json)?;
        context.printer.rows(&text(&told.read), nothing)?;
        Ok(Status(exit::OK))
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
