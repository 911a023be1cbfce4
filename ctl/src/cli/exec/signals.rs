//! Signals for the command: those that somebody sends to us are passed on. Those of the terminal reach it anyway.

use std::os::raw::c_int;

use rustix::process::{Signal, getpid, kill_process};
use signal_hook::{
    iterator::{Handle, SignalsInfo, exfiltrator::WithOrigin},
    low_level::siginfo::{Cause, Origin},
};
use tokio::sync::mpsc;

use super::command::Running;
use crate::exit::Failure;

/// What is passed on: all that can be caught, but for what a fault of our own raises, what our own children send, what a terminal
/// stops its background with, and real-time ones.
const PASSED: &[Signal] = &[
    Signal::INT,
    Signal::TERM,
    Signal::HUP,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::WINCH,
    Signal::TSTP,
    Signal::CONT,
    Signal::ALARM,
    Signal::VTALARM,
    Signal::PROF,
    Signal::PIPE,
    Signal::URG,
    Signal::IO,
    Signal::XCPU,
    Signal::XFSZ,
    Signal::SYS,
    Signal::ABORT,
    #[cfg(target_os = "linux")]
    Signal::POWER,
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    Signal::STKFLT,
];
/// Signals that wait to be passed on; the kernel too keeps one of a kind.
const WAITING: usize = 64;

/// A signal that came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    signal: Signal,
    /// A process sent it, and to us: the terminal sends its own to all that run there.
    is_sent: bool,
}

/// Hears signals while it lives: none of them ends us.
pub(super) struct Signals {
    handle: Handle,
    feed: mpsc::Receiver<Came>,
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close();
    }
}

impl Signals {
    /// Begins to listen.
    pub(super) fn listen() -> Result<Self, Failure> {
        // Rust has us ignore SIGPIPE, whatever we began with, and no command.
        let heard = |number: &c_int| *number == Signal::PIPE.as_raw() || !is_ignored(*number);
        let numbers = PASSED.iter().map(|signal| signal.as_raw()).filter(heard);
        let mut signals = SignalsInfo::<WithOrigin>::new(numbers)?;
        let handle = signals.handle();
        let (sender, feed) = mpsc::channel(WAITING);
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for origin in &mut signals {
                if let Some(came) = Came::of(&origin)
                    && sender.blocking_send(came).is_err()
                {
                    return;
                }
            }
        })?;
        Ok(Self { handle, feed })
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Option<Came> {
        self.feed.recv().await
    }
}

/// True for a signal that was ignored when we were executed (`nohup`, a job of a script): the command is to ignore it too, which
/// it does unless somebody listens.
pub(super) fn is_ignored(number: c_int) -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|text| ignores(&text, number))
}

/// Reads `SigIgn:` of proc_pid_status(5), a mask in which signal 1 is the lowest bit (pure).
fn ignores(status: &str, number: c_int) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    u32::try_from(number - 1).is_ok_and(|bit| mask.checked_shr(bit).is_some_and(|rest| rest & 1 == 1))
}

impl Came {
    fn of(origin: &Origin) -> Option<Self> {
        let signal = *PASSED.iter().find(|signal| signal.as_raw() == origin.signal)?;
        // What we bring upon ourselves, such as by a pipe that nobody reads, is told as sent by us.
        let own = getpid().as_raw_nonzero().get();
        let is_own = origin.process.as_ref().is_some_and(|process| process.pid == own);
        Some(Self { signal, is_sent: matches!(origin.cause, Cause::Sent(_)) && !is_own })
    }

    /// Passes it on, and does what it asks of us: where the command stops, we stop with it, so that its shell sees that.
    pub(super) fn pass_on(self, running: &Running) {
        if self.is_sent {
            running.signal(self.signal);
        }
        if self.signal == Signal::TSTP {
            // There is no process of our own that could not be.
            let _ = kill_process(getpid(), Signal::STOP);
        }
    }
}

#[cfg(test)]
mod tests {
    use signal_hook::consts::{FORBIDDEN, SIGHUP, SIGINT, SIGQUIT, SIGTERM};

    use super::*;

    #[test]
    fn what_is_passed_on_can_be_caught() {
        for (index, signal) in PASSED.iter().enumerate() {
            assert!(!FORBIDDEN.contains(&signal.as_raw()) && !PASSED[..index].contains(signal), "{signal:?}");
        }
    }

    #[test]
    fn what_was_ignored_is_read_from_the_mask() {
        let status = "Name:\tx\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000001005\n";
        for (number, expected) in [(SIGHUP, true), (SIGINT, false), (SIGQUIT, true), (SIGTERM, false)] {
            assert_eq!(ignores(status, number), expected, "{number}");
        }
        assert!(!ignores("", SIGHUP) && !ignores("SigIgn:\tx\n", SIGHUP));
    }
}
