//! The newest log lines in memory, for readers that take them at their own pace.
//!
//! Every line has a number. A reader holds its place and a few lines, never the log: however many readers there are, and
//! however slow, they cost next to nothing, and one that was overtaken is told how many lines it missed.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::CUT;

/// Lines that the ring keeps at most.
const LINES: usize = 2_000;
/// Bytes that the ring keeps at most.
const BYTES: usize = 1024 * 1024;
/// Bytes that the ring keeps of one line: no line pushes out all others.
const LONGEST: usize = BYTES / 16;
/// Lines that a reader takes at a time, so that it does not ask for the lock at each.
const TAKEN: usize = 32;
/// Bytes of them, unless a single line has more.
const TAKEN_BYTES: usize = 8 * 1024;

/// A bounded memory of log lines. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct LogRing {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    kept: Mutex<Kept>,
    more: Notify,
}

/// The lines one after the other, so that a line costs a copy and no memory of its own.
#[derive(Debug, Default)]
struct Kept {
    text: VecDeque<u8>,
    lengths: VecDeque<usize>,
    /// The number of the line to come.
    next: u64,
}

impl Kept {
    fn push(&mut self, line: &str) {
        self.next += 1;
        let kept = &line[..line.floor_char_boundary(LONGEST)];
        let mark = if kept.len() < line.len() { CUT } else { "" };
        let length = kept.len() + mark.len();
        while self.lengths.len() >= LINES || self.text.len() + length > BYTES {
            let Some(oldest) = self.lengths.pop_front() else { break };
            self.text.drain(..oldest);
        }
        // Slices are copied whole; a chain of bytes would go in one by one.
        self.text.extend(kept.as_bytes());
        self.text.extend(mark.as_bytes());
        self.lengths.push_back(length);
    }

    /// The number of the oldest line that is kept.
    fn oldest(&self) -> u64 {
        self.next - self.lengths.len() as u64
    }

    /// A few lines from number `from` on, which must be kept, and before number `end`.
    fn take(&self, from: u64, end: u64) -> VecDeque<String> {
        let skip = usize::try_from(from - self.oldest()).unwrap_or(usize::MAX);
        let most = usize::try_from(end.saturating_sub(from)).unwrap_or(usize::MAX).min(TAKEN);
        let mut at: usize = self.lengths.iter().take(skip).sum();
        let mut taken = VecDeque::new();
        let mut bytes = 0;
        for length in self.lengths.iter().skip(skip).take(most) {
            bytes += length;
            if bytes > TAKEN_BYTES && !taken.is_empty() {
                break;
            }
            let line: Vec<u8> = self.text.range(at..at + length).copied().collect();
            taken.push_back(String::from_utf8(line).unwrap_or_default());
            at += length;
        }
        taken
    }
}

impl LogRing {
    /// Remembers one line (without its newline) and tells followers.
    pub fn push(&self, line: &str) {
        self.lock().push(line);
        self.shared.more.notify_waiters();
    }

