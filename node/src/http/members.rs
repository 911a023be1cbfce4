//! A JSON body whose every member is known: one object, no member twice, none that nobody asked for, each of its type.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{
    error::{ApiError, Code},
    query::time,
};
use crate::{clock::Moment, policy::Path};

/// The deepest nesting of objects and lists that is read.
const DEEPEST: usize = 16;

/// The longest name of a member that an error repeats, in characters.
const SHOWN: usize = 64;

/// The members of a body that were not taken yet.
#[derive(Debug)]
pub(crate) struct Members(BTreeMap<String, Value>);

impl Members {
    /// Reads a body; an empty one is an empty object.
    ///
    /// # Errors
    /// Where it is no JSON object, has a member twice, or nests too deep.
    pub(crate) fn read(body: &[u8]) -> Result<Self, ApiError> {
        if body.is_empty() {
            return Ok(Self(BTreeMap::new()));
        }
        let document: Document =
            serde_json::from_slice(body).map_err(|error| bad(format!("the body is not JSON: {error}")))?;
        match document.into_value(Path::Body, 1)? {
            Value::Object(members) => Ok(Self(members.into_iter().collect())),
            _ => Err(bad("the body must be a JSON object")),
        }
    }

    /// Takes a text that must be there.
    ///
    /// # Errors
    /// Where it is absent or something else.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<String, ApiError> {
        match self.0.remove(name) {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(bad(format!("`{name}` must be a string")).about(name)),
            None => Err(bad(format!("`{name}` is missing")).about(name)),
        }
    }

    /// Takes a text where there is one; `null` is none.
    ///
    /// # Errors
    /// Where it is something else.
    pub(crate) fn optional_text(&mut self, name: &'static str) -> Result<Option<String>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(bad(format!("`{name}` must be a string")).about(name)),
        }
    }

    /// Takes a time where there is one, as RFC 3339 has it; `null` is none.
    ///
    /// # Errors
    /// Where it is something else.
    pub(crate) fn optional_time(&mut self, name: &'static str) -> Result<Option<Moment>, ApiError> {
        let Some(text) = self.optional_text(name)? else { return Ok(None) };
        let wrong = || bad(format!("`{name}` must be a time of RFC 3339, such as `2026-05-01T00:00:00Z`")).about(name);
        time(&text).map(Some).ok_or_else(wrong)
    }

    /// Takes whatever stands there; `null` is nothing.
    pub(crate) fn value(&mut self, name: &'static str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a whole number where there is one; `null` is none.
    ///
    /// # Errors
    /// Where it is something else.
    pub(crate) fn optional_integer(&mut self, name: &'static str) -> Result<Option<i64>, ApiError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        value.as_i64().map(Some).ok_or_else(|| bad(format!("`{name}` must be a whole number")).about(name))
    }

    /// Takes a whole number that must be there.
    ///
    /// # Errors
    /// Where it is absent or something else.
    pub(crate) fn integer(&mut self, name: &'static str) -> Result<i64, ApiError> {
        let missing = || bad(format!("`{name}` is missing")).about(name);
        self.optional_integer(name)?.ok_or_else(missing)
    }

    /// Takes true or false; false where there is neither.
    ///
    /// # Errors
    /// Where it is something else.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, ApiError> {
        let Some(value) = self.value(name) else { return Ok(false) };
        value.as_bool().ok_or_else(|| bad(format!("`{name}` must be true or false")).about(name))
    }

    /// Takes a list of texts that must be there.
    ///
    /// # Errors
    /// Where it is absent or something else.
    pub(crate) fn texts(&mut self, name: &'static str) -> Result<Vec<String>, ApiError> {
        let wrong = || bad(format!("`{name}` must be a list of strings")).about(name);
        let Some(value) = self.value(name) else { return Err(bad(format!("`{name}` is missing")).about(name)) };
        let Value::Array(items) = value else { return Err(wrong()) };
        let text = |item| if let Value::String(text) = item { Ok(text) } else { Err(wrong()) };
        items.into_iter().map(text).collect()
    }

    /// Takes a list of texts where there is one; `null` is none.
    ///
    /// # Errors
    /// Where it is something else.
    pub(crate) fn optional_texts(&mut self, name: &'static str) -> Result<Option<Vec<String>>, ApiError> {
        let is_there = self.0.get(name).is_some_and(|value| !value.is_null());
        if is_there {
            return self.texts(name).map(Some);
        }
        self.0.remove(name);
        Ok(None)
    }

    /// All members that were not taken, as one value: the order in which they were sent means nothing.
    pub(crate) fn into_value(self) -> Value {
        Value::Object(self.0.into_iter().collect())
    }

    /// Says that all members have been taken.
    ///
    /// # Errors
    /// Names one that nobody asked for.
    pub(crate) fn end(self) -> Result<(), ApiError> {
        match self.0.into_keys().next() {
            None => Ok(()),
            Some(name) => {
                let name = shown(name);
                Err(bad(format!("there is no member `{name}` here")).about(name))
            }
        }
    }
}

