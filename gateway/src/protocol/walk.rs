//! A walk through all of a JSON document that was found to be one: every member and element, with where it stands.
//!
//! One forward pass, no recursion. What is nested deeper than [`DEEPEST`] is skipped: nothing that any dialect knows is so deep.

use std::{borrow::Cow, ops::Range};

use super::{
    json_members::{quote_or_escape, space},
    routing_fields,
};

/// The deepest nest that is looked into.
const DEEPEST: usize = 64;

/// A value, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Object,
    Array,
    /// With its quotes.
    Text(Range<usize>),
    /// A number, `true`, `false` or `null`.
    Scalar(Range<usize>),
}

/// Who is shown what stands in a document. `O` is what it keeps of an object or array that is open.
pub(super) trait Visitor<O> {
    /// A value in what is open, under its name where that is an object. What is kept of it where it is to be looked into;
    /// otherwise it is skipped.
    fn value(&mut self, within: &mut O, name: Option<&str>, value: &Value) -> Option<O>;

    /// What was looked into is closed.
    fn closed(&mut self, open: O, within: &mut O);
}

/// Walks through `text`, whose outermost object is kept as `top`. Stops where it is no JSON.
pub(super) fn walk<O>(text: &str, top: &mut O, visitor: &mut impl Visitor<O>) {
    let bytes = text.as_bytes();
    let mut at = space(bytes, 0);
    if bytes.get(at) != Some(&b'{') {
        return;
    }
    at += 1;
    // What is open below the top, and whether each is an object.
    let mut open: Vec<(O, bool)> = Vec::new();
    loop {
        at = space(bytes, at);
        let Some(byte) = bytes.get(at) else { return };
        match byte {
            b',' => {
                at += 1;
                continue;
            }
            b'}' | b']' => {
                let Some((closed, _)) = open.pop() else { return };
                visitor.closed(closed, open.last_mut().map_or(&mut *top, |(within, _)| within));
                at += 1;
                continue;
            }
            _ => {}
        }
        let name = if open.last().is_none_or(|(_, is_object)| *is_object) {
            let Some(end) = text_end(bytes, at) else { return };
            // A name that is no text (a lone surrogate) is none that anybody knows.
            let name = routing_fields::string(&text[at..end]).unwrap_or(Cow::Borrowed(""));
            at = space(bytes, end);
            if bytes.get(at) != Some(&b':') {
                return;
            }
            at = space(bytes, at + 1);
            Some(name)
        } else {
            None
        };
        let Some((value, end)) = value_at(bytes, at) else { return };
        let within = open.last_mut().map_or(&mut *top, |(within, _)| within);
        let kept = visitor.value(within, name.as_deref(), &value);
        let is_container = matches!(value, Value::Object | Value::Array);
        match kept {
            Some(kept) if is_container && open.len() < DEEPEST => {
                open.push((kept, value == Value::Object));
                at = end;
            }
            _ if is_container => match nest_end(bytes, at) {
                Some(end) => at = end,
                None => return,
            },
            _ => at = end,
        }
    }
}

/// The value that begins at `at`, and where what is behind it begins, or behind its bracket.
fn value_at(bytes: &[u8], at: usize) -> Option<(Value, usize)> {
    Some(match bytes.get(at)? {
        b'{' => (Value::Object, at + 1),
        b'[' => (Value::Array, at + 1),
        b'"' => {
            let end = text_end(bytes, at)?;
            (Value::Text(at..end), end)
        }
        _ => {
            let end = scalar_end(bytes, at);
            // Something must be there, or the walk would stand still.
            if end == at {
                return None;
            }
            (Value::Scalar(at..end), end)
        }
    })
}

