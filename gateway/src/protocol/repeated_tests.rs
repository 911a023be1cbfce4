//! Repeated members beside a parser that notes them as it goes.

use std::{collections::HashSet, fmt};

use proptest::prelude::*;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::*;

const FREE: [&str; 2] = ["args", "labels"];
const TWO: Spelling = Spelling::Two { free: &FREE };

fn one(text: &str) -> Option<String> {
    scan(text, Spelling::One, |_, _| ())
}

fn two(text: &str) -> Option<String> {
    scan(text, TWO, |_, _| ())
}

#[test]
fn a_member_that_stands_twice_in_one_object_is_named() {
    for (text, name) in [
        (r#"{"a":1,"b":2,"a":3}"#, Some("a")),
        (r#"{"a":1,"\u0061":3}"#, Some("a")),
        (r#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}],"c":{},"d":[]}"#, None),
        (r#" { "a" : [ { "x" : { "b" : 1 , "b" : 2 } } ] } "#, Some("b")),
        (r#"{"a":"\"a\":1","b":"{\"b\":1,\"b\":2}"}"#, None),
        (r#"{"a":{"b":{}},"b":{"c":[],"c":{}}}"#, Some("c")),
        // A lone surrogate is no text, and the same name in whichever spelling.
        (r#"{"\ud800":1,"\uD800":2}"#, Some("\u{fffd}\u{fffd}\u{fffd}")),
        (r#"{"\ud800":1,"\udfff":2}"#, None),
        (r#"{"":1,"":2}"#, Some("")),
        (r#"{"a":1,"A":2,"a_b":3,"aB":4}"#, None),
        // Above a few members they are told apart by their hashes.
        (r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":{"a":1},"k":1}"#, None),
        (r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":{"a":1},"\u0063":1}"#, Some("c")),
    ] {
        assert_eq!(one(text).as_deref(), name, "{text}");
    }
}

#[test]
fn both_spellings_of_a_name_are_one_outside_what_the_caller_names() {
    for (text, name) in [
        (r#"{"a_b":1,"aB":2}"#, Some("aB")),
        (r#"{"x":[{"aB":1,"a\u005fb":2}]}"#, Some("a_b")),
        (r#"{"args":{"a_b":1,"aB":2,"x":{"a_b":1,"aB":{}}}}"#, None),
        (r#"{"args":{"a_b":1,"x":[{"a":1,"a":2}]}}"#, Some("a")),
        (r#"{"args":{"x":{"args":{}}},"a_b":1,"aB":2}"#, Some("aB")),
        (r#"{"\u0061rgs":{"a_b":1,"aB":2}}"#, None),
        // What is no object is not the caller's own.
        (r#"{"args":[{"a_b":1,"aB":2}]}"#, Some("aB")),
        (r#"{"args":1,"x":{"a_b":1,"aB":2}}"#, Some("aB")),
        (r#"{"args":"x","x":{"labels":{"a_b":1,"aB":2},"y":1}}"#, None),
        (r#"{"_a":1,"a":2}"#, None),
    ] {
        assert_eq!(two(text).as_deref(), name, "{text}");
        assert_eq!(one(text).is_some(), name == Some("a"), "{text}");
    }
}

#[test]
fn depth_hides_nothing() {
    for (open, close) in [("[", "]"), ("{\"x\":", "}")] {
        let deep = |inner: &str| format!("{{\"a\":{}{inner}{}}}", open.repeat(100_000), close.repeat(100_000));
        assert_eq!(one(&deep(r#"{"b":1,"b":2}"#)).as_deref(), Some("b"));
        assert_eq!(one(&deep(r#"{"b":1,"c":2}"#)), None);
    }
}

#[test]
fn many_members_and_long_names_are_compared_in_little_time() {
    let many: Vec<String> = (0..200_000).map(|number| format!("\"n{number}\":0,")).collect();
    let many = many.concat();
    assert_eq!(one(&format!("{{{many}\"x\":0}}")), None);
    assert_eq!(one(&format!("{{{many}\"n77777\":0}}")).as_deref(), Some("n77777"));
    // A name whose length does not fit beside its place.
    let long = "y".repeat(9 << 20);
    let shown = format!("{}…", "y".repeat(SHOWN));
    assert_eq!(one(&format!("{{\"{long}\":0,\"{long}\":0}}")), Some(shown));
    assert_eq!(one(&format!("{{\"{long}\":0,\"{long}z\":0}}")), None);
}

#[test]
fn the_members_of_the_top_are_shown_with_their_values() {
    let text = r#" {"a" : 1 , "\u0062":{"c":[1,{"d":2}]} ,"e":"}","f":[ ],"g":null } "#;
    let mut seen = Vec::new();
    scan(text, TWO, |name, at| seen.push(format!("{name}={}", &text[at])));
    assert_eq!(seen, ["a=1", r#"b={"c":[1,{"d":2}]}"#, r#"e="}""#, "f=[ ]", "g=null"]);
}

/// Notes whether some object has a name twice.
#[derive(Clone, Copy)]
struct Twice<'f> {
    found: &'f std::cell::Cell<bool>,
    has_two: bool,
}

impl<'de> DeserializeSeed<'de> for Twice<'_> {
    type Value = ();
    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Twice<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            let form = if self.has_two { name.replace("_b", "B") } else { name.clone() };
            if !names.insert(form) {
                self.found.set(true);
            }
            let has_two = self.has_two && !FREE.contains(&name.as_str());
            let value = members.next_value::<Box<serde_json::value::RawValue>>()?;
            let inner = Twice { has_two: has_two || (self.has_two && !value.get().starts_with('{')), ..self };
            let mut json = serde_json::Deserializer::from_str(value.get());
            inner.deserialize(&mut json).map_err(de::Error::custom)?;
        }
        Ok(())
    }
}

fn reference(text: &str, has_two: bool) -> Option<bool> {
    let found = std::cell::Cell::new(false);
    let mut json = serde_json::Deserializer::from_str(text);
    Twice { found: &found, has_two }.deserialize(&mut json).ok()?;
    json.end().ok()?;
    Some(found.get())
}

/// Documents with few names, so that some stand twice.
fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("-1.5e3".to_owned()),
        Just(r#""{\"a\":1,\"a\":2}""#.to_owned()),
        Just("{ }".to_owned()),
        Just("[]".to_owned()),
    ];
    let value = leaf.prop_recursive(5, 60, 12, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" , "))),
            members(inner),
        ]
    });
    members(value)
}

fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let name = r"args|labels|a_b|aB|a\\u005fb|\\u0061B|[a-l]|[m-z]{1,2}|\\n";
    prop::collection::vec((name, value), 0..12).prop_map(|members| {
        let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\" : {value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    #[test]
    fn a_scan_finds_what_a_parser_finds(text in document()) {
        prop_assert_eq!(Some(one(&text).is_some()), reference(&text, false), "{}", text);
        prop_assert_eq!(Some(two(&text).is_some()), reference(&text, true), "{}", text);
    }

    #[test]
    fn any_text_is_scanned_without_a_panic(text in "[\\[\\]{}\",:a-b_0-9\\\\ é]{0,60}") {
        for text in [&text, &format!("{{{text}")] {
            for spelling in [Spelling::One, TWO] {
                scan(text, spelling, |_, at| assert!(text.get(at).is_some()));
            }
        }
    }
}
