//! Reads the two members of a JSON request that routing needs: `model` and `stream`.
//!
//! One pass over the bytes, no recursion, no tree. The name is found by its place in the document, so that a `model`
//! inside a message is nothing special, and escapes in member names are understood.

use std::{borrow::Cow, fmt, ops::Range};

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json_members::visit_members;

/// The most bytes that a model's name may have.
pub const LONGEST_MODEL: usize = 512;

/// What routing needs of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct RoutingFields<'a> {
    /// The model's name, escapes decoded.
    pub model: Cow<'a, str>,
    /// Where the name stands in the body, quotes included.
    pub span: Range<usize>,
    /// True where `stream` is `true`.
    pub stream: bool,
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
}

impl BodyError {
    /// The parameter that is at fault.
    pub fn param(&self) -> Option<&'static str> {
        match self {
            Self::Json(_) => None,
            Self::NoModel | Self::ModelKind | Self::TwoModels | Self::ModelTooLong => Some("model"),
        }
    }
}

impl RoutingFields<'_> {
    /// The head without its body.
    pub fn into_owned(self) -> RoutingFields<'static> {
        RoutingFields { model: Cow::Owned(self.model.into_owned()), span: self.span, stream: self.stream }
    }
}

/// Reads the head of a request.
pub fn read(body: &[u8]) -> Result<RoutingFields<'_>, BodyError> {
    if let Some(mark) = byte_order_mark(body) {
        return Err(BodyError::Json(format!("it begins with a byte order mark; send it as UTF-8 without {mark}")));
    }
    if let Some(head) = read_quickly(body) {
        return Ok(head);
    }
    let text = std::str::from_utf8(body)
        .map_err(|error| BodyError::Json(format!("invalid UTF-8 at byte {}", error.valid_up_to())))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let found = de::Deserializer::deserialize_map(&mut json, Members).map_err(|error| bad(&error))?;
    json.end().map_err(|error| bad(&error))?;
    if found.twice {
        return Err(BodyError::TwoModels);
    }
    let raw = found.model.ok_or(BodyError::NoModel)?.get();
    // An escape takes at most six bytes for one.
    if raw.len() > 6 * LONGEST_MODEL + 2 {
        return Err(if raw.starts_with('"') { BodyError::ModelTooLong } else { BodyError::ModelKind });
    }
    if !raw.starts_with('"') {
        return Err(BodyError::ModelKind);
    }
    let model = serde_json::from_str::<Borrowed<'_>>(raw).map_err(|_| BodyError::ModelKind)?.0;
    if model.is_empty() {
        return Err(BodyError::ModelKind);
    }
    if model.len() > LONGEST_MODEL {
        return Err(BodyError::ModelTooLong);
    }
    let start = raw.as_ptr() as usize - text.as_ptr() as usize;
    Ok(RoutingFields { model, span: start..start + raw.len(), stream: found.stream })
}

/// What nearly every request is: plain JSON with one plain name. Everything else is read again, with words for what is
/// wrong.
fn read_quickly(body: &[u8]) -> Option<RoutingFields<'_>> {
    let text = std::str::from_utf8(body).ok()?;
    let (mut model, mut twice, mut stream) = (None, false, false);
    visit_members(body, |name, value| match name {
        b"model" => twice |= model.replace(value).is_some(),
        b"stream" => stream = body[value] == *b"true",
        _ => {}
    })?;
    let span = model.filter(|_| !twice)?;
    let name = text[span.clone()].strip_prefix('"')?.strip_suffix('"')?;
    let plain = !name.is_empty() && name.len() <= LONGEST_MODEL && !name.as_bytes().contains(&b'\\');
    plain.then_some(RoutingFields { model: Cow::Borrowed(name), span, stream })
}

/// The mark that editors and shells of some systems put before a text.
fn byte_order_mark(body: &[u8]) -> Option<&'static str> {
    match body {
        [0xEF, 0xBB, 0xBF, ..] => Some("the mark (EF BB BF)"),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Some("the mark; this one is UTF-16's"),
        _ => None,
    }
}

fn bad(error: &serde_json::Error) -> BodyError {
    BodyError::Json(error.to_string())
}

#[derive(serde::Deserialize)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Default)]
struct Found<'a> {
    model: Option<&'a RawValue>,
    twice: bool,
    stream: bool,
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
        let mut found = Found::default();
        while let Some(name) = map.next_key_seed(Name)? {
            match name {
                Member::Model => {
                    let value = map.next_value::<&'de RawValue>()?;
                    found.twice |= found.model.replace(value).is_some();
                }
                Member::Stream => found.stream = map.next_value::<&'de RawValue>()?.get() == "true",
                Member::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

enum Member {
    Model,
    Stream,
    Other,
}

/// Reads a member's name as bytes, so that a lone surrogate in some other name is no error of ours.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Member;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Member, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Member;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_bytes<E: de::Error>(self, name: &[u8]) -> Result<Member, E> {
        Ok(match name {
            b"model" => Member::Model,
            b"stream" => Member::Stream,
            _ => Member::Other,
        })
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Member, E> {
        self.visit_bytes(name.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::splice::{COPIED, splice};

    fn joined(parts: &[Bytes; 3]) -> Vec<u8> {
        parts.concat()
    }

    #[test]
    fn only_the_top_level_member_counts() {
        let body = br#" {"messages":[{"model":"inner"}], "mod\u0065l" : "a\/b" , "stream":true,"x":1e5} "#;
        let head = read(body).unwrap();
        assert_eq!((head.model.as_ref(), head.stream), ("a/b", true));
        assert_eq!(&body[head.span.clone()], br#""a\/b""#);
        let after = joined(&splice(&Bytes::from_static(body), head.span, "c\"d"));
        let expected = br#" {"messages":[{"model":"inner"}], "mod\u0065l" : "c\"d" , "stream":true,"x":1e5} "#;
        assert_eq!(after, expected);
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
            let after: Value = serde_json::from_slice(&joined(&splice(&body, head.span, &name))).unwrap();
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
            let parts = splice(&body, head.span, "longer");
            prop_assert_eq!(parts[1].as_ref(), b"\"longer\"");
            let expected = br#""model":"longer"}"#;
            prop_assert!(joined(&parts).ends_with(expected));
        }
    }
}
