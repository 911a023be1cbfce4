//! Has a provider say what a stream used: `"stream_options":{"include_usage":true}`, put into the body of a caller that
//! did not ask for it. What is said then comes in a chunk of its own, whose `choices` is empty.
//!
//! Source: OpenAI API reference, "Create chat completion", `stream_options`.

use std::ops::Range;

use crate::protocol::{
    json_read,
    splice::{Edit, Replacement},
};

const OPTIONS: &str = "{\"include_usage\":true}";

/// The change to `body`, where `options` is the value of `stream_options`, if there is one; `None` where the caller asks
/// for it himself, or wrote something there that the provider shall judge.
pub(super) fn edit(body: &[u8], options: Option<Range<usize>>) -> Option<Edit<'static>> {
    let raw = |at, text| Some(Edit { at, with: Replacement::Raw(text) });
    let Some(options) = options else {
        // It is an object with at least one member, and nothing but white space behind it.
        let end = body.iter().rposition(|byte| *byte == b'}')?;
        return raw(end..end, ",\"stream_options\":{\"include_usage\":true}");
    };
    let value = std::str::from_utf8(&body[options.clone()]).ok()?;
    if value == "null" {
        return raw(options, OPTIONS);
    }
    let members = json_read::members(value, |found: &mut Members, name, at| {
        found.any = true;
        if name == b"include_usage" {
            found.wish = Some(at);
        }
    });
    match members.ok()? {
        Members { any: false, .. } => raw(options, OPTIONS),
        Members { wish: None, .. } => raw(options.start + 1..options.start + 1, "\"include_usage\":true,"),
        Members { wish: Some(at), .. } => match &value[at.clone()] {
            "false" | "null" => raw(options.start + at.start..options.start + at.end, "true"),
            _ => None,
        },
    }
}

/// True where the value of `stream_options` asks for it.
pub(super) fn is_asked(options: &[u8]) -> bool {
    let wish = json_read::values_in(options, ["include_usage"]);
    wish.is_some_and(|[wish]| wish == Some("true"))
}

#[derive(Default)]
struct Members {
    any: bool,
    wish: Option<Range<usize>>,
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::{routing_fields, splice::splice};

    fn asked(body: &str) -> Option<String> {
        let fields = routing_fields::read(body.as_bytes()).unwrap();
        let edit = edit(body.as_bytes(), fields.stream_options)?;
        Some(String::from_utf8(splice(&Bytes::from(body.to_owned()), &[edit]).as_slice().concat()).unwrap())
    }

    #[test]
    fn the_wish_is_put_in_and_every_other_byte_stays() {
        for (body, expected) in [
            (r#"{"model":"m"} "#, Some(r#"{"model":"m","stream_options":{"include_usage":true}} "#)),
            (
                r#"{"model":"m","stream_options":null}"#,
                Some(r#"{"model":"m","stream_options":{"include_usage":true}}"#),
            ),
            (r#"{"stream_options":{ },"model":"m"}"#, Some(r#"{"stream_options":{"include_usage":true},"model":"m"}"#)),
            (
                r#"{"stream_options":{ "x":1},"model":"m"}"#,
                Some(r#"{"stream_options":{"include_usage":true, "x":1},"model":"m"}"#),
            ),
            (
                r#"{"stream_options":{"x":{"include_usage":1},"include_usage" : false},"model":"m"}"#,
                Some(r#"{"stream_options":{"x":{"include_usage":1},"include_usage" : true},"model":"m"}"#),
            ),
            (
                r#"{"stream_options":{"include\u005fusage":null},"model":"m"}"#,
                Some(r#"{"stream_options":{"include\u005fusage":true},"model":"m"}"#),
            ),
            (r#"{"stream_options":{"include_usage":true},"model":"m"}"#, None),
            (r#"{"stream_options":{"include_usage":"yes"},"model":"m"}"#, None),
            (r#"{"stream_options":"usage","model":"m"}"#, None),
            (r#"{"stream_options":[],"model":"m"}"#, None),
        ] {
            assert_eq!(asked(body).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn only_true_asks() {
        for (options, expected) in [
            (r#"{"include_usage" : true}"#, true),
            (r#"{"x":{"include_usage":true},"include\u005fusage":true}"#, true),
            (r#"{"include_usage":false}"#, false),
            (r#"{"include_usage":"true"}"#, false),
            (r#"{"x":{"include_usage":true}}"#, false),
            ("null", false),
            ("[]", false),
        ] {
            assert_eq!(is_asked(options.as_bytes()), expected, "{options}");
        }
    }
}
