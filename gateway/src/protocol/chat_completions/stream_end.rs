//! What ends a stream of chat completion chunks: the line `data: [DONE]`, or an error of the provider's own.
//!
//! A provider that marks the end of its reply only by closing its connection must have announced it: by that line, or at
//! the least by a `finish_reason`. Source: OpenAI API reference, "Streaming".

use std::sync::LazyLock;

use memchr::memmem;

use crate::protocol::{json_read, sse_event::data_of};

const DONE: &[u8] = b"[DONE]";
static FIND_DONE: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(DONE));

/// True where whole events say that the stream comes to its end.
pub(super) fn announces_end(events: &[u8]) -> bool {
    if FIND_DONE.find(events).is_some() {
        return true;
    }
    memmem::find_iter(events, b"\"finish_reason\"").any(|at| {
        let rest = events[at + b"\"finish_reason\"".len()..].trim_ascii_start();
        rest.strip_prefix(b":").is_some_and(|value| value.trim_ascii_start().starts_with(b"\""))
    })
}

/// True where the last one of these events is an error of the provider's own: its data is an object with an `error` that
/// says something.
pub(super) fn ends_with_error(events: &[u8]) -> bool {
    data_of(events).last().is_some_and(|data| {
        let Ok(data) = std::str::from_utf8(&data) else { return false };
        let error = json_read::values(data, ["error"]).and_then(|[error]| error);
        error.is_some_and(|error| error.starts_with(['{', '"']))
    })
}

/// True where one of these whole events is the last one of a stream: a line `data: [DONE]`, not a text that says so.
pub(super) fn is_done(events: &[u8]) -> bool {
    FIND_DONE.find_iter(events).any(|at| {
        let Some(before) = events[..at].trim_ascii_end().strip_suffix(b"data:") else { return false };
        let begins = before.last().is_none_or(|byte| matches!(byte, b'\n' | b'\r'));
        let ends = events.get(at + DONE.len()).is_none_or(u8::is_ascii_whitespace);
        begins && ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_announced_by_done_or_a_reason() {
        assert!(announces_end(b"data: [DONE]\n\n"));
        assert!(announces_end(b"data: {\"choices\":[{\"finish_reason\" : \"stop\"}]}\n\n"));
        assert!(!announces_end(b"data: {\"choices\":[{\"finish_reason\":null}]}\n\n"));
    }

    #[test]
    fn an_error_in_its_place_may_be_the_last_event() {
        for (events, last) in [
            ("data: {\"error\":{\"message\":\"x\"}}\n\n", true),
            ("data: {}\n\ndata: {\"id\":1,\"error\":\"overloaded\"}\n\n", true),
            ("data: {\"error\":{}}\n\ndata: {}\n\n", false),
            ("data: {\"error\":null,\"choices\":[]}\n\n", false),
            ("data: {\"choices\":[{\"error\":{}}]}\n\n", false),
            ("data: {\"text\":\"\\\"error\\\"\"}\n\n", false),
        ] {
            assert_eq!(ends_with_error(events.as_bytes()), last, "{events}");
        }
    }

    #[test]
    fn done_is_a_line_and_not_a_text_that_says_so() {
        for (events, done) in [
            ("data: [DONE]\n\n", true),
            ("data:[DONE]\r\n\r\n", true),
            ("data: {}\n\ndata: [DONE] \n\n: bye\n\n", true),
            ("data: {\"content\":\"[DONE]\"}\n\n", false),
            ("data: {\"content\":\"data: [DONE]\"}\n\n", false),
            ("data: [DONE]?\n\n", false),
            ("data: {}\n\n", false),
        ] {
            assert_eq!(is_done(events.as_bytes()), done, "{events:?}");
        }
    }
}
