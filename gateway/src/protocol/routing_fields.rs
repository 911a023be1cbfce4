//! Reads the few members of a JSON request that routing needs: which model, whether as a stream, what it follows on.
//!
//! One pass over the bytes, no recursion, no tree. The name is found by its place in the document, so that a `model`
//! inside a message is nothing special, and escapes in member names are understood.

use std::{borrow::Cow, ops::Range};

use super::{
    json_read,
    marks::Marks,
    output_asked::{self, OutputAsked},
};

/// The most bytes that a model's name may have.
pub const LONGEST_MODEL: usize = 512;

/// The members at the top that cap the output in one dialect or another.
pub(super) const CAPS: [&str; 3] = ["max_tokens", "max_completion_tokens", "max_output_tokens"];

/// What routing needs of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct RoutingFields<'a> {
    /// The model's name, escapes decoded.
    pub model: Cow<'a, str>,
    /// Where the name stands in the body, quotes included.
    pub span: Range<usize>,
    /// True where `stream` is `true`.
    pub stream: bool,
    /// Where the value of `stream_options` stands.
    pub stream_options: Option<Range<usize>>,
    /// Where the value of `previous_response_id` stands.
    pub previous_response: Option<Range<usize>>,
    /// True where `previous_response_id` stands there twice.
    pub has_two_previous_responses: bool,
    /// What the members say that cap the output in one dialect or another, in the order of [`CAPS`].
    pub(crate) caps: [Option<u64>; 3],
    /// How many replies are asked for.
    pub(crate) choices: u64,
    /// What stands there besides.
    pub(crate) marks: Marks,
}

/// Why a body was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not UTF-8, not JSON, not an object, or bytes after it.
    #[error("the body is not one JSON object: {0}")]
    Json(String),
    /// There is no `model`.
    #[error("`model` is missing")]
    NoModel,
    /// `model` is not a string, or an empty one.
    #[error("`model` must be a string that is not empty")]
    ModelKind,
    /// `model` stands there twice.
    #[error("`model` is given twice")]
    TwoModels,
    /// The name is longer than [`LONGEST_MODEL`].
    #[error("`model` is longer than {LONGEST_MODEL} bytes")]
    ModelTooLong,
    /// `previous_response_id` stands there twice: which of them a provider takes is not ours to guess.
    #[error("`previous_response_id` is given twice")]
    TwoPreviousResponses,
    /// `previous_response_id` is neither a string nor null.
    #[error("`previous_response_id` must be a string")]
    PreviousResponseKind,
}

impl BodyError {
    /// The parameter that is at fault.
    pub fn param(&self) -> Option<&'static str> {
        match self {
            Self::Json(_) => None,
            Self::NoModel | Self::ModelKind | Self::TwoModels | Self::ModelTooLong => Some("model"),
            Self::TwoPreviousResponses | Self::PreviousResponseKind => Some("previous_response_id"),
        }
    }
}

#[derive(Default)]
struct Found {
    model: Option<Range<usize>>,
    twice: bool,
    stream: Option<Range<usize>>,
    stream_options: Option<Range<usize>>,
    previous_response: Option<Range<usize>>,
    previous_twice: bool,
    /// Values of the members that cap the output.
    caps: [Option<Range<usize>>; 3],
    /// Values of the members that ask for several replies.
    choices: [Option<Range<usize>>; 2],
}

impl Found {
    fn note(&mut self, name: &[u8], value: Range<usize>) {
        match name {
            b"model" => self.twice |= self.model.replace(value).is_some(),
            b"stream" => self.stream = Some(value),
            b"stream_options" => self.stream_options = Some(value),
            b"max_tokens" => self.caps[0] = Some(value),
            b"max_completion_tokens" => self.caps[1] = Some(value),
            b"max_output_tokens" => self.caps[2] = Some(value),
            b"n" => self.choices[0] = Some(value),
            b"best_of" => self.choices[1] = Some(value),
            b"previous_response_id" => self.previous_twice |= self.previous_response.replace(value).is_some(),
            _ => {}
        }
    }
}

/// Reads the head of a request whose body names the model.
pub fn read(body: &[u8]) -> Result<RoutingFields<'_>, BodyError> {
    let text = text(body)?;
    let (found, marks) = members_and_marks(text, Found::note)?;
    if found.twice {
        return Err(BodyError::TwoModels);
    }
    let span = found.model.ok_or(BodyError::NoModel)?;
    let caps = found.caps.map(|at| at.and_then(|at| output_asked::cap(&text[at])));
    let choices = found.choices.iter().flatten().map(|at| output_asked::choices(&text[at.clone()]));
    let choices = choices.fold(1, u64::max);
    Ok(RoutingFields {
        model: name(&text[span.clone()])?,
        span,
        stream: found.stream.is_some_and(|value| &text[value] == "true"),
        stream_options: found.stream_options,
        previous_response: found.previous_response,
        has_two_previous_responses: found.previous_twice,
        caps,
        choices,
        marks,
    })
}

