//! `start`: one daemon, however many ask at once.

use bitrouter_proto::{client::Client, codes::exit, status::Status as DaemonStatus};

use super::push;
use crate::{
    context::Context,
    exit::{Failure, Status},
    flags::ServeFlags,
    launch, local_daemon,
};

pub(super) fn run(context: &Context, flags: &ServeFlags) -> Result<Status, Failure> {
    match launch::ensure_running(context, flags, "start")? {
        launch::Launched::WasTheDaemon(status) => Ok(status),
        launch::Launched::Running { status, fresh: true } => tell(context, &status, "bitrouter runs"),
        launch::Launched::Running { status, fresh: false } => {
            let code = tell(context, &status, "bitrouter already runs")?;
            for remark in remarks(context, flags, &status)? {
                context.printer.stderr(&remark);
            }
            Ok(code)
        }
    }
}

/// Says which daemon runs where.
pub(super) fn tell(context: &Context, status: &DaemonStatus, lead: &str) -> Result<Status, Failure> {
    let pid = status.pid.unwrap_or_default();
    let url = status.base_urls().into_iter().next().unwrap_or_default();
    context.printer.stdout(&format!("{lead} (pid {pid}) on {url}"))?;
    context.printer.json(status)?;
    Ok(Status(exit::OK))
}

/// What was asked of a daemon that had been started before, and is not so: flags, and keys of this shell.
fn remarks(context: &Context, flags: &ServeFlags, status: &DaemonStatus) -> Result<Vec<String>, Failure> {
    let mut remarks = Vec::new();
    let missing = missing(&local_daemon::arguments(context, flags)?, &status.serve_args);
    if !missing.is_empty() {
        let words = missing.join(" ");
        remarks.push(format!("note: it was started without `{words}`; to apply it: bitrouter restart {words}"));
    }
    let compared = context.block_on(async {
        let client = context.connect().await?;
        if client.is_foreign() { Ok(Vec::new()) } else { unused_keys(context, &client).await }
    });
    // The daemon runs; that it cannot be asked for this now is no failure of this command.
    let unused = compared.unwrap_or_default();
    if !unused.is_empty() {
        let names = unused.join(", ");
        remarks
            .push(format!("note: it does not use {names} of this shell; to send this shell's keys: bitrouter reload"));
    }
    Ok(remarks)
}

/// The variables of this shell whose value would supply another key than the one that the daemon uses.
pub(super) async fn unused_keys(context: &Context, client: &Client) -> Result<Vec<String>, Failure> {
    let names = client.variable_names(local_daemon::shipped_variable_names).await?;
    let mut own = push::variables(context, &names);
    own.retain(|(_, value)| value.is_some());
    let mut differing = client.differing(own.clone()).await?;
    // What is shown is what was asked, whatever was answered.
    differing.retain(|name| own.iter().any(|(own, _)| own == name));
    Ok(differing)
}

/// The flags among `given`, each with its value, that are not among `kept`.
fn missing(given: &[String], kept: &[String]) -> Vec<String> {
    let kept = pairs(kept);
    let missing = pairs(given).into_iter().filter(|pair| !kept.contains(pair));
    missing.flat_map(|(flag, value)| std::iter::once(flag).chain(value)).collect()
}

/// `--demo --listen X` as flags with their values.
fn pairs(words: &[String]) -> Vec<(String, Option<String>)> {
    let mut pairs: Vec<(String, Option<String>)> = Vec::new();
    for word in words {
        match pairs.last_mut() {
            Some((_, value)) if !word.starts_with("--") => *value = Some(bitrouter_proto::shell::quoted(word)),
            _ => pairs.push((word.clone(), None)),
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r5_05_flags_that_the_running_daemon_lacks_are_named() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (given, kept, expected) in [
            ("", "--demo", ""),
            ("--demo", "--demo --listen 127.0.0.1:1", ""),
            ("--demo --listen 127.0.0.1:2", "--listen 127.0.0.1:1", "--demo --listen 127.0.0.1:2"),
            ("--env-file /a --env-file /b", "--env-file /b", "--env-file /a"),
        ] {
            assert_eq!(missing(&words(given), &words(kept)), words(expected), "{given} / {kept}");
        }
    }
}
