//! Tells whether a reply whose end is only marked by the end of the connection is whole.
//!
//! Such a reply (no length, not chunked) looks the same when it was cut; its own grammar has to tell.

use memchr::{memchr2, memmem};

/// Follows the brackets of a JSON document.
#[derive(Clone, Copy, Debug, Default)]
pub struct Balance {
    depth: u64,
    in_string: bool,
    escaped: bool,
    begun: bool,
}

impl Balance {
    /// Takes note of a piece.
    pub fn push(&mut self, mut piece: &[u8]) {
        while let Some(&byte) = piece.first() {
            if self.escaped {
                self.escaped = false;
            } else if self.in_string {
                let Some(at) = memchr2(b'"', b'\\', piece) else { return };
                self.escaped = piece[at] == b'\\';
                self.in_string = self.escaped;
                piece = &piece[at..];
            } else {
                match byte {
                    b'"' => self.in_string = true,
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                self.begun |= !byte.is_ascii_whitespace();
            }
            piece = &piece[1..];
        }
    }

    /// True where everything that was opened is closed.
    pub fn is_whole(self) -> bool {
        self.begun && self.depth == 0 && !self.in_string
    }
}

/// True where whole events say that the stream comes to its end.
pub fn announces_end(events: &[u8]) -> bool {
    if memmem::find(events, b"[DONE]").is_some() {
        return true;
    }
    memmem::find_iter(events, b"\"finish_reason\"").any(|at| {
        let rest = events[at + b"\"finish_reason\"".len()..].trim_ascii_start();
        rest.strip_prefix(b":").is_some_and(|value| value.trim_ascii_start().starts_with(b"\""))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_end_is_announced_by_done_or_a_reason() {
        assert!(announces_end(b"data: [DONE]\n\n"));
        assert!(announces_end(b"data: {\"choices\":[{\"finish_reason\" : \"stop\"}]}\n\n"));
        assert!(!announces_end(b"data: {\"choices\":[{\"finish_reason\":null}]}\n\n"));
    }

    proptest! {
        #[test]
        fn every_cut_of_a_document_is_noticed(texts in prop::collection::vec("\\PC{0,8}", 0..5), chunk in 1usize..7) {
            let document = serde_json::to_vec(&serde_json::json!({"a": texts, "b": [{"c": "\\\""}]})).unwrap();
            for end in 0..=document.len() {
                let mut balance = Balance::default();
                document[..end].chunks(chunk).for_each(|piece| balance.push(piece));
                prop_assert_eq!(balance.is_whole(), end == document.len());
            }
        }
    }
}
