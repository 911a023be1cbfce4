//! Reads the two members of a request that routing needs, and puts another model name in the place of the first.
//!
//! One pass over the bytes, no recursion, no tree. The name is found by its place in the document, so that a `model`
//! inside a message is nothing special, and escapes in member names are understood.

use std::{borrow::Cow, fmt, ops::Range};

use bytes::{BufMut, Bytes, BytesMut};
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What routing needs of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Head<'a> {
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
}

impl BodyError {
    /// The parameter that is at fault.
    pub fn param(&self) -> Option<&'static str> {
        match self {
            Self::Json(_) => None,
            Self::NoModel | Self::ModelKind | Self::TwoModels => Some("model"),
        }
    }
}

/// Reads the head of a request.
pub fn head(body: &[u8]) -> Result<Head<'_>, BodyError> {
    let text = std::str::from_utf8(body)
        .map_err(|error| BodyError::Json(format!("invalid UTF-8 at byte {}", error.valid_up_to())))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let found = de::Deserializer::deserialize_map(&mut json, Members).map_err(|error| bad(&error))?;
    json.end().map_err(|error| bad(&error))?;
    if found.twice {
        return Err(BodyError::TwoModels);
    }
    let raw = found.model.ok_or(BodyError::NoModel)?.get();
    if !raw.starts_with('"') {
        return Err(BodyError::ModelKind);
    }
    let model = serde_json::from_str::<Borrowed<'_>>(raw).map_err(|_| BodyError::ModelKind)?.0;
    if model.is_empty() {
        return Err(BodyError::ModelKind);
    }
    let start = raw.as_ptr() as usize - text.as_ptr() as usize;
    Ok(Head { model, span: start..start + raw.len(), stream: found.stream })
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

/// Bodies up to this size are copied around a new name; longer ones are sent in three pieces instead.
const COPIED: usize = 64 << 10;

/// The body with `name` in the place of `span`, in one to three pieces. Every other byte stays.
pub fn splice(body: &Bytes, span: Range<usize>, name: &str) -> [Bytes; 3] {
    if body.len() > COPIED {
        let mut quoted = BytesMut::with_capacity(name.len() + 2);
        quote(&mut quoted, name);
        return [body.slice(..span.start), quoted.freeze(), body.slice(span.end..)];
    }
    let mut whole = BytesMut::with_capacity(body.len() - span.len() + name.len() + 2);
    whole.put_slice(&body[..span.start]);
    quote(&mut whole, name);
    whole.put_slice(&body[span.end..]);
    [whole.freeze(), Bytes::new(), Bytes::new()]
}

/// Appends `name` as a JSON string.
fn quote(out: &mut BytesMut, name: &str) {
    if name.bytes().any(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        // Writing a string to memory cannot fail.
        let _ = serde_json::to_writer(out.writer(), name);
    } else {
        out.put_u8(b'"');
        out.put_slice(name.as_bytes());
        out.put_u8(b'"');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn joined(parts: &[Bytes; 3]) -> Vec<u8> {
        parts.concat()
    }

    #[test]
    fn only_the_top_level_member_counts() {
        let body = br#" {"messages":[{"model":"inner"}], "mod\u0065l" : "a\/b" , "stream":true,"x":1e5} "#;
        let head = head(body).unwrap();
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
        ] {
            let error = head(body).unwrap_err();
            match expected {
                Some(expected) => assert_eq!((error.param(), &error), (Some("model"), &expected)),
                None => assert!(matches!(error, BodyError::Json(_)), "{error}"),
            }
        }
    }

    #[test]
    fn odd_but_valid_documents_pass() {
        for (body, stream) in [
            (r#"{"\ud800":"\udfff","model":"m"}"#.to_owned(), false),
            (r#"{"stream":false,"model":"m"}"#.to_owned(), false),
            (r#"{"stream":null,"model":"m","stream": true }"#.to_owned(), true),
            (format!("{{\"deep\":{}{},\"model\":\"m\"}}", "[".repeat(100_000), "]".repeat(100_000)), false),
        ] {
            let head = head(body.as_bytes()).unwrap();
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
            let head = head(&body).unwrap();
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
            let _ = head(&body);
            if head(json.as_bytes()).is_ok() {
                prop_assert!(serde_json::from_str::<IgnoredAny>(&json).is_ok());
            }
        }

        #[test]
        fn a_long_body_is_spliced_without_a_copy(pad in COPIED..COPIED + 9) {
            let body = Bytes::from(format!("{{\"pad\":\"{}\",\"model\":\"a\"}}", "x".repeat(pad)));
            let head = head(&body).unwrap();
            let parts = splice(&body, head.span, "longer");
            prop_assert_eq!(parts[1].as_ref(), b"\"longer\"");
            let expected = br#""model":"longer"}"#;
            prop_assert!(joined(&parts).ends_with(expected));
        }
    }
}
