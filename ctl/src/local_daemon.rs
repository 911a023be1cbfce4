//! The one door from the client to the daemon's own code: what becomes a daemon in this very process, and what only
//! that code knows.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use bitrouter_daemon::{
    Detached, Examined, PortUid, Restore, Restored, ServeError, ServeOptions, Started, config::LogFormat,
};
use bitrouter_proto::{codes::exit, paths::Places};

use crate::{
    context::Context,
    exit::{Failure, Status},
    flags::ServeFlags,
};

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        let code = match (error.running, error.exit) {
            (Some(_), _) => "already_running",
            (None, exit::CALLER) => "cannot_start",
            (None, _) => "daemon_failed",
        };
        Self { hint: error.hint, exit: error.exit, ..Self::caller(code, error.message) }
    }
}

/// Becomes the daemon, in the foreground. `greet` is given what to show once both sockets answer.
pub(crate) fn foreground(
    context: &Context,
    flags: &ServeFlags,
    greet: impl FnOnce(&str) -> bool,
) -> Result<(), Failure> {
    let options = options(context, flags, false)?;
    Ok(bitrouter_daemon::serve(&options, greet)?)
}

/// Detaches a daemon; answers in the process that asked. In the daemon itself this never returns to the verb: it
/// answers the daemon's own end.
pub(crate) fn detached(context: &Context, flags: &ServeFlags, patience: Duration) -> Result<Outcome, Failure> {
    let options = options(context, flags, true)?;
    Ok(match bitrouter_daemon::detach(&options, patience) {
        Detached::Child(Ok(())) => Outcome::WasTheDaemon(Status(exit::OK)),
        Detached::Child(Err(error)) => Outcome::WasTheDaemon(Status(error.exit)),
        Detached::Parent(Started::Ready { .. }) => Outcome::Ready,
        Detached::Parent(Started::Silent) => Outcome::Silent,
        Detached::Parent(Started::Failed(error)) if error.running.is_some() => Outcome::LostTheRace,
        Detached::Parent(Started::Failed(error)) => return Err(error.into()),
    })
}

/// Reads what a daemon with these flags would read, and says what is wrong with it.
pub(crate) fn check(context: &Context, flags: &ServeFlags) -> Result<(), Failure> {
    Ok(bitrouter_daemon::check(&options(context, flags, true)?)?)
}

/// What a start with these flags would find.
pub(crate) fn examine(context: &Context, flags: &ServeFlags) -> Result<Examined, Failure> {
    Ok(bitrouter_daemon::examine(&options(context, flags, true)?)?)
}

/// Who keeps a daemon from listening at `address`.
pub(crate) fn port_holder(address: SocketAddr) -> Option<String> {
    bitrouter_daemon::port_holder(address)
}

/// Why what listens at `port` may not be a daemon of this user.
pub(crate) fn port_stranger(port: u16) -> Option<String> {
    bitrouter_daemon::port_stranger(port)
}

/// How detaching ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The new daemon answers.
    Ready,
    /// Another daemon was faster.
    LostTheRace,
    /// Nothing was heard in time.
    Silent,
    /// This process was the daemon, and it ended.
    WasTheDaemon(Status),
}

/// The process that says it holds the single-instance lock.
pub(crate) fn lock_holder(places: &Places) -> Option<u32> {
    bitrouter_daemon::lock_holder(places)
}

/// Who takes what is sent to an address of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    /// This user, or root; or the kernel does not tell.
    Ours,
    /// Nobody.
    Nobodys,
    /// Others, as people are told.
    Others(String),
}

/// Asks the kernel who takes what is sent to `at`.
pub(crate) fn listener(at: SocketAddr) -> Listener {
    let me = rustix::process::geteuid().as_raw();
    match bitrouter_daemon::who_takes(at) {
        PortUid::One(uid, _) if uid == me || uid == 0 => Listener::Ours,
        PortUid::One(uid, _) => Listener::Others(format!("a program of uid {uid}")),
        PortUid::Several => Listener::Others("programs of several users".to_owned()),
        PortUid::Nobody => Listener::Nobodys,
        PortUid::Unknown => Listener::Ours,
    }
}

/// How the node's database is put back: by `copy`, or as it stands.
pub(crate) fn restore(context: &Context, flags: &ServeFlags, copy: Option<&Path>) -> Result<Restore, Failure> {
    Restore::new(&options(context, flags, false)?, copy).map_err(not_restored)
}

/// Does it.
pub(crate) async fn restored(restore: Restore) -> Result<Restored, Failure> {
    restore.run().await.map_err(not_restored)
}

fn not_restored(error: ServeError) -> Failure {
    let code = if error.running.is_some() { "conflict" } else { "not_restored" };
    Failure { hint: error.hint, exit: error.exit, ..Failure::caller(code, error.message) }
}

/// The variables of the shipped registry, for when no daemon can be asked.
pub(crate) fn shipped_variable_names() -> Vec<String> {
    bitrouter_daemon::shipped_variable_names()
}

/// The flags as a daemon keeps them for its successor: with absolute paths.
pub(crate) fn arguments(context: &Context, flags: &ServeFlags) -> Result<Vec<String>, Failure> {
    Ok(options(context, flags, true)?.to_args())
}

fn options(context: &Context, flags: &ServeFlags, detached: bool) -> Result<ServeOptions, Failure> {
    if let Some(path) = flags.env_files.iter().chain(&flags.config).find(|path| is_passing(path)) {
        let message = format!(
            "`{}` can be read once, and the daemon reads its files again at every reload; write it to a file of mode 600",
            path.display()
        );
        return Err(Failure::caller("not_a_file", message).hint("bitrouter reload"));
    }
    let here = std::env::current_dir();
    let absolute = |path: &Path| -> Result<PathBuf, Failure> {
        if path.is_absolute() {
            return Ok(path.to_owned());
        }
        match &here {
            Ok(here) => Ok(here.join(path)),
            Err(error) => Err(Failure::caller(
                "no_directory",
                format!("`{}` is relative, and the current directory cannot be told: {error}", path.display()),
            )),
        }
    };
    Ok(ServeOptions {
        demo: flags.demo,
        listen: flags.listen.clone(),
        config: flags.config.as_deref().map(absolute).transpose()?,
        env_files: flags.env_files.iter().map(|path| absolute(path)).collect::<Result<_, _>>()?,
        log_format: flags.log_format.as_deref().and_then(LogFormat::parse),
        environment: context.environment.clone(),
        parent: rustix::process::getppid().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok()),
        detached,
    })
}

/// True for what a shell makes of `<(…)`, and for standard input: pipes that are this process's alone.
fn is_passing(path: &Path) -> bool {
    let Some(text) = path.to_str() else { return false };
    text == "-" || text == "/dev/stdin" || text.starts_with("/dev/fd/") || is_descriptor_of_a_process(text)
}

fn is_descriptor_of_a_process(path: &str) -> bool {
    let below = path.strip_prefix("/proc/").and_then(|rest| rest.split_once('/'));
    below.is_some_and(|(_, rest)| rest.starts_with("fd/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r1_20_what_can_be_read_once_is_no_file_to_read_again() {
        for path in ["/dev/fd/63", "/proc/self/fd/11", "/proc/12/fd/3", "/dev/stdin", "-"] {
            assert!(is_passing(Path::new(path)), "{path}");
        }
        for path in ["/home/u/env", "env", "/dev/shm/env", "./-"] {
            assert!(!is_passing(Path::new(path)), "{path}");
        }
    }
}
