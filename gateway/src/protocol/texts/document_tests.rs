//! Whole requests and replies under content rules.

use bitrouter_proto::account::policy::ContentAction::{Block as Blocks, Redact};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::content_rules::tests::rules;

fn key_rules() -> ContentRules {
    rules(&[("sk-[a-z0-9]{4,8}", Redact, None), ("(?i)forbidden", Blocks, None)])
}

fn applied(text: &str, verdict: &Verdict) -> Option<String> {
    let (mut out, mut from) = (String::new(), 0);
    match verdict {
        Verdict::Clear => return Some(text.to_owned()),
        Verdict::Blocked(_) => return None,
        Verdict::Redacted(edits) => {
            for (at, with) in edits {
                out += &text[from..at.start];
                out += with;
                from = at.end;
            }
        }
    }
    Some(out + &text[from..])
}

/// What stands in each place of a request that reaches the model.
#[test]
fn a_request_is_judged_wherever_it_reaches_the_model() {
    use Dialect::{ChatCompletions, GenerateContent, Messages, Responses};
    let rules = key_rules();
    for (dialect, request) in [
        (ChatCompletions, r#"{"messages":[{"role":"user","content":"§"}]}"#),
        (ChatCompletions, r#"{"messages":[{"role":"user","name":"§","content":[{"type":"text","text":"§"}]}]}"#),
        (ChatCompletions, r#"{"messages":[{"role":"tool","tool_call_id":"x","content":"a § b"}]}"#),
        (
            ChatCompletions,
            r#"{"messages":[{"role":"assistant","refusal":"§","reasoning_content":"§","tool_calls":[{"id":"x","function":{"name":"f","arguments":"{\"a\":[\"§\",{\"b\":\"\\n§\"}]}"}}]}]}"#,
        ),
        (ChatCompletions, r#"{"messages":[{"role":"assistant","tool_calls":[{"custom":{"name":"f","input":"§"}}]}]}"#),
        (ChatCompletions, r#"{"prompt":["§","x §"],"suffix":"§"}"#),
        (ChatCompletions, r#"{"input":["§",[1,2]]}"#),
        (
            ChatCompletions,
            r#"{"tools":[{"type":"function","function":{"name":"f","description":"§","parameters":{"properties":{"description":{"description":"§"}}}}}]}"#,
        ),
        (ChatCompletions, r#"{"prediction":{"type":"content","content":"§"}}"#),
        (Responses, r#"{"input":"§","instructions":"§"}"#),
        (
            Responses,
            r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"§"},{"type":"input_image","image_url":"sk-abcd"}]}]}"#,
        ),
        (
            Responses,
            r#"{"input":[{"type":"function_call","name":"f","arguments":"{\"a\":\"§\"}"},{"type":"function_call_output","output":"§"},{"type":"function_call_output","output":[{"type":"input_text","text":"§"}]}]}"#,
        ),
        (
            Responses,
            r#"{"input":[{"type":"custom_tool_call","input":"§"},{"type":"reasoning","summary":[{"type":"summary_text","text":"§"}]}]}"#,
        ),
        (Responses, r#"{"prompt":{"id":"sk-abcd","variables":{"a":"§","b":{"type":"input_text","text":"§"}}}}"#),
        (Messages, r#"{"system":"§","messages":[{"role":"user","content":"§"}]}"#),
        (Messages, r#"{"system":[{"type":"text","text":"§","cache_control":{"type":"ephemeral"}}]}"#),
        (
            Messages,
            r#"{"messages":[{"content":[{"type":"tool_result","tool_use_id":"sk-abcd","content":[{"type":"text","text":"§"}]},{"type":"tool_result","content":"§"}]}]}"#,
        ),
        (
            Messages,
            r#"{"messages":[{"content":[{"type":"tool_use","name":"f","input":{"a":{"b":["§"]}}},{"type":"document","title":"§","context":"§","source":{"type":"text","media_type":"text/plain","data":"§"}}]}]}"#,
        ),
        (
            Messages,
            r#"{"messages":[{"content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"sk-abcd"}},{"type":"text","text":"x","citations":[{"cited_text":"§"}]}]}]}"#,
        ),
        (
            Messages,
            r#"{"tools":[{"name":"f","description":"§","input_schema":{"properties":{"a":{"description":"§"}}},"input_examples":[{"a":"§"}]}]}"#,
        ),
        (
            GenerateContent,
            r#"{"contents":[{"role":"user","parts":[{"text":"§"},{"inlineData":{"data":"sk-abcd"}}]}],"systemInstruction":{"parts":[{"text":"§"}]}}"#,
        ),
        (
            GenerateContent,
            r#"{"system_instruction":{"parts":{"text":"§"}},"contents":{"parts":{"function_response":{"name":"f","response":{"a":"§"}}}}}"#,
        ),
        (
            GenerateContent,
            r#"{"contents":[{"parts":[{"functionCall":{"args":{"a":["§"]}}},{"executableCode":{"code":"§"}},{"codeExecutionResult":{"output":"§"}}]}]}"#,
        ),
        (GenerateContent, r#"{"requests":[{"model":"m","content":{"parts":[{"text":"§"}]},"title":"§"}]}"#),
        (GenerateContent, r#"{"generateContentRequest":{"contents":[{"parts":[{"text":"§"}]}]}}"#),
        (
            GenerateContent,
            r#"{"tools":[{"functionDeclarations":[{"name":"f","description":"§","parameters":{"properties":{"a":{"description":"§"}}}}]}]}"#,
        ),
    ] {
        let (asked, wanted) = (request.replace('§', "s\\u006b-abcd"), request.replace('§', REDACTED_TEXT));
        // Within arguments the escape is one more deep.
        let asked = if request.contains("arguments") { request.replace('§', "sk-abcd") } else { asked };
        let verdict = check_request(&rules, dialect.rules().texts(), &asked);
        assert_eq!(applied(&asked, &verdict).as_deref(), Some(wanted.as_str()), "{dialect} {request}");
        let blocked = request.replacen('§', "forBidden", 1);
        assert!(matches!(check_request(&rules, dialect.rules().texts(), &blocked), Verdict::Blocked(_)), "{request}");
    }
}

const REDACTED_TEXT: &str = "[REDACTED]";

#[test]
fn what_is_signed_is_blocked() {
    let rules = key_rules();
    for (dialect, reply) in [
        (Dialect::Messages, r#"{"content":[{"type":"thinking","thinking":"sk-abcd","signature":"x"}]}"#),
        (
            Dialect::Responses,
            r#"{"output":[{"type":"reasoning","encrypted_content":"x","summary":[{"type":"summary_text","text":"sk-abcd"}]}]}"#,
        ),
        (
            Dialect::GenerateContent,
            r#"{"candidates":[{"content":{"parts":[{"text":"sk-abcd","thoughtSignature":"x","thought":true}]}}]}"#,
        ),
        (
            Dialect::ChatCompletions,
            r#"{"choices":[{"message":{"content":"sk-abcd"},"logprobs":{"content":[{"token":"sk"}]}}]}"#,
        ),
        (
            Dialect::GenerateContent,
            r#"{"candidates":[{"content":{"parts":[{"text":"sk-abcd"}]},"logprobsResult":{}}]}"#,
        ),
    ] {
        assert!(matches!(check_reply(&rules, dialect, reply), Verdict::Blocked(_)), "{reply}");
        assert_eq!(check_reply(&rules, dialect, &reply.replace("sk-abcd", "fine")), Verdict::Clear);
    }
    for (dialect, reply) in [
        (
            Dialect::Responses,
            r#"{"output":[{"type":"reasoning","encrypted_content":"","summary":[{"text":"§"}]},{"type":"message","content":[{"text":"§","annotations":[{"title":"§"}]}]}]}"#,
        ),
        (
            Dialect::GenerateContent,
            r#"{"candidates":[{"content":{"parts":[{"text":"§","thought":true},{"text":"§","thoughtSignature":"x"}]},"groundingMetadata":{"groundingSupports":[{"segment":{"text":"§"}}]}}]}"#,
        ),
        (
            Dialect::ChatCompletions,
            r#"{"choices":[{"message":{"content":"§","reasoning":"§"},"logprobs":null},{"text":"§"}],"id":"sk-abcd"}"#,
        ),
        (
            Dialect::Messages,
            r#"{"id":"sk-abcd","content":[{"type":"text","text":"§","citations":[{"cited_text":"§"}]}]}"#,
        ),
    ] {
        let text = reply.replace('§', "sk-abcd");
        assert_eq!(applied(&text, &check_reply(&rules, dialect, &text)).unwrap(), reply.replace('§', REDACTED_TEXT));
    }
}

#[test]
fn thinking_without_a_signature_is_redacted() {
    let rules = key_rules();
    let texts = Dialect::Messages.rules().texts();
    let block = |thinking: &str, signature: &str| {
        let block = json!({"type": "thinking", "thinking": thinking, "signature": signature});
        json!({"content": [block], "messages": [{"role": "assistant", "content": [block]}]}).to_string()
    };
    let (asked, wanted) = (block("a sk-abcd", ""), block("a [REDACTED]", ""));
    let reply = asked.replace("\"messages\"", "\"x\"").replace("\"role\"", "\"name\"");
    assert!(matches!(check_reply(&rules, Dialect::Messages, &reply), Verdict::Redacted(_)));
    let verdict = check_request(&rules, texts, &asked);
    assert_eq!(applied(&asked, &verdict).unwrap().matches(REDACTED_TEXT).count(), 1);
    assert!(applied(&asked, &verdict).unwrap().ends_with(&wanted[wanted.len() - 40..]));
    assert!(matches!(check_request(&rules, texts, &block("a sk-abcd", "x")), Verdict::Blocked(_)));
    let unsigned = r#"{"choices":[{"message":{"reasoning_details":[{"type":"reasoning.text","text":"sk-abcd"}]}}]}"#;
    assert!(matches!(check_reply(&rules, Dialect::ChatCompletions, unsigned), Verdict::Redacted(_)));
    let signed = unsigned.replace("\"type\"", "\"signature\":\"x\",\"type\"");
    assert!(matches!(check_reply(&rules, Dialect::ChatCompletions, &signed), Verdict::Blocked(_)));
}

/// Documents in base64, in requests of every dialect; `§` is what they say.
#[test]
fn documents_in_base64_are_judged() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let rules = key_rules();
    for (dialect, request) in [
        (
            Dialect::Messages,
            r#"{"messages":[{"content":[{"type":"document","source":{"type":"base64","media_type":"text/plain","data":"§"}}]}]}"#,
        ),
        (
            Dialect::Messages,
            r#"{"messages":[{"content":[{"type":"tool_result","content":[{"type":"document","source":{"data":"§","media_type":"text/csv","type":"base64"}}]}]}]}"#,
        ),
        (
            Dialect::ChatCompletions,
            r#"{"messages":[{"content":[{"type":"file","file":{"filename":"a","file_data":"data:text/plain;base64,§"}}]}]}"#,
        ),
        (Dialect::Responses, r#"{"input":[{"content":[{"type":"input_file","file_data":"data:text/x;base64,§"}]}]}"#),
        (Dialect::GenerateContent, r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"text/plain","data":"§"}}]}]}"#),
        (
            Dialect::GenerateContent,
            r#"{"contents":{"parts":{"inline_data":{"data":"§","mime_type":"application/json"}}}}"#,
        ),
    ] {
        let with = |text: &str| request.replace('§', &STANDARD.encode(text));
        let judged = |text: &str| {
            let asked = with(text);
            applied(&asked, &check_request(&rules, dialect.rules().texts(), &asked))
        };
        assert_eq!(judged("é my sk-abcd, sk-abce").unwrap(), with("é my [REDACTED], [REDACTED]"), "{request}");
        assert_eq!(judged("it is forbidden"), None, "{request}");
        assert_eq!(judged("fine").unwrap(), with("fine"), "{request}");
        for picture in ["image/png", "audio/wav"] {
            let asked = with("forbidden").replace("text/plain", picture).replace("text/csv", picture);
            let asked = asked.replace("text/x", picture).replace("application/json", picture);
            assert_eq!(check_request(&rules, dialect.rules().texts(), &asked), Verdict::Clear, "{asked}");
        }
    }
}

#[test]
fn what_is_no_object_is_judged_all_the_same() {
    let rules = key_rules();
    for (text, wanted) in [
        ("sk-abcd", "[REDACTED]"),
        ("<p>sk-abcd</p>", "<p>[REDACTED]</p>"),
        (r#"[{"error":{"message":"s\u006b-abcd"}}]"#, r#"[{"error":{"message":"[REDACTED]"}}]"#),
        (r#""sk-abcd""#, r#""[REDACTED]""#),
        (r#"{"error":{"message":"sk-abcd","code":"x"}}"#, r#"{"error":{"message":"[REDACTED]","code":"x"}}"#),
        (r#"{"error":{"message":"sk-abcd"#, r#"{"error":{"message":"[REDACTED]"#),
        ("{'a': sk-abcd", "{'a': [REDACTED]"),
        ("", ""),
    ] {
        assert_eq!(applied(text, &check_any(&rules, text)).as_deref(), Some(wanted), "{text}");
    }
}

fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i32>().prop_map(Value::from),
        "(sk-abcd|[a-c\"\\\\\n😀é]){0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 30, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("text|content|type|parts|role|[a-c]{1,2}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A tree with the names that dialects know.
fn places() -> impl Strategy<Value = Value> {
    let leaf =
        "sk-abcd|a|data:text/plain;base64,c2stYWJjZA==|https://a.example/sk-abcd|text|base64|text/plain|c2stYWJjZA==|x";
    let names = "type|text|content|parts|role|name|description|title|enum|const|default|examples|properties|url|uri|image_url|\
        file_data|source|data|media_type|mimeType|inlineData|functionCall|args|arguments|function|parameters|tool_calls|input|\
        thinking|signature|thought|message|delta|item|part|[a-c]";
    leaf.prop_map(Value::from).prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Every string value of a tree, redacted.
fn redacted(tree: &Value) -> Value {
    match tree {
        Value::String(text) => {
            let mut out = text.clone();
            while let Some(at) = out.find("sk-abcd") {
                let end = (at + 3..out.len().min(at + 11))
                    .take_while(|end| out.as_bytes()[*end].is_ascii_lowercase())
                    .count();
                out.replace_range(at..at + 3 + end, REDACTED_TEXT);
            }
            out.into()
        }
        Value::Array(items) => items.iter().map(redacted).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), redacted(value))).collect(),
        other => other.clone(),
    }
}

proptest! {
    /// The same tree as arguments in a string and as an input.
    #[test]
    fn every_value_of_an_input_is_judged(tree in tree()) {
        let rules = rules(&[("sk-[a-z]{4,8}", Redact, None)]);
        let tree = json!({ "top": tree });
        let input = json!({"content": [{"type": "tool_use", "input": tree}]}).to_string();
        let judged = applied(&input, &check_reply(&rules, Dialect::Messages, &input)).unwrap();
        let judged: Value = serde_json::from_str(&judged).unwrap();
        prop_assert_eq!(&judged["content"][0]["input"], &redacted(&tree));
        let call = json!({"choices": [{"message": {"tool_calls": [{"function": {"arguments": tree.to_string()}}]}}]}).to_string();
        let judged = applied(&call, &check_reply(&rules, Dialect::ChatCompletions, &call)).unwrap();
        let judged: Value = serde_json::from_str(&judged).unwrap();
        let arguments = judged["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(arguments).unwrap(), redacted(&tree));
    }

    /// Whether a rule blocks or redacts, it sees the same texts, wherever they stand: in schemas, addresses or anywhere else.
    #[test]
    fn both_actions_see_the_same(tree in places(), dialect in prop::sample::select(Dialect::ALL.to_vec()), name in "[a-z]{1,2}|messages|contents|input|tools|system|text|content|choices|output|candidates|delta") {
        let [redact, block] = [Redact, Blocks].map(|action| rules(&[("sk-abcd", action, None)]));
        let text = json!({ name: tree }).to_string();
        let texts = dialect.rules().texts();
        for (redacted, blocked) in [
            (check_request(&redact, texts, &text), check_request(&block, texts, &text)),
            (check_reply(&redact, dialect, &text), check_reply(&block, dialect, &text)),
            (check_any(&redact, &text), check_any(&block, &text)),
        ] {
            prop_assert_eq!(redacted == Verdict::Clear, blocked == Verdict::Clear, "{}", &text);
            if let Verdict::Redacted(_) = &redacted {
                // What is left says nothing of it any more.
                let rest = applied(&text, &redacted).unwrap();
                let again = [check_request(&block, texts, &rest), check_reply(&block, dialect, &rest), check_any(&block, &rest)];
                prop_assert!(again.contains(&Verdict::Clear), "{}", rest);
            }
        }
    }

    #[test]
    fn bytes_from_outside_are_safe(text in "[\\[\\]{}\",:a0-9\\\\u ]{0,60}") {
        let rules = key_rules();
        for dialect in Dialect::ALL {
            let _ = (check_reply(&rules, dialect, &text), check_request(&rules, dialect.rules().texts(), &format!("{{{text}}}")));
        }
        let _ = check_any(&rules, &text);
    }
}
