//! Finds what a provider says it counted, without parsing the reply.

use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use serde::Deserialize;

/// Token counts of a reply, as far as it told them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Usage {
    /// Input tokens.
    #[serde(default)]
    pub prompt_tokens: Option<u64>,
    /// Output tokens.
    #[serde(default)]
    pub completion_tokens: Option<u64>,
}

const NAME: &[u8] = b"\"usage\"";
static FORWARD: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(NAME));
static BACKWARD: LazyLock<memmem::FinderRev<'static>> = LazyLock::new(|| memmem::FinderRev::new(NAME));

/// The last usage object in whole events of a stream.
pub fn in_events(events: &[u8]) -> Option<Usage> {
    let mut last = None;
    let mut from = 0;
    while let Some(at) = FORWARD.find(&events[from..]) {
        from += at + NAME.len();
        last = object_after(&events[from..]).or(last);
    }
    last
}

/// How much of the end of a reply is kept for the search.
const TAIL: usize = 16 << 10;

/// The end of a reply that is not a stream.
#[derive(Debug, Default)]
pub struct Tail {
    single: Bytes,
    joined: BytesMut,
}

impl Tail {
    /// Takes note of a piece of the reply.
    pub fn push(&mut self, piece: &Bytes) {
        if self.joined.is_empty() && self.single.is_empty() {
            // A reply in one piece, the usual case, is not copied.
            self.single = piece.slice(piece.len().saturating_sub(TAIL)..);
            return;
        }
        if !self.single.is_empty() {
            self.joined.extend_from_slice(&std::mem::take(&mut self.single));
        }
        if piece.len() >= TAIL {
            self.joined.clear();
        }
        self.joined.extend_from_slice(&piece[piece.len().saturating_sub(TAIL)..]);
        if self.joined.len() > 2 * TAIL {
            let excess = self.joined.len() - TAIL;
            self.joined.copy_within(excess.., 0);
            self.joined.truncate(TAIL);
        }
    }

    /// The last usage object of what was kept.
    pub fn usage(&self) -> Option<Usage> {
        let mut tail = if self.single.is_empty() { &self.joined[..] } else { &self.single[..] };
        while let Some(at) = BACKWARD.rfind(tail) {
            if let Some(usage) = object_after(&tail[at + NAME.len()..]) {
                return Some(usage);
            }
            tail = &tail[..at];
        }
        None
    }
}

/// The object after a member name, where one stands there and counts something.
fn object_after(rest: &[u8]) -> Option<Usage> {
    let rest = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    if !rest.starts_with(b"{") {
        return None;
    }
    let usage = serde_json::Deserializer::from_slice(rest).into_iter::<Usage>().next()?.ok()?;
    (usage != Usage::default()).then_some(usage)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usage(input: u64, output: u64) -> Usage {
        Usage { prompt_tokens: Some(input), completion_tokens: Some(output) }
    }

    #[test]
    fn only_an_object_with_counts_is_usage() {
        let events = br#"data: {"usage":null,"x":"\"usage\":{}"}

data: {"choices":[{"delta":{"content":"\"usage\": {\"prompt_tokens\":9}"}}],"usage" : {"prompt_tokens":3,"completion_tokens":4,"more":{"a":[1]}}}

data: [DONE]

"#;
        assert_eq!(in_events(events), Some(usage(3, 4)));
        assert_eq!(in_events(b"data: {\"usage\":{\"prompt_tokens\":-1}}\n\n"), None);
        assert_eq!(in_events(b"data: {\"usage\":{}}\n\n"), None);
        assert_eq!(in_events(b"\"usage\""), None);
    }

    proptest! {
        #[test]
        fn the_tail_finds_usage_however_the_reply_is_cut(
            pad in 0usize..40_000,
            after in 0usize..3_000,
            cuts in prop::collection::vec(1usize..20_000, 0..6),
        ) {
            let reply = format!(
                "{{\"text\":\"{}\",\"usage\":{{\"prompt_tokens\":5,\"completion_tokens\":6}},\"z\":\"{}\"}}",
                "é".repeat(pad / 2), "y".repeat(after),
            );
            let mut rest = Bytes::from(reply);
            let mut tail = Tail::default();
            for cut in cuts {
                tail.push(&rest.split_to(cut.min(rest.len())));
            }
            tail.push(&rest);
            prop_assert_eq!(tail.usage(), Some(usage(5, 6)));
            prop_assert!(tail.joined.len() <= 2 * TAIL);
        }
    }
}
