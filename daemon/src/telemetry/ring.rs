//! The newest log lines in memory, and a bounded feed of those to come.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::broadcast;

/// Lines that the ring keeps at most.
const LINES: usize = 2_000;
/// Bytes that the ring keeps at most.
const BYTES: usize = 1024 * 1024;
/// Lines that a slow follower may be behind before it loses some, and is told.
const BEHIND: usize = 512;

/// A bounded memory of log lines. Cloning shares it.
#[derive(Clone, Debug)]
pub struct LogRing {
    kept: Arc<Mutex<Kept>>,
    feed: broadcast::Sender<Arc<str>>,
}

/// The lines one after the other, so that a line costs a copy and no memory of its own.
#[derive(Debug, Default)]
struct Kept {
    text: VecDeque<u8>,
    lengths: VecDeque<usize>,
}

impl Kept {
    fn push(&mut self, line: &str) {
        while self.lengths.len() >= LINES || self.text.len() + line.len() > BYTES {
            let Some(oldest) = self.lengths.pop_front() else { return };
            self.text.drain(..oldest);
        }
        self.text.extend(line.as_bytes());
        self.lengths.push_back(line.len());
    }

    /// The newest `tail` lines as one text, and their lengths.
    fn newest(&self, tail: Option<usize>) -> (Vec<u8>, Vec<usize>) {
        let skip = tail.map_or(0, |tail| self.lengths.len().saturating_sub(tail));
        let lengths: Vec<usize> = self.lengths.iter().skip(skip).copied().collect();
        let start = self.text.len() - lengths.iter().sum::<usize>();
        let (front, back) = self.text.as_slices();
        let text = match start.checked_sub(front.len()) {
            Some(in_back) => back[in_back..].to_vec(),
            None => [&front[start..], back].concat(),
        };
        (text, lengths)
    }
}

/// What a follower reads: the lines so far, then the feed.
#[derive(Debug)]
pub struct Followed {
    /// The newest lines, oldest first.
    pub lines: Vec<Arc<str>>,
    /// Those to come.
    pub feed: broadcast::Receiver<Arc<str>>,
}

impl Default for LogRing {
    fn default() -> Self {
        Self { kept: Arc::default(), feed: broadcast::channel(BEHIND).0 }
    }
}

impl LogRing {
    /// Remembers one line (without its newline) and tells followers.
    pub fn push(&self, line: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(line);
        // Under the lock, so that a follower neither misses nor repeats a line.
        if self.feed.receiver_count() > 0 {
            let _ = self.feed.send(Arc::from(line));
        }
    }

    /// The newest `tail` lines (all where `None`) and the feed after them.
    pub fn follow(&self, tail: Option<usize>) -> Followed {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (text, lengths) = kept.newest(tail);
        let feed = self.feed.subscribe();
        // The lines are made without the lock: nobody who logs waits for a reader.
        drop(kept);
        let mut rest = text.as_slice();
        let mut next = |length| {
            let (line, after) = rest.split_at(length);
            rest = after;
            Arc::from(String::from_utf8_lossy(line))
        };
        Followed { lines: lengths.into_iter().map(&mut next).collect(), feed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_is_bounded_in_lines_and_bytes() {
        let ring = LogRing::default();
        for n in 0..LINES + 10 {
            ring.push(&n.to_string());
        }
        let kept = ring.follow(None).lines;
        assert_eq!((kept.len(), &*kept[0]), (LINES, "10"));
        ring.push(&"x".repeat(BYTES - 1));
        assert!(ring.follow(None).lines.len() <= 2);
    }

    #[tokio::test]
    async fn a_follower_gets_the_tail_and_then_what_comes() {
        let ring = LogRing::default();
        ring.push("a");
        ring.push("b");
        let mut followed = ring.follow(Some(1));
        ring.push("c");
        assert_eq!(followed.lines.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["b"]);
        assert_eq!(&*followed.feed.recv().await.unwrap(), "c");
    }
    #[test]
    fn lines_stay_whole_when_old_ones_make_room() {
        let ring = LogRing::default();
        let line = |n: usize| format!("{n} {}", "ä".repeat(n % 700));
        for n in 0..9_000 {
            ring.push(&line(n));
            if n % 1_000 == 999 {
                let kept = ring.follow(None).lines;
                let bytes: usize = kept.iter().map(|line| line.len()).sum();
                assert!(bytes <= BYTES && kept.len() >= 1_000, "{bytes} {}", kept.len());
                assert!(kept.iter().zip(n + 1 - kept.len()..).all(|(kept, n)| **kept == line(n)));
                assert_eq!(ring.follow(Some(3)).lines, kept[kept.len() - 3..]);
            }
        }
        assert!(ring.follow(Some(0)).lines.is_empty());
        ring.push(&"x".repeat(BYTES + 1));
        ring.push("");
        ring.push("y");
        assert_eq!(ring.follow(None).lines.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["", "y"]);
    }
}
