//! Describes a foreground daemon before it starts.

use std::{
    ffi::{OsStr, OsString},
    process::Command,
};

use crate::{
    daemon::Daemon,
    process::{self, Process},
    shared_files,
    user::User,
    wait::PATIENCE,
    world::World,
};

/// A `bitrouter serve` that is about to start.
#[derive(Debug)]
pub struct Serve {
    world: World,
    command: Command,
    args: Vec<OsString>,
    listen: bool,
}

impl Serve {
    pub(crate) fn new(world: World) -> Self {
        let command = world.bare_command(shared_files::binary());
        Self { world, command, args: Vec::new(), listen: true }
    }

    /// Adds a flag or its value.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds several.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Leaves out the `--listen 127.0.0.1:0` that is otherwise given, so that the configuration decides.
    #[must_use]
    pub fn listen_as_configured(mut self) -> Self {
        self.listen = false;
        self
    }

    /// Sets a variable of the daemon's environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes one.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Runs it as somebody else.
    #[must_use]
    pub fn as_user(mut self, user: User) -> Self {
        user.apply(&mut self.command);
        self
    }

    /// Starts the process without waiting for anything: for daemons that are expected to fail.
    #[track_caller]
    pub fn spawn(mut self) -> Process {
        self.command.arg("serve");
        if self.listen {
            self.command.args(["--listen", "127.0.0.1:0"]);
        }
        self.command.args(&self.args);
        Process::spawn(self.command, &[])
    }

    /// Starts it where it must refuse to, with exit code 1, and returns what it said.
    ///
    /// # Panics
    /// When it does not end in time, or otherwise than that; the message shows its stderr.
    #[track_caller]
    pub fn refused(self) -> String {
        let world = self.world.clone();
        let mut process = self.spawn();
        let status = process.wait(PATIENCE);
        process.stderr().ends_within(PATIENCE);
        world.keep("the refused daemon's stderr", process.stderr().bytes());
        let text = process.stderr().text();
        assert_eq!(process::shell_code(status), 1, "{text}");
        text
    }

    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// When it ends first, or does not answer in time; the message shows its stderr.
    #[track_caller]
    pub fn start(self) -> Daemon {
        let world = self.world.clone();
        let daemon = Daemon::foreground(world, self.spawn());
        // A server may take longer than a start waits for it.
        if daemon.world().database().is_some() {
            daemon.until_node_is_on();
        }
        daemon
    }
}
