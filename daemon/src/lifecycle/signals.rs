//! Signals with their sender, on a thread of their own.

use std::{io, os::raw::c_int};

use bitrouter_proto::terminal;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::{Handle, SignalsInfo, exfiltrator::WithOrigin},
};
use tokio::sync::mpsc;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Read everything again.
    Hangup,
    /// End: drain first, and end at once when it comes again.
    End,
}

/// One signal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signal {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    /// The sending process, where the kernel says (not for a terminal's hang-up).
    pub(super) sender_pid: Option<i32>,
    /// Its user.
    pub(super) sender_uid: Option<u32>,
}

impl Signal {
    /// True for a Ctrl-C: a person, and no service manager.
    pub(super) fn is_interrupt(self) -> bool {
        self.name == name_of(SIGINT)
    }
}

/// The listening thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Signals {
    handle: Handle,
    pub(super) feed: mpsc::Receiver<Signal>,
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close();
    }
}

/// Starts listening.
pub(super) fn listen() -> io::Result<Signals> {
    let mut signals = SignalsInfo::<WithOrigin>::new([SIGHUP, SIGINT, SIGTERM])?;
    let handle = signals.handle();
    let (sender, feed) = mpsc::channel(16);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for origin in &mut signals {
            let signal = Signal {
                kind: if origin.signal == SIGHUP { Kind::Hangup } else { Kind::End },
                name: name_of(origin.signal),
                sender_pid: origin.process.as_ref().map(|process| process.pid),
                sender_uid: origin.process.as_ref().map(|process| process.uid),
            };
            // Sixteen that wait to be obeyed make one more hang-up superfluous, but an order to end is never lost. Nobody
            // listening means that the daemon is gone.
            let _ = match signal.kind {
                Kind::Hangup => sender.try_send(signal).map_err(drop),
                Kind::End => sender.blocking_send(signal).map_err(drop),
            };
        }
    })?;
    Ok(Signals { handle, feed })
}

fn name_of(signal: c_int) -> &'static str {
    match signal {
        SIGHUP => "SIGHUP",
        SIGINT => "SIGINT",
        _ => "SIGTERM",
    }
}

/// Tells the hang-up that ends us (our terminal is gone) from a request to reload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terminal {
    /// There was one, and nobody asked us to outlive it.
    ends_us: bool,
    /// Who passes its hang-up on, besides the kernel: the shell that started us, and the leader of its session.
    relatives: [Option<i32>; 2],
}

impl Terminal {
    /// Looks for the controlling terminal now. Call it before [`listen`], which changes what SIGHUP does.
    pub(super) fn at_start() -> Self {
        let number = |pid: rustix::process::Pid| pid.as_raw_nonzero().get();
        Self {
            // `nohup`, `trap '' HUP`: SIGHUP was ignored when we were executed.
            ends_us: terminal::is_controlled()
                && !std::fs::read_to_string("/proc/self/status").is_ok_and(|text| ignores_hangup(&text)),
            relatives: [rustix::process::getppid().map(number), rustix::process::getsid(None).ok().map(number)],
        }
    }

    /// True where `hangup` tells of the loss of our terminal. One that was lost without a word (`disown`) does not make a
    /// later request to reload the end.
    pub(super) fn is_lost(self, hangup: Signal) -> bool {
        self.ends_us && self.may_pass_on(hangup.sender_pid) && !terminal::is_controlled()
    }

    /// The kernel has no number, nor has a process outside of our namespace.
    fn may_pass_on(self, sender: Option<i32>) -> bool {
        sender.is_none_or(|pid| pid == 0 || self.relatives.contains(&Some(pid)))
    }
}

/// Reads `SigIgn:` of proc_pid_status(5), a mask in which SIGHUP is the lowest bit (pure).
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_hangup_is_read_from_the_mask() {
        assert!(ignores_hangup("Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hangup("SigBlk:\t0000000000000001\nSigIgn:\t0000000000001006\nSigCgt:\t0000000000000001\n"));
        assert!(!ignores_hangup("") && !ignores_hangup("SigIgn:\tx\n"));
    }

    #[test]
    fn only_the_kernel_and_the_shell_tell_of_a_lost_terminal() {
        let terminal = Terminal { ends_us: true, relatives: [Some(10), Some(7)] };
        for (sender, expected) in [(None, true), (Some(0), true), (Some(10), true), (Some(7), true), (Some(99), false)]
        {
            assert_eq!(terminal.may_pass_on(sender), expected, "{sender:?}");
        }
    }
}
