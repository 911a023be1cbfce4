//! `restart`: stop, then start with the same flags.

use std::{path::PathBuf, time::Duration};

use bitrouter_proto::{client::ClientError, shell};
use clap::Parser as _;

use super::{
    args::{Cli, Verb},
    start,
};
use crate::{
    context::Context,
    exit::{Failure, Status},
    flags::ServeFlags,
    launch, local_daemon,
};

pub(super) fn run(context: &Context, timeout: Option<Duration>, flags: &ServeFlags) -> Result<Status, Failure> {
    let kept = context.block_on(async {
        let client = match context.connect().await {
            Ok(client) => client,
            Err(ClientError::NotRunning { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let status = client.status().clone();
        if client.is_foreign() {
            // Its flags would be taken over, and they name files.
            let socket =
                context.named_socket().map(|path| format!(" --socket {}", shell::quoted(&path.to_string_lossy())));
            let socket = socket.unwrap_or_default();
            let message = "this daemon belongs to another user, and only that user can restart it".to_owned();
            return Err(Failure::caller("foreign_daemon", message).hint(format!("bitrouter stop{socket}")));
        }
        if status.service_managed {
            let user = if rustix::process::geteuid().is_root() { "" } else { "--user " };
            return Err(Failure::caller("service_managed", "a service manager runs this daemon")
                .hint(format!("systemctl {user}restart bitrouter")));
        }
        // What the new one could not do is found out while the old one still serves.
        launch::can_restart(context, status.socket.as_deref())?;
        let flags = merged(&status.serve_args, flags);
        local_daemon::check(context, &flags)?;
        let ending = launch::order_stop(&client, timeout).await?;
        Ok(Some((status, ending, flags)))
    })?;
    let Some((status, ending, flags)) = kept else {
        return launched(context, flags, "bitrouter was not running; it was started");
    };
    ending.wait(context)?;
    if status.pushed_variables > 0 {
        let keys = match status.pushed_variables {
            1 => "a pushed key".to_owned(),
            count => format!("{count} pushed keys"),
        };
        let cure = "run `bitrouter reload` in the shells that hold them";
        context.printer.stderr(&format!("note: {keys} ended with the old process; {cure}"));
    }
    launched(context, &flags, "bitrouter runs")
}

fn launched(context: &Context, flags: &ServeFlags, lead: &str) -> Result<Status, Failure> {
    match launch::ensure_running(context, flags, "restart")? {
        launch::Launched::WasTheDaemon(status) => Ok(status),
        // Somebody else may have been faster; what was asked for is there.
        launch::Launched::Running { status, .. } => start::tell(context, &status, lead),
    }
}

/// The running daemon's flags, with those given now in their place.
pub(super) fn merged(kept: &[String], given: &ServeFlags) -> ServeFlags {
    let words = ["bitrouter", "serve"].into_iter().map(str::to_owned).chain(kept.iter().cloned());
    let kept = match Cli::try_parse_from(words) {
        Ok(Cli { verb: Some(Verb::Serve { flags, .. }), .. }) => flags,
        // Flags of another release that this one does not know: start with what was asked now.
        _ => ServeFlags::default(),
    };
    let env_files: Vec<PathBuf> = if given.env_files.is_empty() { kept.env_files } else { given.env_files.clone() };
    ServeFlags {
        demo: given.demo || kept.demo,
        listen: given.listen.clone().or(kept.listen),
        config: given.config.clone().or(kept.config),
        env_files,
        log_format: given.log_format.clone().or(kept.log_format),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_given_now_beat_the_kept_ones() {
        let kept: Vec<String> =
            ["--demo", "--listen", "127.0.0.1:1", "--env-file", "/a"].into_iter().map(str::to_owned).collect();
        let merged = merged(&kept, &ServeFlags { listen: Some("127.0.0.1:2".to_owned()), ..ServeFlags::default() });
        assert!(merged.demo);
        assert_eq!(merged.listen.as_deref(), Some("127.0.0.1:2"));
        assert_eq!(merged.env_files, [PathBuf::from("/a")]);
    }
}
