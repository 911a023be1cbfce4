//! Where lines go, without ever making a request wait: lines are appended to a bounded buffer that one thread writes
//! out, and what does not fit is dropped and counted.
//!
//! A first line is written at once; those that follow it closely are written together. The thread sleeps without a
//! timeout while there is nothing to write. It knows nothing of events or forms.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::sync::watch;

/// Bytes that may wait for a slow terminal or disk.
const ROOM: usize = 1024 * 1024;
/// Bytes of one line that are written.
const LONGEST: usize = ROOM / 16;
/// Memory that a burst may leave behind.
const KEPT: usize = 64 * 1024;
/// How long lines are gathered after a write.
const REST: Duration = Duration::from_millis(10);
/// The first pause after lines could not be written; it doubles up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long the end of the process waits for a terminal or disk that takes nothing.
const LAST: Duration = Duration::from_secs(1);

/// The end of a line that was cut.
const CUT_LINE: &str = "…\n";

/// Takes lines. Cloning shares the buffer.
#[derive(Clone, Debug)]
pub(super) struct Sink(Arc<Shared>);

/// Kept for the daemon's life: writes what is left when it is dropped.
#[derive(Debug)]
pub(super) struct SinkGuard(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Told to the thread: there is something, or the end.
    more: Condvar,
    /// Told by the thread: everything is written.
    over: Condvar,
    /// Why lines cannot be written; `None` while they can.
    problem: watch::Sender<Option<String>>,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: u64,
    /// The thread has nothing to do and must be woken.
    asleep: bool,
    /// Nothing is written yet.
    held: bool,
    closing: bool,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink {
    /// Appends one line, its newline included. Where there is no room the line is lost, and counted.
    pub(super) fn append(&self, line: &str) {
        let mut waiting = self.0.lock();
        if waiting.ended {
            return;
        }
        let kept = &line[..line.floor_char_boundary(LONGEST)];
        let rest = if kept.len() < line.len() { CUT_LINE } else { "" };
        if waiting.lines.len() + kept.len() + rest.len() > ROOM {
            waiting.dropped += 1;
            return;
        }
        waiting.lines.extend_from_slice(kept.as_bytes());
        waiting.lines.extend_from_slice(rest.as_bytes());
        let wake = std::mem::take(&mut waiting.asleep);
        drop(waiting);
        if wake {
            self.0.more.notify_one();
        }
    }
}

impl SinkGuard {
    /// Why lines cannot be written; `None` while they can.
    pub(super) fn problem(&self) -> watch::Receiver<Option<String>> {
        self.0.problem.subscribe()
    }

    /// Writes what is left, and nothing after it.
    pub(super) fn close(&self) {
        let mut waiting = self.0.lock();
        waiting.closing = true;
        self.0.more.notify_one();
        drop(self.0.over.wait_timeout_while(waiting, LAST, |waiting| !waiting.ended));
    }
}

impl Sink {
    /// Gathers lines and writes none, until [`Sink::release`] or the end.
    pub(super) fn hold(&self) {
        self.0.lock().held = true;
    }

    /// Writes again; `show` says whether what was gathered is written too.
    pub(super) fn release(&self, show: bool) {
        let mut waiting = self.0.lock();
        if !std::mem::take(&mut waiting.held) {
            return;
        }
        if !show {
            waiting.lines.clear();
            waiting.dropped = 0;
        }
        drop(waiting);
        self.0.more.notify_one();
    }
}

impl Drop for SinkGuard {
    fn drop(&mut self) {
        self.close();
    }
}

/// A sink that writes to `writer`.
pub(super) fn open(writer: impl Write + Send + 'static) -> (Sink, SinkGuard) {
    let shared = Arc::new(Shared::default());
    let own = Arc::clone(&shared);
    // Without a thread nothing is written; the ring still has every line.
    if thread::Builder::new().name("log".to_owned()).spawn(move || write_out(&own, writer)).is_err() {
        shared.lock().ended = true;
    }
    (Sink(Arc::clone(&shared)), SinkGuard(shared))
}

fn write_out(shared: &Shared, mut writer: impl Write) {
    // What is being written, and how much of it is.
    let (mut taken, mut written) = (Vec::new(), 0);
    let mut pause = PAUSE;
    let mut waiting = shared.lock();
    loop {
        if taken.is_empty() {
            while (waiting.lines.is_empty() || waiting.held) && !waiting.closing {
                waiting.asleep = true;
                waiting = shared.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                waiting.asleep = false;
            }
            if waiting.lines.is_empty() {
                return end(shared, waiting);
            }
            std::mem::swap(&mut waiting.lines, &mut taken);
        }
        drop(waiting);
        let rest = match write_from(&mut writer, &taken, &mut written) {
            Ok(()) => {
                taken.clear();
                taken.shrink_to(KEPT);
                written = 0;
                pause = PAUSE;
                shared.problem.send_if_modified(|problem| problem.take().is_some());
                let dropped = std::mem::take(&mut shared.lock().dropped);
                if dropped > 0 {
                    tracing::warn!(lines = dropped, "log lines were lost, because the log was not written fast enough");
                }
                REST
            }
            Err(error) => {
                let text = format!("the log cannot be written: {error}; the newest lines are in `bitrouter logs`");
                shared.problem.send_if_modified(|problem| {
                    let news = problem.as_ref() != Some(&text);
                    *problem = Some(text);
                    news
                });
                // What is left is tried again: a disk can be full for a while.
                let longer = LONGEST_PAUSE.min(pause * 2);
                std::mem::replace(&mut pause, longer)
            }
        };
        waiting = shared.lock();
        if waiting.closing && !taken.is_empty() {
            return end(shared, waiting);
        }
        if !waiting.closing {
            let rested = shared.more.wait_timeout_while(waiting, rest, |waiting| !waiting.closing);
            waiting = rested.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Nothing more is taken.
fn end(shared: &Shared, mut waiting: MutexGuard<'_, Waiting>) {
    waiting.ended = true;
    drop(waiting);
    shared.over.notify_all();
}

/// Writes what of `lines` is not yet `written`, and keeps count.
fn write_from(writer: &mut impl Write, lines: &[u8], written: &mut usize) -> io::Result<()> {
    while *written < lines.len() {
        match writer.write(&lines[*written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => *written += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    writer.flush()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use bitrouter_proto::clock;

    use super::*;

    /// Says each write, and goes on when it may.
    struct Slow {
        said: SyncSender<Vec<u8>>,
        may: Receiver<()>,
    }

    impl Write for Slow {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.said.send(buf.to_vec()).ok();
            self.may.recv().ok();
            Ok(buf.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(buf);
            Ok(buf.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_there_in_order_when_the_guard_is_gone() {
        let kept = Kept::default();
        let (sink, guard) = open(kept.clone());
        let lines: Vec<String> = (0..5_000).map(|n| format!("line {n}\n")).collect();
        for line in &lines {
            sink.append(line);
        }
        drop(guard);
        assert_eq!(String::from_utf8(kept.0.lock().unwrap().clone()).unwrap(), lines.concat());
        sink.append("after the end\n");
        assert!(sink.0.lock().lines.is_empty());
    }

    #[test]
    fn a_writer_that_takes_nothing_holds_nobody_up_and_costs_bounded_memory() {
        let (said, writes) = sync_channel(8);
        let (go, may) = sync_channel(8);
        let (sink, guard) = open(Slow { said, may });
        sink.append("first\n");
        assert_eq!(writes.recv().unwrap(), b"first\n");
        // The thread is in its write now: nothing is taken.
        let line = format!("{}\n", "x".repeat(1023));
        for _ in 0..ROOM / line.len() + 7 {
            sink.append(&line);
        }
        let waiting = sink.0.lock();
        assert_eq!((waiting.lines.len(), waiting.dropped), (ROOM, 7));
        drop(waiting);
        go.send(()).unwrap();
        assert_eq!(writes.recv().unwrap().len(), ROOM);
        assert_eq!(sink.0.lock().dropped, 0);
        // The second write is never let go: the end does not wait for it for ever.
        let before = clock::monotonic_now();
        drop(guard);
        assert!(clock::monotonic_now() - before < LAST * 5);
    }

    #[test]
    fn held_lines_are_shown_or_not_as_it_is_said_and_always_at_an_early_end() {
        for (show, expected) in [(Some(true), "before\nafter\n"), (Some(false), "after\n"), (None, "before\nafter\n")] {
            let kept = Kept::default();
            let (sink, guard) = open(kept.clone());
            sink.hold();
            sink.append("before\n");
            if let Some(show) = show {
                sink.release(show);
            }
            sink.append("after\n");
            drop(guard);
            assert_eq!(String::from_utf8(kept.0.lock().unwrap().clone()).unwrap(), expected, "{show:?}");
        }
    }

    #[test]
    fn r1_01_a_line_too_long_for_the_buffer_is_cut_and_not_dropped() {
        let kept = Kept::default();
        let (sink, guard) = open(kept.clone());
        sink.append(&format!("{}\n", "ä".repeat(ROOM)));
        sink.append("after\n");
        drop(guard);
        let written = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = written.lines().collect();
        assert_eq!((lines.len(), lines[1]), (2, "after"));
        assert!(lines[0].ends_with('…') && lines[0].len() <= LONGEST + 3, "{}", lines[0].len());
    }

    /// A disk that is full as long as the flag is up, and takes three bytes at a time.
    struct Full(Arc<std::sync::atomic::AtomicBool>, Kept);

    impl Write for Full {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            if self.0.load(std::sync::atomic::Ordering::SeqCst) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.1.write(&buf[..buf.len().min(3)])
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn r1_15_a_full_disk_is_told_and_loses_nothing_that_fits_the_buffer() {
        let full = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let kept = Kept::default();
        let (sink, guard) = open(Full(Arc::clone(&full), kept.clone()));
        let problem = guard.problem();
        let until = |what: &str, told: bool| {
            let deadline = clock::monotonic_now() + Duration::from_secs(20);
            while problem.borrow().is_some() != told {
                assert!(clock::monotonic_now() < deadline, "{what}");
                thread::yield_now();
            }
        };
        sink.append("first line\n");
        until("the problem is not told", true);
        assert!(problem.borrow().as_ref().unwrap().starts_with("the log cannot be written: "));
        sink.append("second line\n");
        full.store(false, std::sync::atomic::Ordering::SeqCst);
        until("the end of the problem is not told", false);
        drop(guard);
        assert_eq!(String::from_utf8(kept.0.lock().unwrap().clone()).unwrap(), "first line\nsecond line\n");
    }

    #[test]
    fn nothing_to_write_is_a_sleep_without_end() {
        let (said, writes) = sync_channel(8);
        let (go, may) = sync_channel(8);
        let (sink, _guard) = open(Slow { said, may });
        let asleep = || {
            let deadline = clock::monotonic_now() + Duration::from_secs(10);
            while !sink.0.lock().asleep {
                assert!(clock::monotonic_now() < deadline, "the thread does not go to sleep");
                thread::yield_now();
            }
        };
        for _ in 0..3 {
            asleep();
            sink.append("a\n");
            assert_eq!(writes.recv().unwrap(), b"a\n");
            go.send(()).unwrap();
        }
        asleep();
    }
}
