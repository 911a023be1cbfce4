//! Find, start, wait for, and end a daemon: what to do next is decided by a pure step function.

mod place;
mod step;

use std::{
    os::fd::{AsFd as _, OwnedFd},
    time::{Duration, Instant},
};

use bitrouter_proto::{
    client::{self, Ailment, Client, ClientError},
    clock,
    codes::exit,
    paths::Places,
    status::{State, Status},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};

use crate::{
    context::Context,
    exit::{self as failure, Failure},
    flags::ServeFlags,
    local_daemon::{self, Outcome},
};
pub(crate) use place::{can_restart, cannot_choose};
use step::{Seen, Step};

/// How long `start` waits for a daemon that is on its way.
const PATIENCE: Duration = Duration::from_secs(20);

/// The drain that `stop` waits for where no other is given; the daemon's own default.
const DRAIN: Duration = Duration::from_secs(30);

/// How a launch ended.
#[derive(Debug)]
pub(crate) enum Launched {
    /// A daemon runs.
    Running {
        /// Its status.
        status: Box<Status>,
        /// True where this launch started it.
        fresh: bool,
    },
    /// This process was the daemon, and it ended.
    WasTheDaemon(failure::Status),
}

/// Makes sure that a daemon runs and answers on both sockets; `verb` is what was typed.
pub(crate) fn ensure_running(context: &Context, flags: &ServeFlags, verb: &str) -> Result<Launched, Failure> {
    let deadline = clock::after(PATIENCE);
    let mut fresh = false;
    loop {
        let found = context.block_on(async { Ok(context.connect().await) })?;
        let seen = match &found {
            Ok(client) => Seen::Answers(client.status().state),
            Err(ClientError::NotRunning { .. }) => Seen::Nothing,
            Err(ClientError::Unresponsive { ailment, .. }) if *ailment != Ailment::Stopped && is_young(context) => {
                Seen::OnItsWay
            }
            Err(_) => Seen::Trouble,
        };
        match step::next(seen, clock::mono() >= deadline) {
            Step::Done => {
                let status = Box::new(found?.status().clone());
                return Ok(Launched::Running { status, fresh });
            }
            Step::Fail => {
                return Err(match found {
                    Err(error) => error.into(),
                    Ok(_) => Failure {
                        exit: exit::UNREACHABLE,
                        ..Failure::caller("not_ready", "the daemon is not ready in time").hint("bitrouter status")
                    },
                });
            }
            Step::Wait => pause(Duration::from_millis(20)),
            Step::Launch => {
                place::can_start(context, verb)?;
                match local_daemon::detached(context, flags, left(deadline))? {
                    Outcome::WasTheDaemon(status) => return Ok(Launched::WasTheDaemon(status)),
                    Outcome::Ready => fresh = true,
                    Outcome::LostTheRace => pause(Duration::from_millis(20)),
                    Outcome::Silent => {
                        let message = "the daemon did not become ready in time; in the foreground it says why";
                        return Err(Failure {
                            exit: exit::FAILURE,
                            ..Failure::caller("not_ready", message).hint("bitrouter serve")
                        });
                    }
                }
            }
        }
    }
}

/// A daemon that was told to end.
#[derive(Debug)]
pub(crate) struct Ending {
    pid: u32,
    /// Held since before the order, so that a recycled pid cannot be mistaken for the daemon.
    process: Option<OwnedFd>,
    bound: Duration,
}

/// Orders the end. Wait for it only after the connection is closed: a daemon that drains says goodbye to its clients.
pub(crate) async fn order_stop(client: &Client, timeout: Option<Duration>) -> Result<Ending, Failure> {
    let pid = client.status().pid.unwrap_or_default();
    let process =
        i32::try_from(pid).ok().and_then(Pid::from_raw).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    client.stop(timeout).await?;
    Ok(Ending { pid, process, bound: timeout.unwrap_or(DRAIN).saturating_add(Duration::from_secs(10)) })
}

impl Ending {
    /// Waits until the process is gone; answers its pid.
    pub(crate) fn wait(self) -> Result<u32, Failure> {
        let pid = self.pid;
        let gone = match &self.process {
            Some(process) => gone_within(process, clock::after(self.bound)),
            // Already gone between the answer and now, or a kernel without pidfd.
            None => true,
        };
        if gone {
            until_reaped(pid);
            return Ok(pid);
        }
        Err(Failure {
            exit: exit::UNREACHABLE,
            ..Failure::caller("unresponsive", format!("the daemon (pid {pid}) was told to stop and is still there"))
                .hint(format!("kill -9 {pid}"))
        })
    }
}

fn gone_within(process: &OwnedFd, deadline: Instant) -> bool {
    loop {
        let left = left(deadline);
        let timeout =
            Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&process.as_fd(), PollFlags::IN)], Some(&timeout)) {
            Ok(0) if left.is_zero() => return false,
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
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

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(clock::mono())
}

fn pause(duration: Duration) {
    let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(duration.subsec_nanos()) };
    // An interrupted pause is only a shorter one.
    let _ = poll(&mut [], Some(&timeout));
}

/// True where the process that holds the lock began a moment ago: it is on its way rather than sick.
fn is_young(context: &Context) -> bool {
    const YOUNG: Duration = Duration::from_secs(15);
    let Ok(places) = Places::of(&context.environment) else { return false };
    if context.named_socket().is_some() || !client::lock_is_held(&places) {
        return false;
    }
    let Some(pid) = local_daemon::lock_holder(&places) else { return true };
    let born = std::fs::metadata(format!("/proc/{pid}")).and_then(|meta| meta.modified());
    born.is_ok_and(|born| clock::wall().duration_since(born).unwrap_or_default() < YOUNG)
}

/// A state that counts as running for `start`.
fn is_up(state: State) -> bool {
    state == State::Running
}
