//! A child process whose output is collected while it runs, and that never outlives its owner.

use std::{
    io::{Read, Write as _},
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use bitrouter_proto::clock;
use rustix::process::{Pid, Signal};

use crate::wait::{self, Deadline};

/// A running child.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: Stream,
    stderr: Stream,
    started: Instant,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts `command` with both outputs collected and `stdin` as its input.
    #[track_caller]
    pub fn spawn(mut command: Command, stdin: &[u8]) -> Self {
        command.stdin(if stdin.is_empty() { Stdio::null() } else { Stdio::piped() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = clock::monotonic_now();
        let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        if let Some(mut pipe) = child.stdin.take() {
            // A child that does not read its input is its own affair.
            pipe.write_all(stdin).ok();
        }
        let stdout = Stream::of(child.stdout.take());
        let stderr = Stream::of(child.stderr.take());
        Self { child, stdout, stderr, started, status: None }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// When it was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// What it wrote to stdout so far.
    pub fn stdout(&self) -> &Stream {
        &self.stdout
    }

    /// What it wrote to stderr so far.
    pub fn stderr(&self) -> &Stream {
        &self.stderr
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        if self.status.is_none() {
            kill(self.pid(), signal);
        }
    }

    /// Its exit status, once it has one.
    pub fn status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("wait for a child");
        }
        self.status
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it still runs after `patience`; the message shows its stderr.
    #[track_caller]
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Deadline::after(patience);
        loop {
            if let Some(status) = self.status() {
                return status;
            }
            if deadline.is_over() {
                let stderr = self.stderr.text();
                self.kill();
                panic!("pid {} still ran after {patience:?}; its stderr:\n{stderr}", self.pid());
            }
            wait::pass(Duration::from_millis(1));
        }
    }

    /// `kill -9`, and waits for the end.
    pub fn kill(&mut self) {
        if self.status().is_none() {
            self.child.kill().ok();
            self.status = self.child.wait().ok();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends `signal` to `pid`; a process that is gone is fine.
pub fn kill(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        rustix::process::kill_process(pid, signal).ok();
    }
}

/// An exit status as a shell shows it: 128 + n for a signal.
pub fn shell_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Bytes that arrive while somebody may be waiting for them.
#[derive(Clone, Debug)]
pub struct Stream {
    shared: Arc<(Mutex<Collected>, Condvar)>,
}

#[derive(Debug, Default)]
struct Collected {
    bytes: Vec<u8>,
    ended: bool,
}

impl Stream {
    fn of(source: Option<impl Read + Send + 'static>) -> Self {
        let shared = Arc::new((Mutex::new(Collected::default()), Condvar::new()));
        let writer = Arc::clone(&shared);
        let Some(mut source) = source else { return Self { shared } };
        thread::spawn(move || {
            let mut buffer = [0; 16_384];
            loop {
                let read = source.read(&mut buffer).unwrap_or(0);
                let mut collected = writer.0.lock().unwrap_or_else(PoisonError::into_inner);
                collected.bytes.extend_from_slice(&buffer[..read]);
                collected.ended = read == 0;
                writer.1.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        Self { shared }
    }

    /// Everything so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).bytes.clone()
    }

    /// Everything so far as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// Waits until the text satisfies `condition` and returns it.
    #[track_caller]
    pub fn until(&self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        let deadline = Deadline::after(wait::PATIENCE);
        let mut collected = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let text = String::from_utf8_lossy(&collected.bytes).into_owned();
            if condition(&text) {
                return text;
            }
            assert!(!collected.ended && !deadline.is_over(), "{what} never came; what came:\n{text}");
            let waited = self.shared.1.wait_timeout(collected, deadline.left());
            collected = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until `needle` was written.
    #[track_caller]
    pub fn until_contains(&self, needle: &str) -> String {
        self.until(&format!("`{needle}`"), |text| text.contains(needle))
    }

    /// Waits until every writer closed its end. False when that does not happen within `patience`: some process
    /// inherited the descriptor.
    pub fn ends_within(&self, patience: Duration) -> bool {
        let deadline = Deadline::after(patience);
        let mut collected = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !collected.ended {
            if deadline.is_over() {
                return false;
            }
            let waited = self.shared.1.wait_timeout(collected, deadline.left());
            collected = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}
