//! Questions for a count, and their answers.

use serde_json::{Value, json};

use super::*;
use crate::protocol::Dialect;

fn asked(dialect: Dialect, body: &str, texts: &[(Range<usize>, String)]) -> Option<String> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    dialect.rules().count_body(&body, "up", texts).map(|body| String::from_utf8(body).unwrap())
}

#[test]
fn a_question_holds_what_its_verb_takes_as_it_stands_there() {
    for (dialect, body, expected) in [
        (
            Dialect::Messages,
            r#"{"max_tokens":5,"messages":[ {"role":"user","content":"\u0061"} ],"model":"m","stream":true,"sys\u0074em":"s","thinking":{"type":"disabled"},"temperature":1}"#,
            r#"{"model":"up","messages":[ {"role":"user","content":"\u0061"} ],"system":"s","thinking":{"type":"disabled"}}"#,
        ),
        (
            Dialect::Responses,
            r#"{"model":"m","input":"x","max_output_tokens":5,"tools":[],"store":false,"include":[],"reasoning":{"effort":"low"}}"#,
            r#"{"model":"up","input":"x","tools":[],"reasoning":{"effort":"low"}}"#,
        ),
        (
            Dialect::GenerateContent,
            r#"{"contents":[{"parts":[]}],"system_instruction":{},"generationConfig":{"temperature":1.0},"safetySettings":[],"model":"models/m"}"#,
            r#"{"generateContentRequest":{"model":"models/up","contents":[{"parts":[]}],"system_instruction":{},"generationConfig":{"temperature":1.0}}}"#,
        ),
        (Dialect::GenerateContent, "{}", r#"{"generateContentRequest":{"model":"models/up"}}"#),
    ] {
        assert_eq!(asked(dialect, body, &[]).as_deref(), Some(expected));
        assert!(serde_json::from_str::<Value>(expected).is_ok());
    }
    assert_eq!(asked(Dialect::ChatCompletions, r#"{"model":"m"}"#, &[]), None);
    assert_eq!(asked(Dialect::Messages, "[]", &[]), None);
}

#[test]
fn what_is_hidden_from_the_provider_is_not_in_the_question() {
    let body = r#"{"model":"m","input":"secret","tools":[]}"#;
    let at = body.find("\"secret\"").unwrap();
    let asked = asked(Dialect::Responses, body, &[(at + 1..at + 7, "[REDACTED]".to_owned())]);
    assert_eq!(asked.as_deref(), Some(r#"{"model":"up","input":"[REDACTED]","tools":[]}"#));
}

#[test]
fn the_number_in_the_answer_is_read() {
    for (dialect, reply, expected) in [
        (Dialect::Messages, json!({"input_tokens": 17}), Some(17)),
        (Dialect::Responses, json!({"object": "response.input_tokens", "input_tokens": 9}), Some(9)),
        (Dialect::GenerateContent, json!({"totalTokens": 31, "cachedContentTokenCount": 3}), Some(31)),
        (Dialect::GenerateContent, json!({"totalTokens": "31"}), Some(31)),
        (Dialect::Messages, json!({"input_tokens": -1}), None),
        (Dialect::Messages, json!({"usage": {"input_tokens": 1}}), None),
        (Dialect::Messages, json!([1]), None),
        (Dialect::ChatCompletions, json!({"input_tokens": 17}), None),
    ] {
        assert_eq!(dialect.rules().counted(reply.to_string().as_bytes()), expected, "{reply}");
    }
    assert_eq!(Dialect::Messages.rules().counted(b"\xff"), None);
}
