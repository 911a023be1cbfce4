//! Find, start, wait for, and end a daemon: what to do next is decided by a pure step function.

mod autostart;
mod ending;
mod place;
mod service_unit;
mod step;

use std::time::{Duration, Instant};

use bitrouter_proto::{
    client::{self, ClientError, UnresponsiveCause},
    clock,
    codes::exit,
    env::Environment,
    paths::Places,
    status::{State, Status},
};
use rustix::event::{Timespec, poll};

use crate::{
    context::Context,
    exit::{self as failure, Failure},
    flags::ServeFlags,
    local_daemon::{self, Outcome},
};
pub(crate) use autostart::ensure_daemon;
pub(crate) use ending::order_stop;
pub(crate) use place::{can_restart, cannot_choose};
pub(crate) use service_unit::ServiceUnit;
use step::{Seen, Step};

/// How long `start` waits for a daemon that is on its way.
const PATIENCE: Duration = Duration::from_secs(20);

/// The unit of a service manager that should run the daemon, where one is enabled.
pub(crate) fn enabled_unit(environment: &Environment) -> Option<ServiceUnit> {
    service_unit::UnitPlaces::of(environment).enabled()
}

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
            Err(ClientError::Unresponsive { cause, .. })
                if *cause != UnresponsiveCause::Stopped && is_young(context) =>
            {
                Seen::OnItsWay
            }
            Err(_) => Seen::Trouble,
        };
        match step::next(seen, clock::monotonic_now() >= deadline) {
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

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(clock::monotonic_now())
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
    born.is_ok_and(|born| clock::wall_now().duration_since(born).unwrap_or_default() < YOUNG)
}

/// A state that counts as running for `start`.
fn is_up(state: State) -> bool {
    state == State::Running
}
