//! `reload`: this shell's variables, and everything read again.

use bitrouter_proto::{
    codes::exit,
    env::Environment,
    key_variable,
    status::{KeyChange, ReloadOutcome},
};
use serde_json::json;

use crate::{
    context::Context,
    exit::{Failure, Status},
    local_daemon,
};

pub(super) fn run(context: &Context, forget: &[String]) -> Result<Status, Failure> {
    let outcome = context.block_on(async {
        let client = context.connect().await?;
        let mut names = client.variable_names(local_daemon::shipped_variable_names).await?;
        // The daemon holds none of these, but says which provider was probably meant. Another user's is told nothing.
        if !client.is_foreign() {
            names.extend(strays(&context.environment, &names));
        }
        let mut outcome = client.reload(super::push::variables(context, &names), forget.to_vec()).await?;
        // A setting or a manifest that was read just now may name variables that nobody had asked for.
        let known = client.variable_names(local_daemon::shipped_variable_names).await?;
        let new: Vec<String> = known
            .into_iter()
            .filter(|name| !names.contains(name) && !forget.contains(name))
            .filter(|name| context.environment.text(name).is_some())
            .collect();
        if !new.is_empty() {
            let more = client.push(super::push::variables(context, &new)).await?;
            outcome.changed = merged(outcome.changed, more.changed);
            outcome.ignored.extend(more.ignored);
            outcome.ignored.sort();
            outcome.ignored.dedup();
        }
        Ok(outcome)
    })?;
    context.printer.json(&json!({ "changed": outcome.changed, "ignored": outcome.ignored }))?;
    context.printer.stdout(&sentence(&outcome))?;
    Ok(Status(exit::OK))
}

/// Variables that look like a provider's key and are none that the daemon knows.
fn strays(environment: &Environment, known: &[String]) -> Vec<String> {
    let is_stray = |name: &&str| key_variable::id_in(name).is_some() && !known.iter().any(|known| known == name);
    environment.names().filter(is_stray).map(str::to_owned).collect()
}

/// Changes of one reload that took two steps: where a provider's key comes from is what the last step says.
fn merged(mut first: Vec<KeyChange>, then: Vec<KeyChange>) -> Vec<KeyChange> {
    for change in &mut first {
        if let Some(later) = then.iter().find(|later| later.provider == change.provider) {
            change.now_from.clone_from(&later.now_from);
        }
    }
    first.extend(then);
    first
}

fn sentence(outcome: &ReloadOutcome) -> String {
    let first = if outcome.changed.is_empty() { "reloaded; no key changed" } else { "reloaded" };
    let mut lines = vec![first.to_owned()];
    lines.extend(outcome.changed.iter().map(|change| {
        let from = match change.now_from.as_deref() {
            None => "no key now",
            Some("pushed") => "now from a shell",
            Some("env_file") => "now from an env file",
            Some("environment") => "now from the daemon's own environment",
            Some(other) => other,
        };
        format!("  {:<9} {} ({}, {from})", change.change, change.name, change.provider)
    }));
    lines.extend(
        outcome
            .ignored
            .iter()
            .map(|value| format!("  {:<9} {} from {}: {}", "ignored", value.name, value.origin, value.reason)),
    );
    lines.extend(outcome.providers.iter().map(|provider| format!("  {:<9} provider {}", provider.change, provider.id)));
    lines.extend(outcome.settings.iter().map(|key| format!("  {:<9} setting {key}", "changed")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strays_are_what_looks_like_a_key_of_a_provider_that_nobody_knows() {
        let environment = Environment::from_iter(
            [
                "BITROUTER_OPNAI_API_KEY",
                "BITROUTER_OPENAI_API_KEY",
                "BITROUTER_API_KEY",
                "BITROUTER_LOG",
                "OPNAI_API_KEY",
            ]
            .map(|name| (name, "x")),
        );
        assert_eq!(strays(&environment, &["BITROUTER_OPENAI_API_KEY".to_owned()]), ["BITROUTER_OPNAI_API_KEY"]);
    }

    #[test]
    fn the_second_step_says_where_a_key_comes_from_now() {
        let change = |name: &str, change: &str, now_from: Option<&str>| KeyChange {
            name: name.to_owned(),
            provider: "openai".to_owned(),
            change: change.to_owned(),
            now_from: now_from.map(str::to_owned),
        };
        let merged = merged(vec![change("A", "withdrawn", None)], vec![change("B", "added", Some("pushed"))]);
        assert_eq!(merged, [change("A", "withdrawn", Some("pushed")), change("B", "added", Some("pushed"))]);
    }
}
