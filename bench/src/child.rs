//! A role that runs as a process of its own, for as long as its owner lives.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{error::BenchError, valgrind::Valgrind};

/// A running role. Dropping it ends the process.
#[derive(Debug)]
pub(crate) struct Role {
    child: Child,
    address: SocketAddr,
}

impl Role {
    /// Starts this binary again as `role` and waits until it listens.
    pub(crate) fn start(role: &str, to: Option<SocketAddr>) -> Result<Self, BenchError> {
        let mut command = Command::new(own_binary()?);
        command.arg(role).args(to.map(|to| to.to_string()));
        Self::listening(command, role)
    }

    /// The same, with its instructions counted into `log`.
    pub(crate) fn start_under(valgrind: &Valgrind, log: &Path, role: &str, to: SocketAddr) -> Result<Self, BenchError> {
        let mut command = valgrind.command(&own_binary()?, log);
        command.arg(role).arg(to.to_string());
        Self::listening(command, role)
    }

    fn listening(mut command: Command, role: &str) -> Result<Self, BenchError> {
        command.env_clear();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(BenchError::io("start a process beside the daemon"))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(BenchError::io("read the port of a role"))?;
        }
        let port: Option<u16> = line.trim().parse().ok();
        let Some(port) = port else {
            child.kill().ok();
            child.wait().ok();
            return Err(BenchError::Unexpected(format!("`{role}` did not say its port")));
        };
        Ok(Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes its input, which ends it, and waits for that.
    pub(crate) fn end(mut self) -> Result<(), BenchError> {
        drop(self.child.stdin.take());
        self.child.wait().map(drop).map_err(BenchError::io("wait for the end of a role"))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// This program.
pub(crate) fn own_binary() -> Result<PathBuf, BenchError> {
    std::env::current_exe().map_err(BenchError::io("find this program"))
}
