//! That a wait goes on, for whoever watches: a line on standard error once it is a long one, gone before anything else is said.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use bitrouter_proto::clock;

use super::Printer;
use crate::{exit::Failure, interrupt::Interrupt};

/// Shorter waits show nothing.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long a picture stands.
const FRAME: Duration = Duration::from_millis(100);
/// From then on the line says how long it has been.
const LONG: Duration = Duration::from_secs(3);

const FRAMES: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/// Awaits `call` and shows on a terminal that it goes on. Ctrl-C ends the wait.
///
/// # Errors
/// Those of the call, and an interrupt.
pub(crate) async fn beside<T>(printer: Printer, call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let interrupt = Interrupt::listen()?;
    let began = clock::monotonic_now();
    let mut call = pin!(call);
    let mut line = None;
    for frame in 0.. {
        let pause = if frame == 0 { PATIENCE } else { FRAME };
        tokio::select! {
            biased;
            ended = &mut call => return ended,
            () = interrupt.pressed() => return Err(Failure::interrupted()),
            () = tokio::time::sleep(pause), if printer.can_replace => line.get_or_insert_with(|| Line(printer)).draw(frame, began),
        }
    }
    Err(Failure::interrupted())
}

/// The line, which goes when this does.
struct Line(Printer);

impl Line {
    fn draw(&self, frame: usize, began: Instant) {
        self.0.replace_line(&text(frame, clock::monotonic_now().saturating_duration_since(began)));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.replace_line("");
    }
}

fn text(frame: usize, so_far: Duration) -> String {
    let seconds = if so_far < LONG { String::new() } else { format!(" {} s", so_far.as_secs()) };
    format!("{} waiting for an answer…{seconds}", FRAMES[frame % FRAMES.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_turns_and_counts_from_three_seconds_on() {
        assert_eq!(text(1, Duration::from_millis(400)), "⠙ waiting for an answer…");
        assert_eq!(text(12, Duration::from_millis(61_500)), "⠹ waiting for an answer… 61 s");
    }
}
