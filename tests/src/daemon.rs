//! A running daemon: where it listens, what it says, how it ends.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::PathBuf,
    process::ExitStatus,
    time::Duration,
};

use bitrouter_proto::wire::{WatchEventsRequest, WatchEventsResponse};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    control::Control,
    http::Client,
    process::{self, Process, Stream},
    procfs,
    wait::{self, PATIENCE},
    world::World,
};

/// A daemon that answers. Dropping it kills it with `kill -9`; use [`Daemon::stop`] for a clean end.
#[derive(Debug)]
pub struct Daemon {
    world: World,
    process: Option<Process>,
    pid: u32,
    port: u16,
    kept: bool,
}

impl Daemon {
    #[track_caller]
    pub(crate) fn foreground(world: World, mut process: Process) -> Self {
        let pid = process.pid();
        let port = wait::until("the daemon to be ready", || {
            if let Some(status) = process.status() {
                process.stderr().ends_within(Duration::from_secs(1));
                panic!("the daemon ended at once ({status}); its stderr:\n{}", process.stderr().text());
            }
            ready(&world, Some(pid)).map(|(_, port)| port)
        });
        Self { world, process: Some(process), pid, port, kept: false }
    }

    #[track_caller]
    pub(crate) fn detached(world: World) -> Self {
        let (pid, port) = wait::until("a detached daemon", || ready(&world, None));
        Self { world, process: None, pid, port, kept: false }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The port of the inference endpoint.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of the inference endpoint on IPv4 loopback.
    pub fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// `http://127.0.0.1:PORT/v1`, what an SDK wants.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr())
    }

    /// Where its control socket is, as `daemon.json` says.
    pub fn socket(&self) -> PathBuf {
        let file = self.world.daemon_file().expect("daemon.json");
        PathBuf::from(file["socket"].as_str().expect("a socket in daemon.json"))
    }

    /// The world it runs in.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// A caller whose sockets belong to the daemon's user.
    pub fn http(&self) -> Client {
        Client::new(self.addr(), self.world.user())
    }

    /// What a foreground daemon wrote to stderr.
    pub fn stderr(&self) -> &Stream {
        self.process.as_ref().expect("a foreground daemon").stderr()
    }

    /// What a foreground daemon wrote to stdout.
    pub fn stdout(&self) -> &Stream {
        self.process.as_ref().expect("a foreground daemon").stdout()
    }

    /// `status --json`.
    #[track_caller]
    pub fn status(&self) -> Value {
        self.world.cli(["status", "--json"]).with_code(0).json()
    }

    /// Waits until the node is on.
    #[track_caller]
    pub fn until_node_is_on(&self) {
        wait::holds("the node to be on", || self.status()["node"]["state"] == "on");
    }

    /// The entry of one provider in `status --json`.
    #[track_caller]
    pub fn provider(&self, id: &str) -> Value {
        let status = self.status();
        let all = status["providers"].as_array().expect("providers");
        all.iter().find(|one| one["id"] == id).cloned().unwrap_or_else(|| panic!("no provider `{id}` in {status:#}"))
    }

    /// The warning with this code, where `status` shows it.
    #[track_caller]
    pub fn warning(&self, code: &str) -> Option<Value> {
        let status = self.status();
        status["warnings"].as_array().expect("warnings").iter().find(|one| one["code"] == code).cloned()
    }

    /// The warning with this code, once `status` shows it: some are found after the daemon was ready.
    #[track_caller]
    pub fn warned(&self, code: &str) -> Value {
        wait::until(&format!("the warning `{code}`"), || self.warning(code))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        process::kill(self.pid, signal);
    }

    /// SIGHUP, and waits until the reload that *it* causes is in force: an edited env file may cause another one at the
    /// same time. A refused one is told nobody this way.
    #[track_caller]
    pub fn hangup(&self) {
        let mut control = Control::connect(&self.socket());
        let mut events = control.open("DaemonService/WatchEvents", &WatchEventsRequest {});
        self.signal(Signal::HUP);
        loop {
            let event = events.message::<WatchEventsResponse>().expect("a reload by SIGHUP");
            if event.kind == "reload" && event.fields.get("trigger").is_some_and(|trigger| trigger == "sighup") {
                return;
            }
        }
    }

    /// `bitrouter reload`, which must succeed.
    #[track_caller]
    pub fn reload(&self) -> Value {
        self.world.cli(["reload", "--json"]).with_code(0).json()
    }

    /// Whether the process runs.
    pub fn is_running(&mut self) -> bool {
        match &mut self.process {
            Some(process) => process.status().is_none(),
            None => procfs::is_running(self.pid),
        }
    }

    /// Waits for the end of a foreground daemon.
    #[track_caller]
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        self.process.as_mut().expect("a foreground daemon").wait(patience)
    }

    /// `bitrouter stop`, and waits for the end.
    #[track_caller]
    pub fn stop(mut self) {
        self.world.cli(["stop"]).expect_code(0);
        if self.process.is_some() {
            let status = self.wait(PATIENCE);
            assert!(status.success(), "the daemon ended with {status}; stderr:\n{}", self.stderr().text());
        }
        assert!(!self.is_running(), "`stop` returned while pid {} still ran", self.pid);
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        if let Some(process) = &mut self.process {
            process.kill();
        } else {
            process::kill(self.pid, Signal::KILL);
            wait::holds("the end of the daemon", || !procfs::is_running(self.pid));
        }
        self.keep_output();
    }

    fn keep_output(&mut self) {
        if let Some(process) = &self.process
            && !self.kept
        {
            self.kept = true;
            process.stderr().ends_within(Duration::from_secs(5));
            self.world.keep("the daemon's stderr", process.stderr().bytes());
            self.world.keep("the daemon's stdout", process.stdout().bytes());
        }
    }
}

impl Drop for Daemon {
    #[expect(clippy::print_stdout, reason = "the test runner shows it only for a failed test")]
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking()
            && let Some(process) = &self.process
        {
            println!("--- stderr of the daemon (pid {})\n{}---", self.pid, process.stderr().text());
        }
    }
}

/// Pid and port of a daemon that answers; `pid` where it must be a certain one.
fn ready(world: &World, pid: Option<u32>) -> Option<(u32, u16)> {
    let file = world.daemon_file()?;
    let found = u32::try_from(file["pid"].as_u64()?).ok()?;
    if pid.is_some_and(|pid| pid != found) || !procfs::is_running(found) {
        return None;
    }
    let port = port_of(&file["http"])?;
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    let status = world.cli(["status", "--json"]);
    let status: Value = serde_json::from_str(&status.stdout).ok()?;
    (status["state"] == "running" && status["pid"] == found).then_some((found, port))
}

/// The port in `daemon.json`'s `http`: `host:port`, a URL, or a list of either.
fn port_of(http: &Value) -> Option<u16> {
    let text = match http {
        Value::Array(all) => all.first()?.as_str()?,
        other => other.as_str()?,
    };
    let (_, port) = text.trim_end_matches('/').rsplit_once(':')?;
    port.parse().ok()
}
