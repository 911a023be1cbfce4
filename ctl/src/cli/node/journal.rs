//! `node journal`.

use bitrouter_proto::codes::exit;
use clap::Subcommand;
use serde_json::json;

use crate::{
    context::Context,
    exit::{Failure, Status},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum JournalVerb {
    /// Cut the journal off where it is damaged, keeping a copy, so that calls are served again
    Repair,
}

pub(super) fn run(context: &Context, verb: &JournalVerb) -> Result<Status, Failure> {
    let JournalVerb::Repair = verb;
    let copies = context.wait(async { Ok(context.connect().await?.repair_journal().await?) })?;
    context.printer.json(&json!({ "copies": copies }))?;
    if copies.is_empty() {
        context.printer.stdout("the journal is in order; nothing was changed")?;
    }
    for copy in copies {
        context.printer.stdout(&format!("the journal was cut off where it was damaged; a copy is kept as `{copy}`"))?;
    }
    Ok(Status(exit::OK))
}
