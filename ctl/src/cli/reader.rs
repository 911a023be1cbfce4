//! What a command that follows something needs to know of whoever reads it.

use bitrouter_proto::terminal;
use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::oneshot;

use crate::exit::Failure;

/// Returns when the reader of our output goes away: a follower with nothing to write would not notice otherwise.
pub(super) fn reader_left() -> Result<oneshot::Receiver<()>, Failure> {
    let (tell, left) = oneshot::channel();
    std::thread::Builder::new().name("reader".to_owned()).spawn(move || {
        let out = std::io::stdout();
        // Errors and hang-ups are reported unasked; a file never has one, and this thread then sleeps until the end.
        while let Ok(0) | Err(rustix::io::Errno::INTR) = poll(&mut [PollFd::new(&out, PollFlags::empty())], None) {}
        // Whoever would have heard may be gone too.
        let _ = tell.send(());
    })?;
    Ok(left)
}

/// `kill -HUP $(pgrep bitrouter)` also hits us: stay while our terminal lives, leave with it.
pub(super) fn ignore_hangups() -> Result<(), Failure> {
    let had_terminal = terminal::is_controlled();
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGHUP])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if had_terminal && !terminal::is_controlled() {
                // Gives the default action back: the process ends as by any hang-up.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        }
    })?;
    Ok(())
}
