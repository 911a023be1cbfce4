//! The command as a child. It shares our process group, so that what a terminal sends reaches it once, from the terminal.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, ExitStatus},
};

use bitrouter_proto::codes::exit;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::sync::oneshot;

use super::variables::Changes;
use crate::exit::Failure;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With this code.
    Code(u8),
    /// By this signal.
    Signal(i32),
    /// Nobody knows.
    Unknown,
}

impl Ended {
    fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            // `exit` takes eight bits.
            (Some(code), _) => Self::Code(u8::try_from(code & 0xff).unwrap_or(exit::FAILURE)),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => Self::Unknown,
        }
    }

    /// What we exit with, as shells do (POSIX, Shell Command Language §2.8.2).
    pub(super) fn exit(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => u8::try_from(i32::from(exit::BY_SIGNAL) + signal).unwrap_or(u8::MAX),
            Self::Unknown => exit::FAILURE,
        }
    }
}

/// A command that runs.
pub(super) struct Running {
    child: Child,
    /// Comes once it has ended; until it is waited for, its number is nobody else's.
    over: oneshot::Receiver<()>,
    has_ended: bool,
}

impl Running {
    /// Starts `program`.
    ///
    /// # Errors
    /// Where it cannot be: 127 where there is none, 126 where it is none that can be executed.
    pub(super) fn begin(program: &OsStr, args: &[OsString], changes: &Changes) -> Result<Self, Failure> {
        let mut command = Command::new(program);
        command.args(args);
        for name in &changes.removed {
            command.env_remove(name);
        }
        for (name, value) in &changes.set {
            command.env(name, secrecy::ExposeSecret::expose_secret(value));
        }
        let child = command.spawn().map_err(|error| not_started(program, &error))?;
        let pid = Pid::from_child(&child);
        let (tell, over) = oneshot::channel();
        std::thread::Builder::new().name("command".to_owned()).spawn(move || {
            // Not taken off the table yet: nobody else gets its number while signals may go there.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while waitid(WaitId::Pid(pid), options).is_err_and(|error| error == rustix::io::Errno::INTR) {}
            // Nobody waits any more.
            let _ = tell.send(());
        })?;
        Ok(Self { child, over, has_ended: false })
    }

    /// Waits for its end. May be dropped and called again.
    pub(super) async fn ended(&mut self) -> Ended {
        if !self.has_ended {
            // Whatever became of the thread, the command is waited for below.
            let _ = (&mut self.over).await;
            self.has_ended = true;
        }
        self.child.wait().map_or(Ended::Unknown, Ended::of)
    }

    /// Sends it a signal, unless it has ended.
    pub(super) fn signal(&self, signal: Signal) {
        if !self.has_ended {
            // One that is ending needs none.
            let _ = kill_process(Pid::from_child(&self.child), signal);
        }
    }
}

fn not_started(program: &OsStr, error: &io::Error) -> Failure {
    let shown = program.to_string_lossy();
    let (code, status, why) = match error.kind() {
        io::ErrorKind::NotFound => ("command_not_found", exit::NOT_FOUND, "is not found".to_owned()),
        io::ErrorKind::PermissionDenied => ("not_executable", exit::NOT_EXECUTABLE, "cannot be executed".to_owned()),
        _ => ("not_executable", exit::NOT_EXECUTABLE, format!("cannot be executed: {error}")),
    };
    Failure { exit: status, ..Failure::caller(code, format!("`{shown}` {why}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_commands_and_signals_are_told_as_shells_do() {
        for (raw, ended, exit) in [
            (0, Ended::Code(0), 0),
            (7 << 8, Ended::Code(7), 7),
            (255 << 8, Ended::Code(255), 255),
            (15, Ended::Signal(15), 143),
            (9, Ended::Signal(9), 137),
            (0x8b, Ended::Signal(11), 139),
        ] {
            let found = Ended::of(ExitStatus::from_raw(raw));
            assert_eq!((found, found.exit()), (ended, exit), "{raw}");
        }
    }
}