impl RoutingFields<'_> {
    /// How much output is asked for in a dialect that caps it by `members`.
    pub(crate) fn asked(&self, members: &[&str]) -> OutputAsked {
        let caps = CAPS.iter().zip(self.caps).filter(|(name, _)| members.contains(name));
        OutputAsked { cap: caps.filter_map(|(_, cap)| cap).max(), choices: self.choices }
    }
}

/// The body as text.
pub(super) fn text(body: &[u8]) -> Result<&str, BodyError> {
    if let Some(mark) = byte_order_mark(body) {
        return Err(BodyError::Json(format!("it begins with a byte order mark; send it as UTF-8 without {mark}")));
    }
    // The quick check says only whether it is text; the other one says where it is not.
    simdutf8::basic::from_utf8(body)
        .or_else(|_| std::str::from_utf8(body))
        .map_err(|error| BodyError::Json(format!("invalid UTF-8 at byte {}", error.valid_up_to())))
}

/// The members of the body, which is one object, and what stands anywhere in it.
pub(super) fn members_and_marks<T: Default>(
    text: &str,
    note: impl Fn(&mut T, &[u8], Range<usize>),
) -> Result<(T, Marks), BodyError> {
    json_read::members_and_marks(text, note).map_err(|error| BodyError::Json(error.to_string()))
}

/// The name in a value of `model`.
fn name(raw: &str) -> Result<Cow<'_, str>, BodyError> {
    if !raw.starts_with('"') {
        return Err(BodyError::ModelKind);
    }
    // An escape takes at most six bytes for one.
    if raw.len() > 6 * LONGEST_MODEL + 2 {
        return Err(BodyError::ModelTooLong);
    }
    let model = string(raw).ok_or(BodyError::ModelKind)?;
    match model.len() {
        0 => Err(BodyError::ModelKind),
        1..=LONGEST_MODEL => Ok(model),
        _ => Err(BodyError::ModelTooLong),
    }
}

/// The text of a JSON string; `None` where the value is none.
pub(super) fn string(raw: &str) -> Option<Cow<'_, str>> {
    #[derive(serde::Deserialize)]
    struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.as_bytes().contains(&b'\\') {
        return serde_json::from_str::<Borrowed<'_>>(raw).ok().map(|text| text.0);
    }
    Some(Cow::Borrowed(inner))
}

