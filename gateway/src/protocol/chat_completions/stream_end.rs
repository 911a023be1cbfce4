//! What ends a stream of chat completion chunks: the line `data: [DONE]`, or an error of the provider's own.
//!
//! A provider that marks the end of its reply only by closing its connection must have announced it: by that line, or at
//! the least by a `finish_reason`. One that ends its reply in good order without that line has ended it too, unless the last
//! chunk says that its content goes on. Source: OpenAI API reference, "Streaming".

use std::{str::from_utf8, sync::LazyLock};

use memchr::memmem;

use crate::protocol::{
    json_read,
    sse_event::{data_of, events_of},
    stream::ContentEnd,
};

const DONE: &[u8] = b"[DONE]";
static FIND_DONE: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(DONE));
static FIND_REASON: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\"finish_reason\""));

/// True where a choice in one of these whole events says why it ends.
pub(super) fn announces_end(events: &[u8]) -> bool {
    FIND_REASON.find(events).is_some() && data_of(events).any(|data| from_utf8(&data).is_ok_and(ends_a_choice))
}

/// True where the last one of these events may be the last of its stream: it has no choice that goes on.
pub(super) fn may_end(events: &[u8]) -> bool {
    let Some(last) = data_of(events).last() else { return false };
    let choices = json_read::values_in(&last, ["choices"]).and_then(|[choices]| json_read::elements_of(choices?));
    choices.is_none_or(|choices| choices.is_empty() || choices.into_iter().any(gives_reason))
}

fn ends_a_choice(chunk: &str) -> bool {
    let Some([Some(choices)]) = json_read::values(chunk, ["choices"]) else { return false };
    json_read::elements_of(choices).unwrap_or_default().into_iter().any(gives_reason)
}

fn gives_reason(choice: &str) -> bool {
    let reason = json_read::values(choice, ["finish_reason"]);
    reason.is_some_and(|[reason]| reason.is_some_and(|reason| reason.starts_with('"')))
}

/// True where the last one of these events is an error of the provider's own: its data is an object with an `error` that
/// says something.
pub(super) fn ends_with_error(events: &[u8]) -> bool {
    data_of(events).last().is_some_and(|data| {
        let Ok(data) = from_utf8(&data) else { return false };
        let error = json_read::values(data, ["error"]).and_then(|[error]| error);
        error.is_some_and(|error| error.starts_with(['{', '"']))
    })
}

/// What the last one of these events says of the content: a choice gives a reason why it ends, or there is no choice left;
/// and what was used is told with that, or is not.
pub(super) fn content_end(events: &[u8]) -> ContentEnd {
    let last = data_of(events).last();
    let names = ["choices", "usage"];
    let Some([choices, usage]) = last.as_deref().and_then(|data| json_read::values_in(data, names)) else {
        return ContentEnd::Open;
    };
    let Some(choices) = choices.and_then(json_read::elements_of) else { return ContentEnd::Open };
    let is_over = choices.iter().all(|choice| gives_reason(choice));
    match (is_over, usage.is_some_and(|usage| usage.starts_with('{'))) {
        (false, _) => ContentEnd::Open,
        (true, false) => ContentEnd::Uncounted,
        (true, true) => ContentEnd::Counted,
    }
}

/// Where in these whole events `[DONE]` ends, if it is among them: all the data of an event, not a text that says so.
pub(super) fn done_end(events: &[u8]) -> Option<usize> {
    FIND_DONE.find(events)?;
    events_of(events).find(|event| event.data.trim_ascii() == DONE).map(|event| event.at.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_announced_by_a_reason_in_its_place() {
        for (chunk, announced) in [
            (r#"{"choices":[{"finish_reason" : "stop"}]}"#, true),
            (r#"{"choices":[{"index":0,"finish_reason":null},{"finish_reason":"length"}]}"#, true),
            (r#"{"choices":[{"finish_reason":null}]}"#, false),
            (r#"{"choices":[{"delta":{"finish_reason":"stop"}}]}"#, false),
            (r#"{"choices":[{"delta":{"content":"[DONE] \"finish_reason\":\"stop\""},"finish_reason":null}]}"#, false),
            ("[DONE]", false),
        ] {
            assert_eq!(announces_end(format!("data: {chunk}\n\n").as_bytes()), announced, "{chunk}");
        }
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
    fn content_is_over_with_a_reason_or_without_a_choice() {
        for (events, end) in [
            ("data: {\"choices\":[{\"finish_reason\":null}]}\n\n", ContentEnd::Open),
            ("data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n", ContentEnd::Uncounted),
            ("data: {\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":null}\n\n", ContentEnd::Uncounted),
            ("data: {\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":{}}\n\n", ContentEnd::Counted),
            ("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n", ContentEnd::Counted),
            ("data: {\"choices\":[{\"finish_reason\":null}],\"usage\":{}}\n\n", ContentEnd::Open),
            ("data: {\"choices\":[{\"finish_reason\":\"stop\"},{}]}\n\n", ContentEnd::Open),
            ("data: {}\n\n", ContentEnd::Open),
            ("", ContentEnd::Open),
        ] {
            assert_eq!(content_end(events.as_bytes()), end, "{events}");
        }
    }

    #[test]
    fn a_stream_does_not_end_in_the_midst_of_its_content() {
        for (events, may_end) in [
            ("data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n", false),
            ("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{}}\n\n: ping\n\n", false),
            ("data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n", true),
            ("data: {\"choices\":[{\"finish_reason\":null},{\"finish_reason\":\"length\"}]}\n\n", true),
            ("data: {\"choices\":[],\"usage\":{}}\n\n", true),
            ("data: {\"citations\":[]}\n\n", true),
            (": ping\n\n", false),
            ("", false),
        ] {
            assert_eq!(super::may_end(events.as_bytes()), may_end, "{events}");
        }
    }

    #[test]
    fn done_is_all_the_data_of_an_event() {
        for (events, behind) in [
            ("data: [DONE]\n\n", Some("")),
            ("data:[DONE]\r\n\r\n", Some("")),
            ("data: {}\n\ndata: [DONE] \n\n: bye\n\n", Some(": bye\n\n")),
            ("data: {\"content\":\"[DONE]\"}\n\n", None),
            ("data: {\"content\":\"data: [DONE]\"}\n\n", None),
            ("data: [DONE]?\n\n", None),
            ("data: x\ndata: [DONE]\n\n", None),
            ("data: {}\n\n", None),
        ] {
            assert_eq!(done_end(events.as_bytes()).map(|end| &events[end..]), behind, "{events:?}");
        }
    }
}
