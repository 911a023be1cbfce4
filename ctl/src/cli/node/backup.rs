//! `node backup` and `node restore`: a copy of the database, and its way back.

use std::path::PathBuf;

use bitrouter_proto::codes::exit;
use clap::Args;
use serde_json::json;

use crate::{
    cli::confirm::confirm,
    context::Context,
    exit::{Failure, Status},
    flags::ServeFlags,
    local_daemon,
};

#[derive(Args, Debug)]
pub(in crate::cli) struct BackupArgs {
    /// Where the copy is to be; nothing is written over
    file: PathBuf,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct RestoreArgs {
    /// A copy that `bitrouter node backup` made
    #[arg(required_unless_present = "in_place", conflicts_with = "in_place")]
    file: Option<PathBuf>,

    /// PostgreSQL: `pg_restore` has put the database back; take away again in it what was taken away since
    #[arg(long)]
    in_place: bool,

    /// Where `[node] database_url` stands [default: ~/.config/bitrouter/config.toml]
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,

    /// Read this env file too, as `serve` does (repeatable)
    #[arg(long = "env-file", value_name = "PATH")]
    env_files: Vec<PathBuf>,

    /// Ask nothing
    #[arg(long)]
    yes: bool,
}

pub(super) fn back_up(context: &Context, args: &BackupArgs) -> Result<Status, Failure> {
    let path = std::path::absolute(&args.file)?;
    // The control API has text.
    let told = path.to_str().ok_or_else(|| {
        Failure::caller("invalid_argument", format!("`{}` cannot be written as text", path.display()))
    })?;
    let made = context.wait(async { Ok(context.connect().await?.back_up(told).await?) })?;
    let (path, bytes, key) = (&made.path, made.bytes, &made.node_key);
    context.printer.json(&json!({ "path": path, "bytes": bytes, "node_key": key }))?;
    context.printer.stdout(&format!(
        "`{path}` is a copy of the node's database ({bytes} bytes); keep a copy of `{key}` elsewhere: nothing opens it without"
    ))?;
    Ok(Status(exit::OK))
}

pub(super) fn restore(context: &Context, args: &RestoreArgs) -> Result<Status, Failure> {
    let flags = ServeFlags { config: args.config.clone(), env_files: args.env_files.clone(), ..ServeFlags::default() };
    let restore = local_daemon::restore(context, &flags, args.file.as_deref())?;
    confirm(context, args.yes, &restore.question(), &format!("{} --yes", restore.command()))?;
    let restored = context.block_on(local_daemon::restored(restore))?;
    let printer = context.printer;
    let aside = restored.aside.as_ref().map(|path| path.display().to_string());
    let database = restored.database.display().to_string();
    printer.json(&json!({
        "database": database, "aside": aside, "revocations": restored.revocations,
        "nothing_is_trusted": restored.nothing_is_trusted,
    }))?;
    printer.stdout(&if args.in_place {
        format!("`{database}` is this node's as it stands now")
    } else {
        format!("`{database}` is the copy now")
    })?;
    if let Some(aside) = aside {
        printer.stdout(&format!("the database before is kept as `{aside}`"))?;
    }
    if restored.nothing_is_trusted {
        printer.stdout(&lost_text(restored.was_lost_before))?;
        printer.stdout("people, passwords and members are those of the copy: remove whom it should not know (`bitrouter node user list`)")?;
    } else if restored.revocations > 0 {
        let count = restored.revocations;
        printer.stdout(&format!("what was revoked since the copy was made is revoked again ({count})"))?;
    }
    Ok(Status(exit::OK))
}

/// What is said where nobody can tell what had been revoked.
fn lost_text(was_lost_before: bool) -> String {
    let why = if was_lost_before {
        "what had been revoked was lost since the copy was made, as `revoked.log` says"
    } else {
        "`revoked.log` was missing or cut short, so that nobody can tell what had been revoked"
    };
    format!("{why}: every session has ended, and API keys are disabled until `bitrouter node keys confirm`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_is_said_to_be_lost_when_it_was() {
        assert!(lost_text(false).starts_with("`revoked.log` was missing or cut short, "));
        let before = lost_text(true);
        assert!(before.starts_with("what had been revoked was lost since the copy was made, "), "{before}");
        assert!(before.ends_with("until `bitrouter node keys confirm`"), "{before}");
    }
}