/// The mark that editors and shells of some systems put before a text.
fn byte_order_mark(body: &[u8]) -> Option<&'static str> {
    match body {
        [0xEF, 0xBB, 0xBF, ..] => Some("the mark (EF BB BF)"),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Some("the mark; this one is UTF-16's"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde::de::IgnoredAny;
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::splice::{COPIED, Edit, Replacement, splice};

    fn renamed(body: &Bytes, span: Range<usize>, name: &str) -> Vec<u8> {
        splice(body, &[Edit { at: span, with: Replacement::Text(name) }]).as_slice().concat()
    }

    #[test]
    fn only_the_top_level_member_counts() {
        let body = br#" {"messages":[{"model":"inner"}], "mod\u0065l" : "a\/b" , "stream":true,"x":1e5} "#;
        let head = read(body).unwrap();
        assert_eq!((head.model.as_ref(), head.stream), ("a/b", true));
        assert_eq!(&body[head.span.clone()], br#""a\/b""#);
        let after = renamed(&Bytes::from_static(body), head.span, "c\"d");
        let expected = br#" {"messages":[{"model":"inner"}], "mod\u0065l" : "c\"d" , "stream":true,"x":1e5} "#;
        assert_eq!(after, expected);
    }

    #[test]
    fn caps_and_choices_are_those_of_the_top_and_of_their_dialect() {
        let body =
            br#"{"model":"m","messages":[{"max_tokens":9}],"max_tokens":5,"max_completion_tokens":7,"n":3,"best_of":4,
            "max_output_tokens":null}"#;
        let fields = read(body).unwrap();
        assert_eq!(fields.asked(&["max_tokens"]), OutputAsked { cap: Some(5), choices: 4 });
        assert_eq!(fields.asked(&["max_tokens", "max_completion_tokens"]).cap, Some(7));
        assert_eq!(fields.asked(&["max_output_tokens"]).cap, None);
        for odd in ["0", "-1", "1.5", "\"5\"", "2147483648", "1e3", "null"] {
            let body = format!("{{\"model\":\"m\",\"max_tokens\":{odd},\"n\":{odd}}}");
            let asked = read(body.as_bytes()).unwrap().asked(&["max_tokens"]);
            assert_eq!(asked.cap, None, "{odd}");
            assert!(asked.choices == 1 || odd.len() > 9, "{odd}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, expected) in [
            (&br#"{"a":1}"#[..], Some(BodyError::NoModel)),
            (br#"{"model":1}"#, Some(BodyError::ModelKind)),
            (br#"{"model":""}"#, Some(BodyError::ModelKind)),
            (br#"{"model":"\ud800"}"#, Some(BodyError::ModelKind)),
            (br#"{"model":"a","mo\u0064el":"a"}"#, Some(BodyError::TwoModels)),
            (br#"{"model":"a"} x"#, None),
            (br#"{"model":"a"}{}"#, None),
            (br#"["model"]"#, None),
            (br#""model""#, None),
            (br"", None),
            (br#"{"model":"a""#, None),
            (br#"{"model":"a",}"#, None),
            (b"{\"model\":\"\xff\"}", None),
            (b"\xef\xbb\xbf{\"model\":\"a\"}", None),
            (b"\xff\xfe{\0", None),
        ] {
            let error = read(body).unwrap_err();
            match expected {
                Some(expected) => assert_eq!((error.param(), &error), (Some("model"), &expected)),
                None => assert!(matches!(error, BodyError::Json(_)), "{error}"),
            }
        }
    }

    #[test]
    fn a_name_has_a_bound() {
        let body = |name: &str| format!("{{\"model\":\"{name}\"}}");
        let longest = "m".repeat(LONGEST_MODEL);
        assert_eq!(read(body(&longest).as_bytes()).unwrap().model.len(), LONGEST_MODEL);
        assert_eq!(read(body(&"\\u006d".repeat(LONGEST_MODEL)).as_bytes()).unwrap().model, longest);
        for long in [&"m".repeat(LONGEST_MODEL + 1), &"\\u006d".repeat(LONGEST_MODEL + 1), &"m".repeat(1 << 20)] {
            assert_eq!(read(body(long).as_bytes()).unwrap_err(), BodyError::ModelTooLong);
        }
        let number = format!("{{\"model\":{}}}", "1".repeat(10_000));
        assert_eq!(read(number.as_bytes()).unwrap_err(), BodyError::ModelKind);
    }

    #[test]
    fn a_byte_order_mark_is_called_by_its_name() {
        let error = read(b"\xef\xbb\xbf{\"model\":\"a\"}").unwrap_err().to_string();
        assert!(error.contains("byte order mark"), "{error}");
    }

    #[test]
    fn odd_but_valid_documents_pass() {
        for (body, stream) in [
            (r#"{"\ud800":"\udfff","model":"m"}"#.to_owned(), false),
            (r#"{"stream":false,"model":"m"}"#.to_owned(), false),
            (r#"{"stream":null,"model":"m","stream": true }"#.to_owned(), true),
            (format!("{{\"deep\":{}{},\"model\":\"m\"}}", "[".repeat(100_000), "]".repeat(100_000)), false),
        ] {
            let head = read(body.as_bytes()).unwrap();
            assert_eq!((head.model.as_ref(), head.stream), ("m", stream));
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("model|stream|\\PC{0,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// The splice says what a parse, a change and a comparison by value say.
        #[test]
        fn a_splice_equals_the_reference(
            mut members in prop::collection::btree_map("stream|\\PC{0,6}", value(), 0..5),
            model in "\\PC{1,12}",
            name in "\\PC{1,12}",
            pretty: bool,
        ) {
            members.insert("model".to_owned(), json!(model));
            let text = if pretty { serde_json::to_string_pretty(&members) } else { serde_json::to_string(&members) };
            let body = Bytes::from(text.unwrap());
            let head = read(&body).unwrap();
            prop_assert_eq!(head.model.as_ref(), model.as_str());
            prop_assert_eq!(head.stream, members.get("stream") == Some(&json!(true)));
            let after: Value = serde_json::from_slice(&renamed(&body, head.span, &name)).unwrap();
            let mut reference: Value = serde_json::from_slice(&body).unwrap();
            reference["model"] = json!(name);
            prop_assert_eq!(after, reference);
        }

        /// Arbitrary bytes never panic, and what passes is valid for serde_json too.
        #[test]
        fn bytes_from_outside_are_safe(body in prop::collection::vec(any::<u8>(), 0..64), json in "[\\[\\]{}\",:mdel0-9\\\\u ]{0,40}") {
            let _ = read(&body);
            if read(json.as_bytes()).is_ok() {
                prop_assert!(serde_json::from_str::<IgnoredAny>(&json).is_ok());
            }
        }

        #[test]
        fn a_long_body_is_spliced_without_a_copy(pad in COPIED..COPIED + 9) {
            let body = Bytes::from(format!("{{\"pad\":\"{}\",\"model\":\"a\"}}", "x".repeat(pad)));
            let head = read(&body).unwrap();
            let parts = splice(&body, &[Edit { at: head.span, with: Replacement::Text("longer") }]);
            prop_assert_eq!(parts.as_slice()[1].as_ref(), b"\"longer\"");
            let expected = br#""model":"longer"}"#;
            prop_assert!(parts.as_slice().concat().ends_with(expected));
        }
    }
}
