//! `top`: which programs call which models, as it changes: in place on a terminal, table after table elsewhere.
//!
//! [`table`] is how it looks, [`screen`] the terminal while it is watched.

mod screen;
mod table;

use bitrouter_proto::{activity::Activity, client::ActivityFeed, codes::exit, env};
use clap::Args;

use super::reader::{ignore_hangups, reader_left};
use crate::{
    context::Context,
    exit::{Failure, Status},
};
use screen::{Key, Screen};

#[derive(Args, Debug)]
pub(super) struct TopArgs {
    /// Show it once and end
    #[arg(long)]
    once: bool,
}

pub(super) fn run(context: &Context, args: &TopArgs) -> Result<Status, Failure> {
    if args.once {
        return context.block_on(async {
            let mut feed = context.connect().await?.activity(true).await?;
            let now = feed.next().await?.unwrap_or_default();
            context.printer.json(&now)?;
            context.printer.rows(&table::text(&now, home(context), context.printer.table(false)), "no calls")?;
            Ok(Status(exit::OK))
        });
    }
    ignore_hangups()?;
    context.block_on(async {
        let feed = context.connect().await?.activity(false).await?;
        if context.printer.on_terminal && context.printer.can_replace {
            watched(context, feed).await
        } else {
            told(context, feed).await
        }
    })
}

fn home(context: &Context) -> Option<&str> {
    context.environment.text(env::HOME)
}

/// Table after table, with an empty line behind each; under `--json` a document a line.
async fn told(context: &Context, mut feed: ActivityFeed) -> Result<Status, Failure> {
    let mut left = reader_left()?;
    loop {
        let now = tokio::select! {
            now = feed.next() => match now? {
                Some(now) => now,
                None => return Ok(Status(exit::OK)),
            },
            // A sender that is gone says the same.
            _ = &mut left => return Ok(Status(exit::OK)),
        };
        if context.printer.json {
            let document =
                serde_json::to_value(&now).map_err(|error| Failure::caller("internal", error.to_string()))?;
            context.printer.json_line(&document)?;
            continue;
        }
        let text = table::text(&now, home(context), context.printer.table(false));
        if !text.is_empty() {
            context.printer.stdout(&text)?;
            context.printer.stdout("")?;
        }
    }
}

/// In place, until somebody has seen enough.
async fn watched(context: &Context, mut feed: ActivityFeed) -> Result<Status, Failure> {
    let mut screen = Screen::enter(context.printer)?;
    let mut last = Activity::default();
    loop {
        tokio::select! {
            biased;
            key = screen.key() => match key {
                Key::Quit => return Ok(Status(exit::OK)),
                Key::Interrupt => return Err(Failure::interrupted()),
                Key::Resized => {}
            },
            now = feed.next() => match now? {
                Some(now) => last = now,
                None => return Ok(Status(exit::OK)),
            },
        }
        screen.draw(|size| table::page(&last, home(context), size))?;
    }
}
