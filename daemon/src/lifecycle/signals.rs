//! Signals with their sender, on a thread of their own.

use std::{io, os::raw::c_int};

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

/// Tells a hang-up of our own terminal from a request to reload: the terminal that was there at start is gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terminal {
    had_one: bool,
}

impl Terminal {
    /// Looks for the controlling terminal now.
    pub(super) fn at_start() -> Self {
        Self { had_one: is_there() }
    }

    /// True where we had a terminal and it is gone.
    pub(super) fn is_lost(self) -> bool {
        self.had_one && !is_there()
    }
}

fn is_there() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}
