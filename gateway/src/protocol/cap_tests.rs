//! Caps in the bodies of all four dialects, beside a tree in which the member is set.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    protocol::{Dialect, Rewrite, Verb, splice::COPIED},
    registry::OutputCap,
};

fn written(dialect: Dialect, body: &str, with: &Rewrite<'_>) -> String {
    let in_path = (dialect == Dialect::GenerateContent).then(|| "m".to_owned());
    let fields = dialect.rules().read(with.verb, in_path, body.as_bytes()).unwrap();
    let body = Bytes::copy_from_slice(body.as_bytes());
    let once = dialect.rules().rewrite(&fields, &body, with).0.as_slice().concat();
    // The same where it was judged before.
    let mut fields = fields;
    fields.judged = Some(Box::new(dialect.rules().judge(std::str::from_utf8(&body).unwrap())));
    assert_eq!(dialect.rules().rewrite(&fields, &body, with).0.as_slice().concat(), once);
    String::from_utf8(once).unwrap()
}

fn capped(verb: Verb, output_cap: OutputCap) -> Rewrite<'static> {
    Rewrite { cap: Some(70), output_cap, ..Rewrite::plain(verb, "m", false) }
}

#[test]
fn every_cap_that_says_a_number_gets_the_new_one() {
    let (first, second) = (OutputCap::MaxTokens, OutputCap::MaxCompletionTokens);
    for (dialect, verb, output_cap, body, expected) in [
        // With none, the one that the manifest names.
        (Dialect::ChatCompletions, Verb::Generate, first, r#"{"model":"m"} "#, r#"{"model":"m","max_tokens":70} "#),
        (
            Dialect::ChatCompletions,
            Verb::Generate,
            second,
            r#"{"model":"m" }"#,
            r#"{"model":"m" ,"max_completion_tokens":70}"#,
        ),
        (
            Dialect::ChatCompletions,
            Verb::Generate,
            second,
            r#"{"max_tokens": 5 ,"model":"m"}"#,
            r#"{"max_tokens": 70 ,"model":"m"}"#,
        ),
        (
            Dialect::ChatCompletions,
            Verb::Generate,
            first,
            r#"{"max_completion_tokens":9,"model":"m","max_tok\u0065ns":900}"#,
            r#"{"max_completion_tokens":70,"model":"m","max_tok\u0065ns":70}"#,
        ),
        // Null says nothing.
        (
            Dialect::ChatCompletions,
            Verb::Generate,
            second,
            r#"{"max_tokens":null,"model":"m"}"#,
            r#"{"max_tokens":null,"model":"m","max_completion_tokens":70}"#,
        ),
        (
            Dialect::ChatCompletions,
            Verb::Generate,
            second,
            r#"{"max_tokens":9,"max_completion_tokens":null,"model":"m"}"#,
            r#"{"max_tokens":70,"max_completion_tokens":null,"model":"m"}"#,
        ),
        (
            Dialect::ChatCompletions,
            Verb::Generate,
            first,
            r#"{"max_tokens":null,"model":"m"}"#,
            r#"{"max_tokens":70,"model":"m"}"#,
        ),
        // A completion has one, whatever the manifest says.
        (
            Dialect::ChatCompletions,
            Verb::Complete,
            second,
            r#"{"model":"m","max_completion_tokens":9}"#,
            r#"{"model":"m","max_completion_tokens":70,"max_tokens":70}"#,
        ),
        // One of another dialect is set too, and is none of its own.
        (
            Dialect::ChatCompletions,
            Verb::Generate,
            second,
            r#"{"model":"m","max_output_tokens":9}"#,
            r#"{"model":"m","max_output_tokens":70,"max_completion_tokens":70}"#,
        ),
        (
            Dialect::ChatCompletions,
            Verb::Generate,
            second,
            r#"{"model":"m","max_output_tokens":9,"max_tokens":900}"#,
            r#"{"model":"m","max_output_tokens":70,"max_tokens":70}"#,
        ),
        (
            Dialect::Messages,
            Verb::Generate,
            first,
            r#"{"model":"m","max_completion_tokens":9,"max_output_tokens":null,"max_tokens":900}"#,
            r#"{"model":"m","max_completion_tokens":70,"max_output_tokens":null,"max_tokens":70}"#,
        ),
        // A verb without output has none.
        (Dialect::ChatCompletions, Verb::Embed, first, r#"{"model":"m"}"#, r#"{"model":"m"}"#),
        (Dialect::Messages, Verb::CountTokens, first, r#"{"model":"m"}"#, r#"{"model":"m"}"#),
        (Dialect::Messages, Verb::Generate, second, r#"{"model":"m"}"#, r#"{"model":"m","max_tokens":70}"#),
        (
            Dialect::Messages,
            Verb::Generate,
            first,
            r#"{"max_tokens":4096,"model":"m"}"#,
            r#"{"max_tokens":70,"model":"m"}"#,
        ),
        (Dialect::Responses, Verb::Generate, first, r#"{"model":"m"}"#, r#"{"model":"m","max_output_tokens":70}"#),
        (
            Dialect::Responses,
            Verb::Generate,
            first,
            r#"{"model":"m","max_output_tokens":null,"max_tokens":3}"#,
            r#"{"model":"m","max_output_tokens":70,"max_tokens":70}"#,
        ),
    ] {
        assert_eq!(written(dialect, body, &capped(verb, output_cap)), expected);
    }
}

#[test]
fn googles_cap_stands_in_its_config_in_the_spelling_that_is_there() {
    for (body, expected) in [
        ("{ }", r#"{"generationConfig":{"maxOutputTokens":70} }"#),
        (r#" { "contents":[]}"#, r#" {"generationConfig":{"maxOutputTokens":70}, "contents":[]}"#),
        (r#"{"generationConfig":null}"#, r#"{"generationConfig":{"maxOutputTokens":70}}"#),
        (r#"{"generation_config":null}"#, r#"{"generation_config":{"max_output_tokens":70}}"#),
        (r#"{"generationConfig":{ }}"#, r#"{"generationConfig":{"maxOutputTokens":70 }}"#),
        (r#"{"generation_config":{ "topK":1}}"#, r#"{"generation_config":{"max_output_tokens":70, "topK":1}}"#),
        (r#"{"generation_config":{"maxOutputTokens": 5}}"#, r#"{"generation_config":{"maxOutputTokens": 70}}"#),
        (
            r#"{"generationConfig":{"x":{"maxOutputTokens":5},"max_output_tok\u0065ns":null}}"#,
            r#"{"generationConfig":{"x":{"maxOutputTokens":5},"max_output_tok\u0065ns":70}}"#,
        ),
        // The provider refuses it.
        (r#"{"generationConfig":7}"#, r#"{"generationConfig":7}"#),
    ] {
        for verb in [Verb::Generate, Verb::GenerateStream] {
            assert_eq!(written(Dialect::GenerateContent, body, &capped(verb, OutputCap::MaxTokens)), expected);
        }
        assert_eq!(written(Dialect::GenerateContent, body, &capped(Verb::EmbedBatch, OutputCap::MaxTokens)), body);
    }
}

#[test]
fn all_that_is_written_anew_is_written_at_once() {
    let pad = "x".repeat(COPIED);
    for pad in ["", &pad] {
        let body = format!(r#"{{"pad":"{pad}","messages":["hush"],"stream":true,"model":"m","max_tokens":9}}"#);
        let hush = body.find("\"hush\"").unwrap();
        let texts = [(hush + 1..hush + 5, "[REDACTED]".to_owned())];
        let with =
            Rewrite { texts: &texts, asks_usage: true, model: "up", ..capped(Verb::Generate, OutputCap::MaxTokens) };
        let expected = format!(
            r#"{{"pad":"{pad}","messages":["[REDACTED]"],"stream":true,"model":"up","max_tokens":70,"stream_options":{{"include_usage":true}}}}"#
        );
        assert_eq!(written(Dialect::ChatCompletions, &body, &with), expected);
    }
    let with = Rewrite { max_tool_calls: Some(8), model: "up", ..capped(Verb::Generate, OutputCap::MaxTokens) };
    for (body, expected) in [
        (r#"{"model":"m"}"#, r#"{"model":"up","max_output_tokens":70,"max_tool_calls":8}"#),
        (r#"{"max_tool_calls":null,"model":"m"}"#, r#"{"max_tool_calls":8,"model":"up","max_output_tokens":70}"#),
    ] {
        assert_eq!(written(Dialect::Responses, body, &with), expected);
    }
    // Nobody else has such a bound.
    assert_eq!(
        written(Dialect::Messages, r#"{"model":"m","max_tokens":9}"#, &with),
        r#"{"model":"up","max_tokens":70}"#
    );
    let calls = Rewrite { cap: None, ..with };
    assert_eq!(written(Dialect::Responses, r#"{"model":"m"}"#, &calls), r#"{"model":"up","max_tool_calls":8}"#);
}

/// Sets the cap in a tree as [`super::set`] does in bytes.
fn set(tree: &mut Value, dialect: Dialect, output_cap: OutputCap) {
    let own: &[&str] = match dialect {
        Dialect::ChatCompletions => &["max_tokens", "max_completion_tokens"],
        Dialect::Responses => &["max_output_tokens"],
        Dialect::Messages => &["max_tokens"],
        Dialect::GenerateContent => {
            let (config, cap) = match tree.get("generation_config") {
                Some(_) => ("generation_config", "max_output_tokens"),
                None => ("generationConfig", "maxOutputTokens"),
            };
            let known = ["maxOutputTokens", "max_output_tokens"];
            let spelt = known.into_iter().find(|name| tree[config].get(name).is_some());
            tree[config][spelt.unwrap_or(cap)] = json!(70);
            return;
        }
    };
    let mut said: Vec<&str> = ["max_tokens", "max_completion_tokens", "max_output_tokens"].into();
    said.retain(|name| tree.get(name).is_some_and(|cap| !cap.is_null()));
    if !said.iter().any(|name| own.contains(name)) {
        said.push(if dialect == Dialect::ChatCompletions { output_cap.as_str() } else { own[0] });
    }
    for name in said {
        tree[name] = json!(70);
    }
}

/// All of `before` but for some bytes in one place each, which are numbers or new.
fn only_grew(before: &str, after: &str) -> bool {
    let mut rest = after.bytes();
    before.bytes().filter(|byte| !byte.is_ascii_digit()).all(|byte| rest.any(|other| other == byte))
}

proptest! {
    #[test]
    fn a_capped_body_is_the_tree_with_its_member_set(
        caps in prop::collection::btree_map("max_tokens|max_completion_tokens|max_output_tokens", prop_oneof![Just(json!(null)), (1_u32..999).prop_map(Value::from)], 0..4),
        others in prop::collection::btree_map("[a-f]{1,3}", prop_oneof![Just(json!({"max_tokens": 1})), Just(json!("}\"")), Just(json!([{}]))], 0..4),
        config in prop::option::of(prop_oneof![
            Just(json!({})),
            Just(json!({"maxOutputTokens": 5})),
            Just(json!({"max_output_tokens": null, "topK": 3})),
        ]),
        is_snake: bool,
        pretty: bool,
        second: bool,
    ) {
        let output_cap = if second { OutputCap::MaxCompletionTokens } else { OutputCap::MaxTokens };
        for dialect in Dialect::ALL {
            let mut tree = json!({"model": "models/m"});
            for (name, value) in caps.iter().chain(&others) {
                tree[name] = value.clone();
            }
            if let Some(config) = &config {
                tree[if is_snake { "generation_config" } else { "generationConfig" }] = config.clone();
            }
            let body = if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) }.unwrap();
            let with = capped(Verb::Generate, output_cap);
            let with = Rewrite { model: if dialect == Dialect::GenerateContent { "m" } else { "models/m" }, ..with };
            let after = written(dialect, &body, &with);
            set(&mut tree, dialect, output_cap);
            prop_assert_eq!(serde_json::from_str::<Value>(&after).unwrap(), tree);
            // A null becomes a number; all else stays where it is.
            prop_assert!(only_grew(&body.replace("null", ""), &after), "{} {}", body, after);
        }
    }
}
