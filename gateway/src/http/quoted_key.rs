//! A stored key that its provider repeats in a reply which is no error by its status: whoever calls need not be its owner.
//!
//! Only what says that it is an error is looked through, so that no other reply waits for it. What is replaced keeps its length,
//! which may have been announced.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use memchr::memmem;

use super::payer::OwnersCall;

/// Shorter keys would be found in every other word.
pub(super) const SHORTEST_KEY: usize = 4;
/// What stands in the place of each byte.
const MASK: u8 = b'*';

/// The key, and the reply that it pays for.
pub(in crate::http) struct QuotedKey {
    owners: Box<OwnersCall>,
    /// It is a document that began as an error does.
    is_error: bool,
}

impl QuotedKey {
    /// Of a reply that has not begun.
    pub(in crate::http) fn new(owners: Box<OwnersCall>) -> Self {
        Self { owners, is_error: false }
    }

    /// A piece of a document as it may go on.
    pub(in crate::http) fn document(&mut self, piece: Bytes, is_first: bool) -> Bytes {
        self.is_error |= is_first && begins_as_error(&piece);
        if self.is_error { self.unquoted(piece) } else { piece }
    }

    /// Whole events as they may go on; `has_failed` says whether the last of them is an error.
    pub(in crate::http) fn events(&self, events: Bytes, has_failed: impl FnOnce() -> bool) -> Bytes {
        if names_error(&events) && has_failed() { self.unquoted(events) } else { events }
    }

    fn unquoted(&self, piece: Bytes) -> Bytes {
        match self.owners.quotable() {
            Some(key) => masked(piece, key),
            None => piece,
        }
    }
}

/// Removes the headers that repeat `key`.
pub(super) fn drop_quoting(headers: &mut HeaderMap, key: &str) {
    let quotes = |value: &HeaderValue| memmem::find(value.as_bytes(), key.as_bytes()).is_some();
    let doomed: Vec<_> = headers.iter().filter(|(_, value)| quotes(value)).map(|(name, _)| name.clone()).collect();
    for name in doomed {
        headers.remove(name);
    }
}

/// True where a document begins as an error does, in any of the dialects.
fn begins_as_error(document: &[u8]) -> bool {
    let begin = document.trim_ascii_start();
    let begin = begin.strip_prefix(b"[").unwrap_or(begin).trim_ascii_start();
    let Some(members) = begin.strip_prefix(b"{").map(<[u8]>::trim_ascii_start) else { return false };
    let value_of = |name: &[u8]| {
        let rest = members.strip_prefix(name)?.trim_ascii_start();
        Some(rest.strip_prefix(b":")?.trim_ascii_start())
    };
    match value_of(b"\"error\"") {
        Some(value) => !value.starts_with(b"null"),
        None => value_of(b"\"type\"").is_some_and(|value| value.starts_with(b"\"error\"")),
    }
}

/// False where no event among these can say that something failed.
fn names_error(events: &[u8]) -> bool {
    memmem::find(events, b"error").is_some() || memmem::find(events, b"failed").is_some()
}

/// `piece` with `key`, also as JSON writes it, replaced; every other byte stays.
fn masked(piece: Bytes, key: &str) -> Bytes {
    if key.len() < SHORTEST_KEY {
        return piece;
    }
    let quoted = serde_json::to_string(key).unwrap_or_default();
    let escaped = quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default();
    let mut clean: Option<Vec<u8>> = None;
    for form in [key, escaped].into_iter().filter(|form| !form.is_empty()) {
        let found: Vec<usize> = memmem::find_iter(clean.as_deref().unwrap_or(&piece), form.as_bytes()).collect();
        for at in found {
            clean.get_or_insert_with(|| piece.to_vec())[at..at + form.len()].fill(MASK);
        }
    }
    clean.map_or(piece, Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_known_by_how_they_begin() {
        for error in [
            r#"{"error":{"message":"x"}}"#,
            "\n { \"error\" : \"x\"}",
            r#"{"type":"error","error":{}}"#,
            r#"[{"error":{"code":401}}]"#,
        ] {
            assert!(begins_as_error(error.as_bytes()), "{error}");
        }
        for other in [
            r#"{"error":null,"id":"resp_1"}"#,
            r#"{"id":"c","choices":[]}"#,
            r#"{"type":"message"}"#,
            r#"{"errors":1}"#,
            "",
            "[]",
            "{",
        ] {
            assert!(!begins_as_error(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_key_is_masked_wherever_it_stands_and_nothing_else() {
        let mask =
            |text: &str, key: &str| String::from_utf8(masked(Bytes::copy_from_slice(text.as_bytes()), key).to_vec());
        assert_eq!(mask("bad sk-12, sk-12!", "sk-12").unwrap(), "bad *****, *****!");
        assert_eq!(mask(r#"{"m":"a\"bc"}"#, "a\"bc").unwrap(), r#"{"m":"*****"}"#);
        assert_eq!(mask("nothing", "sk-12").unwrap(), "nothing");
        assert_eq!(mask("abc", "abc").unwrap(), "abc");
        let mut headers: HeaderMap = [("x-echo", "a sk-12"), ("x-other", "sk-1")]
            .into_iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect::<HeaderMap>();
        drop_quoting(&mut headers, "sk-12");
        assert!(!headers.contains_key("x-echo") && headers.contains_key("x-other"));
    }
}