fn bad(message: impl Into<String>) -> ApiError {
    ApiError::new(Code::BadRequest, message)
}

/// What an error repeats of a name that somebody sent.
pub(super) fn shown(name: String) -> Cow<'static, str> {
    match cut(&name) {
        Cow::Owned(cut) => Cow::Owned(cut),
        Cow::Borrowed(_) => Cow::Owned(name),
    }
}

fn cut(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}…", &name[..end])),
        None => Cow::Borrowed(name),
    }
}

/// A JSON document with each member as it was sent, so that one that stands twice is seen.
enum Document {
    Plain(Value),
    List(Vec<Document>),
    Object(Vec<(String, Document)>),
}

impl Document {
    /// The value, where each member stands once; `at` is where it stands itself.
    fn into_value(self, at: Path<'_>, depth: usize) -> Result<Value, ApiError> {
        if depth > DEEPEST {
            return Err(bad(format!("the body nests deeper than {DEEPEST}")));
        }
        match self {
            Self::Plain(value) => Ok(value),
            Self::List(items) => {
                let items = items.into_iter().enumerate();
                let items = items.map(|(index, item)| item.into_value(Path::Item(&at, index), depth + 1));
                items.collect::<Result<_, _>>().map(Value::Array)
            }
            Self::Object(members) => {
                let mut map = serde_json::Map::new();
                for (name, member) in members {
                    let short = cut(&name);
                    let here = Path::Member(&at, &short);
                    if map.contains_key(&name) {
                        return Err(bad(format!("`{here}` stands twice in the body")).about(here.to_string()));
                    }
                    let value = member.into_value(here, depth + 1)?;
                    map.insert(name, value);
                }
                Ok(Value::Object(map))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Anything;
        impl<'de> Visitor<'de> for Anything {
            type Value = Document;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Document, E> {
                Ok(Document::Plain(Value::Null))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Document, E> {
                Ok(Document::Plain(value.into()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Document, E> {
                Ok(Document::Plain(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Document, E> {
                Ok(Document::Plain(value.into()))
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Document, E> {
                let number = serde_json::Number::from_f64(value).ok_or_else(|| E::custom("a number out of range"))?;
                Ok(Document::Plain(Value::Number(number)))
            }
            fn visit_str<E>(self, value: &str) -> Result<Document, E> {
                Ok(Document::Plain(value.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Document, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Document::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Document, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = object.next_entry()? {
                    members.push(member);
                }
                Ok(Document::Object(members))
            }
        }
        deserializer.deserialize_any(Anything)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> (String, Option<String>) {
        let read = Members::read(body.as_bytes()).and_then(|mut members| {
            let name = members.text("name")?;
            members.end().map(|()| name)
        });
        let error = read.unwrap_err();
        (error.message().to_owned(), error.field().map(str::to_owned))
    }

    #[test]
    fn only_what_was_asked_for_is_taken() {
        let mut members = Members::read(br#" {"name": "\u0061b"} "#).unwrap();
        assert_eq!(members.text("name").unwrap(), "ab");
        members.end().unwrap();
        for (body, field) in [
            ("", Some("name")),
            ("{}", Some("name")),
            (r#"{"name":1}"#, Some("name")),
            (r#"{"name":null}"#, Some("name")),
            (r#"{"name":{"a":1}}"#, Some("name")),
            (r#"{"name":"a","name":"b"}"#, Some("name")),
            (r#"{"name":"a","n\u0061me":"b"}"#, Some("name")),
            (r#"{"name":"a","extra":1}"#, Some("extra")),
            (r#"{"name":"a","extra":{"b":1,"b":2}}"#, Some("extra.b")),
            (r#"{"name":"a","list":[0,{"c":{"d":1,"\u0064":2}}]}"#, Some("list[1].c.d")),
            (r#"{"Name":"a","name":"a"}"#, Some("Name")),
            ("[]", None),
            ("\"name\"", None),
            (r#"{"name":"a"} x"#, None),
            (r#"{"name":"a""#, None),
            ("{\"name\":\"\u{1}\"}", None),
        ] {
            assert_eq!(refused(body).1.as_deref(), field, "{body}");
        }
    }

    #[test]
    fn cve_2025_59043_nesting_is_bounded() {
        let nested = |depth: usize| format!("{{\"name\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(refused(&nested(DEEPEST - 1)).1.as_deref(), Some("name"));
        assert!(refused(&nested(DEEPEST)).0.contains("nests deeper"));
        assert_eq!(refused(&nested(100_000)).1, None);
    }

    #[test]
    fn a_long_name_is_cut_where_it_is_repeated() {
        let (message, field) = refused(&format!("{{\"name\":\"a\",\"{}\":1}}", "é".repeat(1000)));
        assert!(message.len() < 300 && field.unwrap().ends_with("é…"), "{message}");
    }
}
