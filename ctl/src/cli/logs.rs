//! `logs`: the daemon's ring, followed on demand; and its level.

use bitrouter_proto::codes::exit;
use rustix::event::{PollFd, PollFlags, poll};
use serde_json::json;
use tokio::sync::oneshot;

use super::args::LogsArgs;
use crate::{
    context::Context,
    exit::{Failure, Status},
};

pub(super) fn run(context: &Context, args: &LogsArgs) -> Result<Status, Failure> {
    if args.follow {
        ignore_hangups()?;
    }
    context.block_on(async {
        let client = context.connect().await?;
        if let Some(level) = &args.level {
            let previous = client.set_log_level(level).await?;
            context.printer.note(&format!("log level is now {level} (was {previous})"));
            if !args.follow {
                context.printer.json(&json!({ "level": level, "previous": previous }))?;
                return Ok(Status(exit::OK));
            }
        }
        let mut logs = client.logs(args.follow, args.tail).await?;
        let mut left = if args.follow { Some(reader_left()?) } else { None };
        loop {
            let (line, missed) = tokio::select! {
                next = logs.next() => match next? {
                    Some(next) => next,
                    None => break,
                },
                () = async {
                    match left.as_mut() {
                        // A sender that is gone says the same.
                        Some(left) => drop(left.await),
                        None => std::future::pending().await,
                    }
                } => break,
            };
            if missed > 0 {
                context.printer.note(&format!("({missed} lines were missed: this reader was slow)"));
            }
            context.printer.raw(&shown(context, line))?;
        }
        Ok(Status(exit::OK))
    })
}

/// Returns when the reader of our output goes away: a follower with nothing to write would not notice otherwise.
fn reader_left() -> Result<oneshot::Receiver<()>, Failure> {
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

/// Under `--json` a line that is not an object itself becomes one.
fn shown(context: &Context, line: String) -> String {
    if context.printer.json && !line.starts_with('{') { json!({ "line": line }).to_string() } else { line }
}

/// `kill -HUP $(pgrep bitrouter)` also hits us: stay while our terminal lives, leave with it.
fn ignore_hangups() -> Result<(), Failure> {
    let had_terminal = terminal_is_there();
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGHUP])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if had_terminal && !terminal_is_there() {
                // Gives the default action back: the process ends as by any hang-up.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        }
    })?;
    Ok(())
}

fn terminal_is_there() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}
