//! Where the members of an object and the elements of an array stand in a document, whatever the document is.
//!
//! Most documents go through the quick pass of [`super::json_members`]; serde_json reads those that it gives up on, and has
//! the words for what is wrong with them.

use std::{borrow::Cow, fmt, marker::PhantomData, ops::Range};

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    json_members::{visit_all_names, visit_elements, visit_members},
    marks::Marks,
    spelling::camel,
};

/// Reads an object: `note` is shown the name of each member, its escapes decoded, and where its value stands in `text`.
///
/// # Errors
/// `text` is no JSON, no object, or there is something behind it.
pub(super) fn members<T: Default>(
    text: &str,
    note: impl Fn(&mut T, &[u8], Range<usize>),
) -> Result<T, serde_json::Error> {
    let mut found = T::default();
    if visit_members(text.as_bytes(), |name, at| note(&mut found, name, at)).is_some() {
        return Ok(found);
    }
    slow_members(text, note)
}

/// The same of a whole body, and which names stand anywhere in it that matter.
pub(super) fn members_and_marks<T: Default>(
    text: &str,
    note: impl Fn(&mut T, &[u8], Range<usize>),
) -> Result<(T, Marks), serde_json::Error> {
    let (mut found, mut marks) = (T::default(), Marks::default());
    let mut top = Marks::default();
    let visit = |name: &[u8], at: Range<usize>| {
        top.note_top(name, text.as_bytes().get(at.start));
        note(&mut found, name, at);
    };
    if visit_all_names(text.as_bytes(), visit, |name| marks.note(name)).is_some() {
        return Ok((found, marks.with(top)));
    }
    Ok((slow_members(text, note)?, Marks::ALL))
}

fn slow_members<T: Default>(text: &str, note: impl Fn(&mut T, &[u8], Range<usize>)) -> Result<T, serde_json::Error> {
    // A name that is read as bytes may hold control characters, which are no JSON.
    serde_json::from_str::<IgnoredAny>(text)?;
    let mut json = serde_json::Deserializer::from_str(text);
    let found = de::Deserializer::deserialize_map(&mut json, Members { text, note, found: PhantomData })?;
    json.end()?;
    Ok(found)
}

/// The values of the members with these names, the last one where a name stands there twice. `None` where `text` is no
/// object.
pub(super) fn values<'t, const N: usize>(text: &'t str, names: [&str; N]) -> Option<[Option<&'t str>; N]> {
    values_by(text, names, |name| Cow::Borrowed(name))
}

/// The same of a document that may be no text: `None` then too.
pub(super) fn values_in<'t, const N: usize>(document: &'t [u8], names: [&str; N]) -> Option<[Option<&'t str>; N]> {
    values(std::str::from_utf8(document).ok()?, names)
}

/// As [`values`], where names are asked for in `camelCase` and may stand there in `snake_case` too.
pub(super) fn camel_values<'t, const N: usize>(text: &'t str, names: [&str; N]) -> Option<[Option<&'t str>; N]> {
    values_by(text, names, |name| camel(Cow::Borrowed(name)))
}

fn values_by<'t, const N: usize>(
    text: &'t str,
    names: [&str; N],
    form: impl Fn(&[u8]) -> Cow<'_, [u8]>,
) -> Option<[Option<&'t str>; N]> {
    let found = members(text, |found: &mut Found<N>, name, at| {
        let name = form(name);
        if let Some(wanted) = names.iter().position(|wanted| wanted.as_bytes() == name.as_ref()) {
            found.0[wanted] = Some(at);
        }
    });
    Some(found.ok()?.0.map(|at| Some(&text[at?])))
}

struct Found<const N: usize>([Option<Range<usize>>; N]);

impl<const N: usize> Default for Found<N> {
    fn default() -> Self {
        Self([const { None }; N])
    }
}

/// Where the elements of an array stand in `text`; `None` where it is no array.
pub(super) fn elements(text: &str) -> Option<Vec<Range<usize>>> {
    let mut found = Vec::new();
    if visit_elements(text.as_bytes(), |at| found.push(at)).is_some() {
        return Some(found);
    }
    let values: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    Some(values.into_iter().map(|value| place(text, value)).collect())
}

/// The elements of an array; `None` where `text` is none.
pub(super) fn elements_of(text: &str) -> Option<Vec<&str>> {
    Some(elements(text)?.into_iter().map(|at| &text[at]).collect())
}

/// Where `value`, which borrows from `text`, stands in it.
fn place(text: &str, value: &RawValue) -> Range<usize> {
    let start = value.get().as_ptr() as usize - text.as_ptr() as usize;
    start..start + value.get().len()
}

struct Members<'de, T, F> {
    text: &'de str,
    note: F,
    found: PhantomData<T>,
}

impl<'de, T: Default, F: Fn(&mut T, &[u8], Range<usize>)> Visitor<'de> for Members<'de, T, F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut found = T::default();
        while let Some(name) = map.next_key_seed(Name)? {
            let value = map.next_value::<&'de RawValue>()?;
            (self.note)(&mut found, &name, place(self.text, value));
        }
        Ok(found)
    }
}

/// The name in a JSON string as bytes, escapes decoded; `None` where it is none.
pub(super) fn name(quoted: &str) -> Option<Vec<u8>> {
    Name.deserialize(&mut serde_json::Deserializer::from_str(quoted)).ok()
}

/// Reads a member's name as bytes, so that a lone surrogate in some name is no error of ours.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Vec<u8>;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_bytes<E: de::Error>(self, name: &[u8]) -> Result<Vec<u8>, E> {
        Ok(name.to_vec())
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Vec<u8>, E> {
        self.visit_bytes(name.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<(String, Range<usize>)>> {
        let note = |found: &mut Vec<(String, Range<usize>)>, name: &[u8], at: Range<usize>| {
            found.push((String::from_utf8_lossy(name).into_owned(), at));
        };
        members(text, note).ok()
    }

    #[test]
    fn both_passes_find_the_same_places() {
        let quick = r#" {"a":1,"b":[2]} "#;
        assert_eq!(read(quick), Some(vec![("a".into(), 6..7), ("b".into(), 12..15)]));
        let slow = r#" {"\u0061":1,"b":[2]} "#;
        assert_eq!(read(slow), Some(vec![("a".into(), 11..12), ("b".into(), 17..20)]));
        assert_eq!(read(r#"{"\ud800":1}"#).map(|found| found.len()), Some(1));
        let text = r#"{"b":1,"a":{"b":2},"b":[3]}"#;
        assert_eq!(values(text, ["a", "b", "c"]), Some([Some(r#"{"b":2}"#), Some("[3]"), None]));
        assert_eq!(values("[]", ["a"]), None);
        let text = r#"{"a_b":1,"aB":2,"c_d":3,"\u0063_e":4}"#;
        assert_eq!(camel_values(text, ["aB", "cD", "cE", "a_b"]), Some([Some("2"), Some("3"), Some("4"), None]));
        assert_eq!(values(text, ["aB", "cD", "cE", "a_b"]), Some([Some("2"), None, None, Some("1")]));
        let nest = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(read(&nest).map(|found| found.len()), Some(1));
        for bad in ["", "[]", "{}x", "{\"a\"}", "{\"a\":1,}", "{\"a\0\":1}", "{\"\\u0061\n\":1}", "{\"a\":\"\0\"}"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        let nested = format!("[1,{}{}]", "[".repeat(200), "]".repeat(200));
        assert_eq!(elements(&nested).map(|found| found.len()), Some(2));
        assert_eq!(elements("{}"), None);
    }
}
