//! The copy of a document holds what is wanted, in its place, however the document arrives.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::fuzzing::documents::{NAMES, pruned};

fn scan(document: &[u8], sizes: &[usize]) -> JsonScan {
    let mut scan = JsonScan::new(NAMES);
    let (mut rest, mut sizes) = (document, sizes.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
        scan.push(&rest[..size]);
        rest = &rest[size..];
    }
    scan
}

#[test]
fn only_what_is_wanted_is_copied_and_only_in_its_place() {
    for (document, copy) in [
        (r#"{"usage":{"a":1},"x":2}"#, Some(r#"{"usage":{"a":1}}"#)),
        (r#"{"x":{"usage":{"a":1}}}"#, Some("{}")),
        (r#"{"x":"\"usage\":{\"a\":1}", "usage" : null , "y":3}"#, Some(r#"{"usage":null}"#)),
        (r#"{"u\u0073age":[1,{"b": "2"} , true]}"#, Some(r#"{"u\u0073age":[1,{"b":"2"},true]}"#)),
        (r#"{"usage":1,"usage":"a\"},b"}"#, Some(r#"{"usage":1,"usage":"a\"},b"}"#)),
        (
            r#"{"response":{"id":"r","usage":{"id":5,"x":[]},"output":[{"usage":1}]},"more":1}"#,
            Some(r#"{"response":{"id":"r","usage":{"id":5,"x":[]}}}"#),
        ),
        (
            r#"{"candidates":[{"content":{"usage":1},"finishReason":"STOP"},{"i":0},7]}"#,
            Some(r#"{"candidates":[{"finishReason":"STOP"},{},7]}"#),
        ),
        (r#"[{"usage":1}]"#, None),
        (r#"{"a":"usage","b":1}"#, Some("{}")),
        (r#"{"a":["usage",":",1],"usage":7}"#, Some(r#"{"usage":7}"#)),
        (r#"{"usage":{"a":1"#, None),
        (r#"{"usage":12"#, None),
        (r#"{"usage":"a"#, None),
        (r#"{"usage":{"a":1},"text":"cut of"#, Some(r#"{"usage":{"a":1}}"#)),
        (r#""usage""#, None),
        (" ", None),
    ] {
        for sizes in [&[][..], &[1], &[3, 2]] {
            assert_eq!(scan(document.as_bytes(), sizes).copy().as_deref(), copy, "{document}, in pieces of {sizes:?}");
        }
    }
}

#[test]
fn r1_14_a_nest_of_usages_and_a_value_before_much_else_are_read_in_one_pass() {
    let nest = format!("{}1{}", r#"{"usage":"#.repeat(200_000), "}".repeat(200_000));
    let found = scan(nest.as_bytes(), &[4096]);
    let copy = found.copy().unwrap();
    assert!(found.is_whole() && copy.len() < 1000 && serde_json::from_str::<Value>(&copy).is_ok(), "{copy}");
    let early = format!(r#"{{"usage":{{"a":1}},"choices":"{}"}}"#, "x".repeat(200_000));
    assert_eq!(scan(early.as_bytes(), &[1000]).copy().as_deref(), Some(r#"{"usage":{"a":1}}"#));
}

#[test]
fn a_long_text_is_empty_and_a_large_copy_is_given_up() {
    let long = json!({"id": "x".repeat(5000), "usage": {"a": "\\\"".repeat(900), "b": 1}}).to_string();
    let copy = scan(long.as_bytes(), &[700]).copy().unwrap().into_owned();
    assert_eq!(serde_json::from_str::<Value>(&copy).unwrap(), json!({"id": "", "usage": {"a": "", "b": 1}}));
    let large = json!({"usage": vec![1; 100_000], "id": {"a": "b"}, "x": [{"usage": 2}]}).to_string();
    let found = scan(large.as_bytes(), &[999]);
    assert!(found.is_whole() && found.copy().is_none() && found.copy.capacity() < 4 * LARGEST_COPY);
}

proptest! {
    #[test]
    fn every_cut_of_a_document_is_noticed(texts in prop::collection::vec("\\PC{0,8}", 0..5), chunk in 1usize..7) {
        let document = serde_json::to_vec(&json!({"a": texts, "b": [{"c": "\\\""}]})).unwrap();
        for end in 0..=document.len() {
            prop_assert_eq!(scan(&document[..end], &[chunk]).is_whole(), end == document.len());
        }
    }

    /// Whatever stands around them and however it is cut, the copy holds what a parser finds.
    #[test]
    fn the_copy_is_a_parsers(document in document(), pretty: bool, sizes in prop::collection::vec(1usize..9, 1..6)) {
        let text = if pretty { serde_json::to_vec_pretty(&document) } else { serde_json::to_vec(&document) }.unwrap();
        let found = scan(&text, &sizes);
        let copy = found.copy().map(|copy| serde_json::from_str::<Value>(&copy).unwrap());
        prop_assert_eq!(copy, document.is_object().then(|| pruned(&document, false)));
    }

    /// A copy that is there is the same for any pieces, and no bytes from outside harm.
    #[test]
    fn any_rechunking_gives_the_same(
        text in "(\"usage\"|\"id\"|\"x\"|[\\[\\]{}\",:a1\\\\ ]){0,30}",
        sizes in prop::collection::vec(1usize..5, 1..4),
    ) {
        let (whole, cut) = (scan(text.as_bytes(), &[]), scan(text.as_bytes(), &sizes));
        prop_assert_eq!(whole.is_whole(), cut.is_whole());
        // Where the white space within a number is no JSON, the copies may tell it differently.
        if serde_json::from_str::<Value>(&text).is_ok() {
            prop_assert_eq!(whole.copy(), cut.copy());
        }
    }
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,9}|\\{\\}\\[\"".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let name = "usage|id|response|candidates|finishReason|us\\\\|\\PC{0,3}";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