/// Behind the text whose first quote is at `at`.
pub(super) fn text_end(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let mut at = at + 1;
    loop {
        at += quote_or_escape(bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Behind the object or array that begins at `at`.
pub(super) fn nest_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']'))?;
        match bytes[at] {
            b'"' => {
                at = text_end(bytes, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            _ => depth -= 1,
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// Behind the number or word that begins at `at`; `at` itself where there is none.
pub(super) fn scalar_end(bytes: &[u8], at: usize) -> usize {
    let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\t' | b'\r');
    bytes[at..].iter().position(is_end).map_or(bytes.len(), |length| at + length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value as Tree, json};

    use super::*;

    /// Notes the path of every value, and skips what is called `skip`.
    struct Paths<'t>(&'t str, Vec<String>);

    impl Visitor<String> for Paths<'_> {
        fn value(&mut self, within: &mut String, name: Option<&str>, value: &Value) -> Option<String> {
            let path = format!("{within}/{}", name.unwrap_or("-"));
            let leaf = match value {
                Value::Object => "{}",
                Value::Array => "[]",
                Value::Text(at) | Value::Scalar(at) => &self.0[at.clone()],
            };
            self.1.push(format!("{path}={leaf}"));
            (name != Some("skip")).then_some(path)
        }

        fn closed(&mut self, open: String, within: &mut String) {
            assert_eq!(open.rsplit_once('/').unwrap().0, within.as_str());
        }
    }

    fn paths(text: &str) -> Vec<String> {
        let mut paths = Paths(text, Vec::new());
        walk(text, &mut String::new(), &mut paths);
        paths.1
    }

    fn expected(tree: &Tree, path: &str, out: &mut Vec<String>) {
        let one = |name: &str, value: &Tree, out: &mut Vec<String>| {
            let path = format!("{path}/{name}");
            match value {
                Tree::Object(_) => out.push(format!("{path}={{}}")),
                Tree::Array(_) => out.push(format!("{path}=[]")),
                leaf => out.push(format!("{path}={leaf}")),
            }
            if name != "skip" {
                expected(value, &path, out);
            }
        };
        match tree {
            Tree::Object(members) => members.iter().for_each(|(name, value)| one(name, value, out)),
            Tree::Array(items) => items.iter().for_each(|value| one("-", value, out)),
            _ => {}
        }
    }

    #[test]
    fn every_value_is_shown_in_its_place() {
        let text = r#" {"a" : [1 , {"b":"x\"]"}, []], "sk\u0069p":{"c":[{"d":"}"}]}, "e":null,"\ud800":true} "#;
        assert_eq!(
            paths(text),
            ["/a=[]", "/a/-=1", "/a/-={}", "/a/-/b=\"x\\\"]\"", "/a/-=[]", "/skip={}", "/e=null", "/=true"]
        );
    }

    #[test]
    fn what_is_very_deep_is_skipped_and_not_recursed_into() {
        let deep = format!(r#"{{"a":{}"x"{},"b":1}}"#, "[".repeat(200_000), "]".repeat(200_000));
        let seen = paths(&deep);
        assert_eq!((seen.len(), seen.last().map(String::as_str)), (DEEPEST + 2, Some("/b=1")));
    }

    fn tree() -> impl Strategy<Value = Tree> {
        let leaf = prop_oneof![
            Just(Tree::Null),
            any::<bool>().prop_map(Tree::from),
            any::<i32>().prop_map(Tree::from),
            "\\PC{0,6}".prop_map(Tree::from),
            "[\"\\\\{}\\[\\]]{0,4}".prop_map(Tree::from),
        ];
        leaf.prop_recursive(5, 40, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Tree::from),
                prop::collection::btree_map("skip|[a-z\"\\\\]{0,3}", inner, 0..4)
                    .prop_map(|map| Tree::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_walk_sees_what_a_parser_sees(tree in tree(), pretty: bool) {
            let tree = json!({ "top": tree });
            let text = if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) }.unwrap();
            let mut wanted = Vec::new();
            expected(&tree, "", &mut wanted);
            prop_assert_eq!(paths(&text), wanted);
        }

        #[test]
        fn any_text_is_walked_without_a_panic(text in "[\\[\\]{}\",:a0-9\\\\ ]{0,60}") {
            let _ = paths(&text);
            let _ = paths(&format!("{{{text}"));
        }
    }
}
