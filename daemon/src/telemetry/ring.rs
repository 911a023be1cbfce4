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

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Arc<str>>,
    bytes: usize,
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
        let line: Arc<str> = Arc::from(line);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += line.len();
        kept.lines.push_back(Arc::clone(&line));
        while kept.lines.len() > LINES || kept.bytes > BYTES {
            let Some(oldest) = kept.lines.pop_front() else { break };
            kept.bytes -= oldest.len();
        }
        // Under the lock, so that a follower neither misses nor repeats a line. Nobody listening is fine.
        let _ = self.feed.send(line);
    }

    /// The newest `tail` lines (all where `None`) and the feed after them.
    pub fn follow(&self, tail: Option<usize>) -> Followed {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = tail.map_or(0, |tail| kept.lines.len().saturating_sub(tail));
        Followed { lines: kept.lines.iter().skip(skip).cloned().collect(), feed: self.feed.subscribe() }
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
}
