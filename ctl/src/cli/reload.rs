//! `reload`: this shell's variables, and everything read again.

use bitrouter_proto::{codes::exit, status::KeyChange};
use serde_json::json;

use super::Context;
use crate::exit::{Failure, Status};

pub(super) fn run(context: &Context, forget: Vec<String>) -> Result<Status, Failure> {
    let changed = context.block_on(async {
        let client = context.connect().await?;
        let names = client.variable_names().await?;
        let variables = names
            .into_iter()
            .map(|name| {
                let value = context.environment.secret(&name);
                (name, value)
            })
            .collect();
        Ok(client.reload(variables, forget).await?)
    })?;
    context.printer.json(&json!({ "changed": changed }))?;
    context.printer.text(&sentence(&changed))?;
    Ok(Status(exit::OK))
}

fn sentence(changed: &[KeyChange]) -> String {
    if changed.is_empty() {
        return "reloaded; no key changed".to_owned();
    }
    let mut lines = vec!["reloaded".to_owned()];
    lines.extend(changed.iter().map(|change| {
        let from =
            change.now_from.as_deref().map_or_else(|| "no key now".to_owned(), |from| format!("now from {from}"));
        format!("  {:<9} {} ({}, {from})", change.change, change.name, change.provider)
    }));
    lines.join("\n")
}