    /// A reader that begins with the newest `tail` lines (all that are kept where `None`).
    pub fn reader(&self, tail: Option<usize>) -> Reader {
        let kept = self.lock();
        let skip = tail.map_or(0, |tail| kept.lengths.len().saturating_sub(tail));
        Reader {
            ring: self.clone(),
            at: kept.oldest() + skip as u64,
            end: kept.next,
            taken: VecDeque::new(),
            missed: 0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the log.
#[derive(Debug)]
pub struct Reader {
    ring: LogRing,
    /// The number of the first line that was not taken yet.
    at: u64,
    /// The number of the first line that came after the reader.
    end: u64,
    taken: VecDeque<String>,
    missed: u64,
}

impl Reader {
    /// The next line that was there before the reader, with the number of lines missed before it.
    pub fn next_of_the_past(&mut self) -> Option<(String, u64)> {
        self.next_before(self.end)
    }

    /// The next line that is there, with the number of lines missed before it.
    pub fn next_so_far(&mut self) -> Option<(String, u64)> {
        self.next_before(u64::MAX)
    }

    fn next_before(&mut self, end: u64) -> Option<(String, u64)> {
        if self.taken.is_empty() {
            let kept = self.ring.lock();
            let oldest = kept.oldest();
            if self.at < oldest {
                self.missed += oldest.min(end) - self.at;
                self.at = oldest.min(end);
            }
            if self.at >= oldest {
                self.taken = kept.take(self.at, end.min(kept.next));
            }
            self.at += self.taken.len() as u64;
        }
        let line = self.taken.pop_front()?;
        Some((line, std::mem::take(&mut self.missed)))
    }

    /// Returns when a line is there that was not taken yet.
    pub async fn more(&self) {
        loop {
            let mut told = pin!(self.ring.shared.more.notified());
            // From here on no line goes unnoticed.
            told.as_mut().enable();
            if !self.taken.is_empty() || self.ring.lock().next > self.at {
                return;
            }
            told.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that a reader of the past is told.
    fn past(ring: &LogRing, tail: Option<usize>) -> Vec<String> {
        let mut reader = ring.reader(tail);
        std::iter::from_fn(|| reader.next_of_the_past()).map(|(line, _)| line).collect()
    }

    #[test]
    fn the_ring_is_bounded_in_lines_and_bytes() {
        let ring = LogRing::default();
        for n in 0..LINES + 10 {
            ring.push(&n.to_string());
        }
        let kept = past(&ring, None);
        assert_eq!((kept.len(), &*kept[0]), (LINES, "10"));
        for _ in 0..20 {
            ring.push(&"x".repeat(LONGEST));
        }
        assert_eq!(past(&ring, None).len(), BYTES / LONGEST);
    }

    #[tokio::test]
    async fn a_follower_gets_the_tail_and_then_what_comes() {
        let ring = LogRing::default();
        ring.push("a");
        ring.push("b");
        let (mut follower, mut past) = (ring.reader(Some(1)), ring.reader(Some(1)));
        ring.push("c");
        assert_eq!(past.next_of_the_past(), Some(("b".to_owned(), 0)));
        assert_eq!(past.next_of_the_past(), None);
        for expected in ["b", "c"] {
            follower.more().await;
            assert_eq!(follower.next_so_far(), Some((expected.to_owned(), 0)));
        }
        assert_eq!(follower.next_so_far(), None);
        let pushing = ring.clone();
        let waiting = async { (follower.more().await, follower.next_so_far()).1 };
        let (told, ()) = futures_util::join!(waiting, async { pushing.push("d") });
        assert_eq!(told, Some(("d".to_owned(), 0)));
    }

    #[test]
    fn who_was_overtaken_is_told_by_how_much() {
        let ring = LogRing::default();
        ring.push("0");
        let (mut follower, mut past) = (ring.reader(None), ring.reader(None));
        for n in 1..=LINES + 4 {
            ring.push(&n.to_string());
        }
        assert_eq!(follower.next_so_far(), Some(("5".to_owned(), 5)));
        assert_eq!(follower.next_so_far(), Some(("6".to_owned(), 0)));
        assert_eq!(past.next_of_the_past(), None, "what came later is not of the past");
        // Lines that were taken before they were pushed out are still told, and what is missing after them is counted.
        for n in 0..LINES {
            ring.push(&format!("later {n}"));
        }
        let rest: Vec<_> = std::iter::from_fn(|| follower.next_so_far()).collect();
        let missed: u64 = rest.iter().map(|(_, missed)| missed).sum();
        assert_eq!(rest.len() as u64 + missed, (LINES + 4 - 6 + LINES) as u64);
        assert_eq!(rest.last().unwrap().0, format!("later {}", LINES - 1));
    }

    #[test]
    fn a_reader_holds_a_few_lines_and_not_the_log() {
        let ring = LogRing::default();
        for n in 0..LINES {
            ring.push(&format!("{n} {}", "x".repeat(300)));
        }
        let mut reader = ring.reader(None);
        let mut told = 0;
        while let Some((line, 0)) = reader.next_so_far() {
            assert!(line.starts_with(&format!("{told} ")), "{line}");
            assert!(reader.taken.iter().map(String::len).sum::<usize>() <= TAKEN_BYTES);
            told += 1;
        }
        assert_eq!(told, LINES);
    }

    #[test]
    fn lines_stay_whole_when_old_ones_make_room() {
        let ring = LogRing::default();
        let line = |n: usize| format!("{n} {}", "ä".repeat(n % 700));
        for n in 0..9_000 {
            ring.push(&line(n));
            if n % 1_000 == 999 {
                let kept = past(&ring, None);
                let bytes: usize = kept.iter().map(String::len).sum();
                assert!(bytes <= BYTES && kept.len() >= 1_000, "{bytes} {}", kept.len());
                assert!(kept.iter().zip(n + 1 - kept.len()..).all(|(kept, n)| *kept == line(n)));
                assert_eq!(past(&ring, Some(3)), kept[kept.len() - 3..]);
            }
        }
        assert!(past(&ring, Some(0)).is_empty());
        let before = past(&ring, None).len();
        ring.push(&"ä".repeat(BYTES));
        ring.push("");
        ring.push("y");
        let kept = past(&ring, None);
        assert!(kept.len() > before / 2, "a line too long for the ring is cut, and the others stay");
        let [.., cut, empty, last] = kept.as_slice() else { panic!("three lines") };
        assert!(cut.len() == LONGEST + CUT.len() && cut.ends_with(CUT) && cut.starts_with("ää"), "{}", cut.len());
        assert_eq!((empty.as_str(), last.as_str()), ("", "y"));
    }
}
