//! Ends a daemon and waits until its process is gone, however that can be known on this system.

use std::{
    os::fd::{AsFd as _, OwnedFd},
    time::{Duration, Instant},
};

use bitrouter_proto::{
    client::{Client, ClientError},
    clock,
    codes::exit,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, pidfd_open},
};

use super::{left, pause};
use crate::{context::Context, exit::Failure};

/// The drain that is waited for where no other is given; the daemon's own default.
const DRAIN: Duration = Duration::from_secs(30);

/// The pause between two looks where nothing tells of the end by itself.
const LOOK: Duration = Duration::from_millis(10);

/// A daemon that was told to end.
#[derive(Debug)]
pub(crate) struct Ending {
    pid: Option<u32>,
    process: Process,
    bound: Duration,
}

/// What tells that the daemon's process is gone. It is taken before the order, so that a recycled pid is not mistaken
/// for the daemon.
#[derive(Debug)]
enum Process {
    /// The kernel's handle.
    Handle(OwnedFd),
    /// Where there is no such handle (an old kernel, a sandbox): the pid with its start time.
    Numbered { pid: u32, started: String },
    /// The pid that the daemon told cannot be its own, or cannot be looked at: its socket is asked.
    Untold,
}

/// Orders the end. Wait for it only after the connection is closed: a daemon that drains says goodbye to its clients.
pub(crate) async fn order_stop(client: &Client, timeout: Option<Duration>) -> Result<Ending, Failure> {
    let pid = client.pid();
    let process = Process::of(pid);
    match client.stop(timeout).await {
        Ok(_) => {}
        // Somebody else's order came first, and the daemon is on its way out: its end is what was asked for.
        Err(ClientError::Broken(_)) if !matches!(process, Process::Untold) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(Ending { pid, process, bound: timeout.unwrap_or(DRAIN).saturating_add(Duration::from_secs(10)) })
}

impl Process {
    fn of(pid: Option<u32>) -> Self {
        let Some(pid) = pid else { return Self::Untold };
        let handle = i32::try_from(pid).ok().and_then(Pid::from_raw).map(|pid| pidfd_open(pid, PidfdFlags::empty()));
        match handle {
            Some(Ok(handle)) => Self::Handle(handle),
            _ => started(pid).map_or(Self::Untold, |started| Self::Numbered { pid, started }),
        }
    }
}

impl Ending {
    /// Waits until the process is gone; answers its pid, where that is known.
    pub(crate) fn wait(self, context: &Context) -> Result<Option<u32>, Failure> {
        let deadline = clock::after(self.bound);
        let is_gone = match &self.process {
            Process::Handle(process) => is_gone_within(process, deadline),
            Process::Numbered { pid, started: before } => {
                holds_within(deadline, || Ok(started(*pid).as_ref() != Some(before)))?
            }
            Process::Untold => holds_within(deadline, || {
                let found = context.block_on(async { Ok(context.connect().await) })?;
                Ok(matches!(found, Err(ClientError::NotRunning { .. })))
            })?,
        };
        if is_gone {
            self.pid.into_iter().for_each(until_reaped);
            return Ok(self.pid);
        }
        let who = self.pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
        let failure = Failure::caller("unresponsive", format!("the daemon{who} was told to stop and is still there"));
        let hint = self.pid.map_or_else(|| "bitrouter status".to_owned(), |pid| format!("kill -9 {pid}"));
        Err(Failure { exit: exit::UNREACHABLE, ..failure.hint(hint) })
    }
}

/// When a process began, in the kernel's words; `None` where there is none, or only its corpse (proc(5), `stat`).
fn started(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

fn holds_within(deadline: Instant, mut holds: impl FnMut() -> Result<bool, Failure>) -> Result<bool, Failure> {
    loop {
        if holds()? {
            return Ok(true);
        }
        if left(deadline).is_zero() {
            return Ok(false);
        }
        pause(LOOK);
    }
}

fn is_gone_within(process: &OwnedFd, deadline: Instant) -> bool {
    loop {
        let left = left(deadline);
        let timeout =
            Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&process.as_fd(), PollFlags::IN)], Some(&timeout)) {
            Ok(0) if left.is_zero() => return false,
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return true,
            Err(_) => return false,
        }
    }
}

/// A process that ended keeps its number until its parent took note of it, which is a matter of a moment unless the parent
/// is busy, perhaps with waiting for us.
fn until_reaped(pid: u32) {
    let deadline = clock::after(Duration::from_millis(500));
    let entry = std::path::PathBuf::from(format!("/proc/{pid}"));
    while entry.exists() && !left(deadline).is_zero() {
        pause(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_a_start_time_until_it_is_gone() {
        assert!(started(std::process::id()).is_some_and(|at| at.parse::<u64>().is_ok()));
        assert_eq!(started(u32::MAX), None);
        assert!(matches!(Process::of(None), Process::Untold));
        assert!(matches!(Process::of(Some(u32::MAX)), Process::Untold));
    }
}
