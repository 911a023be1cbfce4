//! `version`.

use bitrouter_proto::codes::exit;
use serde_json::json;

use crate::{
    context::Context,
    exit::{Failure, Status},
};

pub(super) fn run(context: &Context) -> Result<Status, Failure> {
    let version = bitrouter_proto::VERSION;
    context.printer.json(&json!({ "version": version }))?;
    context.printer.stdout(&format!("{} {version}", context.name().as_str()))?;
    Ok(Status(exit::OK))
}
