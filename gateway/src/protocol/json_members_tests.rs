//! Tables and properties of the quick pass, against serde_json.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn members(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut found = Vec::new();
    let name = |name| std::str::from_utf8(name).unwrap();
    visit_members(text.as_bytes(), |bytes, value| found.push((name(bytes), &text[value])))?;
    Some(found)
}

#[test]
fn members_are_found_with_their_values() {
    assert_eq!(members("{}"), Some(vec![]));
    assert_eq!(
        members(" { \"a\" : [1, {\"b\":-0.5e+3}, []] ,\"\":\"\\u00e9\\\"\" , \"c\":{}, \"d\": null } "),
        Some(vec![("a", "[1, {\"b\":-0.5e+3}, []]"), ("", "\"\\u00e9\\\"\""), ("c", "{}"), ("d", "null")])
    );
}

#[test]
fn what_is_no_json_is_not_taken() {
    for text in [
        "",
        "[]",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":1e}",
        "{\"a\":+1}",
        "{\"a\":tru}",
        "{\"a\":\"\\q\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\u{1}\"}",
        "{\"a\":\"x}",
        "{\"a\":[1,]}",
        "{\"a\":[1}}",
        "{\"a\":{\"b\":1]}",
        "{\"a\":1}x",
        "{\"a\":1}{}",
        "{a:1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":{,}}",
        "{\"a\":[,]}",
        "{\"a\":-}",
        "{\"\\u0061\":1}",
    ] {
        assert_eq!(members(text), None, "{text}");
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(129), "]".repeat(129));
    assert_eq!(members(&deep), None);
    let less = format!("{{\"a\":{}{}}}", "[".repeat(128), "]".repeat(128));
    assert!(members(&less).is_some());
}

#[test]
fn the_last_member_is_found_from_the_end() {
    let finder = memmem::Finder::new(b"\"usage\"");
    let found =
        |text: &'static str| last_member(text.as_bytes(), &finder).map(|value| std::str::from_utf8(value).unwrap());
    for (text, expected) in [
        (r#"{"a":[1,"x"],"usage" : {"n":[1]} , "b":"}" }"#, Some(r#"{"n":[1]}"#)),
        (r#"{"usage":1}"#, Some("1")),
        ("{\"usage\":null}\n", Some("null")),
        (r#"{"usage":1,"usage":2}"#, Some("2")),
        (r#"{"a":{"usage":1}}"#, None),
        (r#"{"a":[{"usage":1}],"b":2}"#, None),
        (r#"[{"usage":1}]"#, None),
        (r#"{"a":"usage","b":1}"#, None),
        (r#"{"a":"say \"usage","b":1}"#, None),
        (r#"{"a":"{\"usage\":1}"}"#, None),
        (r#"{"usage":1"#, None),
        (r#"{"usage":1}}"#, None),
        ("", None),
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i16>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
        "\\PC{0,40}|[\u{0}-\u{30}\\\\]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map("\\PC{0,6}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_first_that_matters_is_found(bytes in prop::collection::vec(prop_oneof![9 => b'a'..=b'z', 1 => any::<u8>()], 0..60)) {
        let is_end = |byte: &u8| matches!(byte, b'"' | b'\\');
        prop_assert_eq!(quote_or_escape(&bytes), bytes.iter().position(is_end));
        let first = bytes.iter().position(|byte| is_end(byte) || *byte < b' ');
        // Without an end it is no string, whatever else is in it.
        if bytes.iter().any(is_end) || first.is_some_and(|at| at < NEAR) {
            prop_assert_eq!(special(&bytes), first);
        } else {
            prop_assert_eq!(special(&bytes), None);
        }
    }

    #[test]
    fn members_are_those_of_a_parser(members in prop::collection::btree_map("[a-z/]{0,20}", document(), 0..6), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&members) } else { serde_json::to_string(&members) }.unwrap();
        let found = self::members(&text).expect("valid");
        prop_assert_eq!(found.len(), members.len());
        for (name, value) in found {
            prop_assert_eq!(&serde_json::from_str::<Value>(value).unwrap(), &members[name]);
        }
    }

    /// What is found from the end is what a parser finds, wherever else the name stands.
    #[test]
    fn the_last_member_is_a_parsers(
        mut members in prop::collection::btree_map("usage|[a-z]{0,3}", document(), 0..5),
        inner in prop::collection::btree_map("usage|[a-z]{0,3}", document(), 0..3),
        pretty: bool,
    ) {
        members.insert("~deep".to_owned(), serde_json::to_value(&inner).unwrap());
        members.insert("text".to_owned(), serde_json::to_string(&inner).unwrap().into());
        let text = if pretty { serde_json::to_vec_pretty(&members) } else { serde_json::to_vec(&members) }.unwrap();
        if let Some(value) = last_member(&text, &memmem::Finder::new(b"\"usage\"")) {
            prop_assert_eq!(Some(&serde_json::from_slice::<Value>(value).unwrap()), members.get("usage"));
        }
    }

    /// Nothing that the parser refuses is taken: any change of a byte, and any cut.
    #[test]
    fn nothing_is_taken_that_a_parser_refuses(
        members in prop::collection::btree_map("[a-z]{0,4}", document(), 0..4),
        at: prop::sample::Index,
        byte in "[\\[\\]{}\",:0-9eE+.tfn\\\\ -]",
        cut: bool,
    ) {
        let mut text = serde_json::to_string(&members).unwrap();
        let at = at.index(text.len());
        if text.is_char_boundary(at) && text.is_char_boundary(at + 1) {
            text.replace_range(at..=at, if cut { "" } else { &byte });
        }
        if self::members(&text).is_some() {
            prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(), "{}", text);
        }
    }

    #[test]
    fn bytes_from_outside_are_safe(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = visit_members(&bytes, |_, _| {});
    }
}

#[test]
fn the_elements_of_an_array_are_found_and_nothing_else_is_taken() {
    let elements = |text: &'static str| {
        let mut found = Vec::new();
        visit_elements(text.as_bytes(), |at| found.push(&text[at])).map(|()| found)
    };
    assert_eq!(elements(r#" [1, {"a":[2]} ,"x"] "#), Some(vec!["1", r#"{"a":[2]}"#, "\"x\""]));
    assert_eq!(elements("[ ]"), Some(vec![]));
    for bad in ["", "{}", "[1", "[1,]", "[1 2]", "[1]]", "[,]", "1"] {
        assert_eq!(elements(bad), None, "{bad}");
    }
}
