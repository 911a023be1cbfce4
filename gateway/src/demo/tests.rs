//! The demo in every dialect: each line of the surface table has an answer, and a stream says what its twin says.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bitrouter_proto::account::policy::ContentAction;
use serde_json::json;

use super::{words::Position, *};
use crate::protocol::Progress;

const PROMPT: &str = "three little  words\n";

fn ask(dialect: Dialect, verb: Verb, model: &str, body: &Value) -> Result<Answer, InferenceError> {
    let query = if body["alt"] == "sse" { "alt=sse" } else { "" };
    answer(&Asked { dialect, verb, model, query, body: body.to_string().as_bytes() })
}

/// A body that says [`PROMPT`] in `dialect`.
fn body(dialect: Dialect, verb: Verb) -> Value {
    match (dialect, verb) {
        (_, Verb::Complete) => json!({ "prompt": PROMPT }),
        (Dialect::GenerateContent, Verb::Embed) => json!({ "content": { "parts": [{ "text": PROMPT }] } }),
        (_, Verb::Embed) => json!({ "input": PROMPT }),
        (_, Verb::EmbedBatch) => json!({ "requests": [{ "content": { "parts": [{ "text": PROMPT }] } }] }),
        (Dialect::ChatCompletions | Dialect::Messages, _) => {
            json!({ "messages": [{ "role": "user", "content": PROMPT }] })
        }
        (Dialect::Responses, _) => json!({ "input": PROMPT }),
        (Dialect::GenerateContent, _) => json!({ "contents": [{ "parts": [{ "text": PROMPT }] }] }),
    }
}

fn reply(completion: Completion) -> Reply {
    Reply { completion, id: "req_1".to_owned(), created: 7 }
}

fn document(answer: Answer) -> Value {
    match answer {
        Answer::Document(document, _) => document,
        Answer::Text(completion, writer, _) => writer.document(&reply(completion)),
    }
}

/// A stream from its first piece to its last, what it counted, and whether its dialect takes it for a whole one.
struct Streamed {
    pieces: Vec<String>,
    usage: TokenUsage,
    progress: Progress,
    media_type: &'static str,
}

fn streamed(answer: Answer) -> Streamed {
    let Answer::Text(completion, mut writer, Some(mut form)) = answer else { panic!("no stream") };
    let (reply, mut position, mut usage) = (reply(completion), Position::default(), TokenUsage::default());
    let mut pieces = vec![form.stream.push(writer.begin(&reply).into())];
    while let Some(word) = position.next_word(&reply.completion.texts) {
        pieces.push(form.stream.push(writer.word(&reply, &word).into()));
    }
    pieces.push(form.stream.push(writer.end(&reply).into()));
    pieces.push(form.stream.finish().expect("a whole stream"));
    usage.update(form.stream.take_usage().unwrap_or_default());
    let pieces = pieces.iter().map(|piece| String::from_utf8(piece.to_vec()).unwrap()).collect();
    Streamed { pieces, usage, progress: form.stream.status().progress, media_type: form.media_type }
}

impl Streamed {
    fn data(&self) -> Vec<Value> {
        let text = self.pieces.concat();
        text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect()
    }
}

/// What comes as a stream.
const SPOKEN: [(Dialect, Verb); 5] = [
    (Dialect::ChatCompletions, Verb::Generate),
    (Dialect::ChatCompletions, Verb::Complete),
    (Dialect::Responses, Verb::Generate),
    (Dialect::Messages, Verb::Generate),
    (Dialect::GenerateContent, Verb::GenerateStream),
];

fn said(document: &Value) -> &str {
    let places = [
        "/choices/0/message/content",
        "/choices/0/text",
        "/output/0/content/0/text",
        "/content/0/text",
        "/candidates/0/content/parts/0/text",
    ];
    places.iter().find_map(|place| document.pointer(place)?.as_str()).unwrap_or_else(|| panic!("{document}"))
}

#[test]
fn every_line_of_the_surface_table_has_an_answer() {
    for surface in &crate::http::SURFACE {
        let (dialect, verb) = (surface.dialect, surface.verb);
        if verb.is_of_a_stored_response() {
            continue;
        }
        let model = if matches!(verb, Verb::Embed | Verb::EmbedBatch) { "embed" } else { "echo" };
        let answer =
            ask(dialect, verb, model, &body(dialect, verb)).unwrap_or_else(|e| panic!("{dialect} {verb:?} {e:?}"));
        if let Answer::Document(_, usage) = &answer {
            assert_eq!(usage.is_empty(), !surface.verb.costs(), "{dialect} {verb:?}");
        }
        let document = document(answer).to_string();
        // Whatever it is, it counts or says three words.
        assert!(document.contains('3') || document.contains("values"), "{document}");
        let error = ask(dialect, verb, "none", &body(dialect, verb)).err().expect("an unknown model");
        assert_eq!((error.code(), error.param()), (InferenceCode::ModelNotFound, Some("model")));
        let other = if model == "embed" { "echo" } else { "embed" };
        let other = ask(dialect, verb, other, &body(dialect, verb)).err().map(|error| error.code());
        assert_eq!(other, (verb != Verb::CountTokens).then_some(InferenceCode::InvalidRequest), "{dialect} {verb:?}");
    }
}

#[test]
fn a_stream_says_a_word_a_piece_and_counts_as_its_twin_does() {
    for (dialect, verb) in SPOKEN {
        for (model, more) in [("echo", json!({})), ("lorem", json!({})), ("echo", json!({ "alt": "sse" }))] {
            let mut body = body(dialect, verb);
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let twin = document(ask(dialect, verb, model, &body).unwrap());
            body["stream"] = true.into();
            body["stream_options"] = json!({ "include_usage": true });
            let stream = streamed(ask(dialect, verb, model, &body).unwrap());
            let words: Vec<&str> = said(&twin).split_inclusive([' ', '\n']).collect();
            let spoken = stream.pieces.iter().filter(|piece| words.iter().any(|word| piece.contains(word.trim())));
            assert!(
                spoken.count() >= words.iter().filter(|word| !word.trim().is_empty()).count(),
                "{:?}",
                stream.pieces
            );
            let member = if dialect == Dialect::GenerateContent { "usageMetadata" } else { "usage" };
            let counted = dialect.rules().usage(twin[member].to_string().as_bytes()).unwrap();
            assert_eq!(stream.usage, counted, "{dialect} {verb:?}");
            assert!(stream.progress >= Progress::Complete, "{dialect} {verb:?}");
        }
    }
}

#[test]
fn an_empty_text_is_a_whole_stream_too() {
    for (dialect, verb, body) in [
        (Dialect::ChatCompletions, Verb::Generate, json!({ "messages": [{ "role": "user" }] })),
        (Dialect::ChatCompletions, Verb::Complete, json!({ "prompt": "" })),
        (Dialect::Responses, Verb::Generate, json!({ "input": "" })),
        (Dialect::Messages, Verb::Generate, json!({ "messages": [{ "role": "user", "content": [] }] })),
        (Dialect::GenerateContent, Verb::GenerateStream, json!({ "contents": { "parts": [] } })),
        (Dialect::GenerateContent, Verb::GenerateStream, json!({ "alt": "sse", "contents": { "role": "user" } })),
    ] {
        let mut body = body;
        assert_eq!(said(&document(ask(dialect, verb, "echo", &body).unwrap())), "");
        body["stream"] = true.into();
        let stream = streamed(ask(dialect, verb, "echo", &body).unwrap());
        assert!(stream.progress >= Progress::Complete, "{:?}", stream.pieces);
    }
}

#[test]
fn a_stream_of_a_response_is_numbered_and_its_parts_are_its_whole() {
    let body = json!({ "input": PROMPT, "stream": true, "instructions": "be brief", "tools": [{ "type": "x" }] });
    let stream = streamed(ask(Dialect::Responses, Verb::Generate, "echo", &body).unwrap());
    let events = stream.data();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    let expected = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(kinds, expected);
    let whole = &events[10]["response"];
    assert_eq!((&whole["instructions"], &whole["tools"][0]["type"]), (&json!("be brief"), &json!("x")));
    assert_eq!((&whole["store"], &whole["usage"]["input_tokens"]), (&json!(false), &json!(5)));
    assert_eq!((&events[9]["item"], &events[8]["part"]), (&whole["output"][0], &whole["output"][0]["content"][0]));
    let mut begun = body;
    begun["stream"] = false.into();
    assert_eq!(*whole, document(ask(Dialect::Responses, Verb::Generate, "echo", &begun).unwrap()));
}

#[test]
fn googles_stream_comes_in_two_forms() {
    let ask = |alt: &str| {
        let body = json!({ "alt": alt, "contents": [{ "parts": [{ "text": PROMPT }] }] });
        streamed(ask(Dialect::GenerateContent, Verb::GenerateStream, "echo", &body).unwrap())
    };
    let (array, events) = (ask("json"), ask("sse"));
    assert_eq!((array.media_type, events.media_type), ("application/json", "text/event-stream"));
    let elements: Vec<Value> = serde_json::from_str(&array.pieces.concat()).unwrap();
    assert_eq!(elements, events.data());
    let reasons: Vec<&Value> = elements.iter().map(|element| &element["candidates"][0]["finishReason"]).collect();
    assert_eq!(reasons, [&Value::Null, &Value::Null, &json!("STOP")]);
}

#[test]
fn several_prompts_are_several_choices() {
    let body = json!({ "prompt": ["one", "", "two words"], "stream": true });
    let stream = streamed(ask(Dialect::ChatCompletions, Verb::Complete, "echo", &body).unwrap());
    let mut texts = [const { String::new() }; 3];
    let mut ended = 0;
    for choice in stream.data().iter().flat_map(|chunk| chunk["choices"].as_array().unwrap().clone()) {
        let index = usize::try_from(choice["index"].as_u64().unwrap()).unwrap();
        texts[index] += choice["text"].as_str().unwrap();
        ended += usize::from(choice["finish_reason"] == "stop");
    }
    assert_eq!((texts, ended), (["one".to_owned(), String::new(), "two words".to_owned()], 3));
    let twin =
        document(ask(Dialect::ChatCompletions, Verb::Complete, "echo", &json!({ "prompt": ["a", "b"] })).unwrap());
    assert_eq!((&twin["choices"][1]["text"], &twin["usage"]["total_tokens"]), (&json!("b"), &json!(4)));
}

#[test]
fn what_a_dialect_says_beside_the_messages_counts_and_is_not_repeated() {
    for (dialect, verb, body, words) in [
        (
            Dialect::Messages,
            Verb::CountTokens,
            json!({ "system": [{ "type": "text", "text": "be brief" }], "messages": [
                { "role": "user", "content": "hello you" },
                { "role": "assistant", "content": [{ "type": "thinking", "thinking": "hm hm hm" }] },
                { "role": "user", "content": [{ "type": "tool_result", "content": "x" }, { "type": "text", "text": "bye" }] },
                { "role": "system", "content": "late" },
            ]}),
            6,
        ),
        (
            Dialect::Responses,
            Verb::CountTokens,
            json!({ "instructions": "be brief", "input": [
                { "role": "developer", "content": "now" },
                { "role": "user", "content": [{ "type": "input_text", "text": "bye" }, { "type": "input_image" }] },
                { "type": "reasoning", "content": null, "summary": [] },
                { "type": "function_call_output", "output": "x y z" },
            ]}),
            4,
        ),
        (
            Dialect::GenerateContent,
            Verb::CountTokens,
            json!({ "generate_content_request": { "system_instruction": { "parts": { "text": "be brief" } }, "contents": [
                { "role": "user", "parts": [{ "inlineData": {} }, { "text": "bye" }] },
                { "role": "model", "parts": [{ "text": "hm", "thought": true }] },
            ]}}),
            4,
        ),
    ] {
        let counted = document(ask(dialect, verb, "echo", &body).unwrap());
        let number = counted.get("input_tokens").unwrap_or(&counted["totalTokens"]);
        assert_eq!(*number, words, "{counted}");
        let body = body.get("generate_content_request").unwrap_or(&body);
        let reply = document(ask(dialect, Verb::Generate, "echo", body).unwrap());
        assert_eq!(said(&reply), "bye");
        let usage = [&reply["usage"]["input_tokens"], &reply["usageMetadata"]["promptTokenCount"]];
        assert!(usage.contains(&&json!(words)), "{reply}");
    }
}

#[test]
fn an_embedding_is_the_same_in_both_encodings_and_dialects() {
    let openai = |body: Value| document(ask(Dialect::ChatCompletions, Verb::Embed, "embed", &body).unwrap());
    let google = |verb, body: Value| document(ask(Dialect::GenerateContent, verb, "embed", &body).unwrap());
    let float = openai(json!({ "input": ["a b", "c"] }));
    let base64 = openai(json!({ "input": ["a b", "c"], "encoding_format": "base64" }));
    let content = |text: &str| json!({ "content": { "parts": [{ "text": text }] } });
    let batch = google(Verb::EmbedBatch, json!({ "requests": [content("a b"), content("c")] }));
    for (index, text) in ["a b", "c"].into_iter().enumerate() {
        let numbers: Vec<f32> = serde_json::from_value(float["data"][index]["embedding"].clone()).unwrap();
        let bytes = BASE64_STANDARD.decode(base64["data"][index]["embedding"].as_str().unwrap()).unwrap();
        let decoded: Vec<f32> = bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!((numbers.len(), &numbers), (8, &decoded));
        assert!((numbers.iter().map(|n| n * n).sum::<f32>() - 1.0).abs() < 1e-5);
        assert_eq!(batch["embeddings"][index]["values"], float["data"][index]["embedding"]);
        assert_eq!(google(Verb::Embed, content(text))["embedding"], batch["embeddings"][index]);
    }
    assert_ne!(float["data"][0]["embedding"], float["data"][1]["embedding"]);
    assert_eq!(float["usage"]["prompt_tokens"], 3);
    assert_eq!(openai(json!({ "input": [1, 2, 3] }))["data"].as_array().unwrap().len(), 1);
    assert_eq!(openai(json!({ "input": [[1], [2, 3]] }))["usage"]["prompt_tokens"], 3);
}

#[test]
fn every_stream_ends_with_its_dialects_error_where_it_is_forced_to() {
    for (dialect, verb) in SPOKEN {
        for (cut, alt) in [(0, "sse"), (1, "sse"), (2, "json"), (0, "json")] {
            let mut body = body(dialect, verb);
            body["stream"] = true.into();
            body["alt"] = alt.into();
            let Answer::Text(completion, mut writer, Some(mut form)) = ask(dialect, verb, "echo", &body).unwrap()
            else {
                panic!("no stream");
            };
            let (reply, mut position) = (reply(completion), Position::default());
            let mut text = form.stream.push(writer.begin(&reply).into()).to_vec();
            for _ in 0..cut {
                let word = position.next_word(&reply.completion.texts).unwrap();
                text.extend(form.stream.push(writer.word(&reply, &word).into()));
            }
            let error = InferenceError::new(InferenceCode::UpstreamInterrupted, "the daemon is stopping");
            text.extend(form.stream.fail(&error).unwrap());
            let text = String::from_utf8(text).unwrap();
            if form.media_type == "application/json" {
                let elements: Vec<Value> = serde_json::from_str(&text).unwrap();
                assert_eq!((elements.len(), &elements[cut]["error"]["code"]), (cut + 1, &json!(502)), "{text}");
                continue;
            }
            let events: Vec<Value> =
                text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect();
            assert_eq!(
                text.matches("the daemon is stopping").count(),
                if dialect == Dialect::Responses { 2 } else { 1 }
            );
            let last = events.last().unwrap();
            if dialect == Dialect::Responses {
                assert_eq!(last["sequence_number"], events.len() - 1);
                assert_eq!(
                    (&last["type"], &last["response"]["id"]),
                    (&json!("response.failed"), &events[0]["response"]["id"])
                );
            } else {
                assert!(last["error"]["message"].is_string(), "{text}");
            }
        }
    }
}

#[test]
fn a_cap_bounds_the_words_and_is_given_as_the_reason() {
    for (dialect, verb, member, reason) in [
        (Dialect::ChatCompletions, Verb::Generate, "max_tokens", "length"),
        (Dialect::ChatCompletions, Verb::Generate, "max_completion_tokens", "length"),
        (Dialect::ChatCompletions, Verb::Complete, "max_tokens", "length"),
        (Dialect::Responses, Verb::Generate, "max_output_tokens", "incomplete"),
        (Dialect::Messages, Verb::Generate, "max_tokens", "max_tokens"),
        (Dialect::GenerateContent, Verb::GenerateStream, "maxOutputTokens", "MAX_TOKENS"),
        (Dialect::GenerateContent, Verb::GenerateStream, "max_output_tokens", "MAX_TOKENS"),
    ] {
        for (cap, text) in [
            (json!(2), "three little"),
            (json!(1), "three"),
            (json!(3), PROMPT),
            (json!(9), PROMPT),
            (json!(0), PROMPT),
            (json!(-1), PROMPT),
            (json!(null), PROMPT),
        ] {
            let mut body = body(dialect, verb);
            match dialect {
                Dialect::GenerateContent => body["generation_config"] = json!({ member: cap }),
                _ => body[member] = cap.clone(),
            }
            let twin = document(ask(dialect, verb, "echo", &body).unwrap());
            body["stream"] = true.into();
            body["stream_options"] = json!({ "include_usage": true });
            let stream = streamed(ask(dialect, verb, "echo", &body).unwrap());
            let is_cut = text != PROMPT;
            assert_eq!(said(&twin), text, "{dialect} {member} {cap}");
            let written = twin.to_string();
            assert_eq!(
                written.contains(&format!("\"{reason}\"")) && !written.contains("\"completed\""),
                is_cut,
                "{written}"
            );
            let pieces = stream.pieces.concat();
            let last = if dialect == Dialect::Responses { "response.incomplete\"" } else { reason };
            assert_eq!(pieces.contains(last), is_cut, "{pieces}");
            assert_eq!(stream.usage.output.map(OutputTokens::total), Some(words(text)), "{pieces}");
            assert!(stream.progress >= Progress::Complete, "{pieces}");
        }
    }
    // Of several texts each; of two caps the greater.
    let body = json!({ "prompt": ["one two three", "one"], "max_tokens": 2 });
    let reply = document(ask(Dialect::ChatCompletions, Verb::Complete, "echo", &body).unwrap());
    let reasons: Vec<&Value> =
        reply["choices"].as_array().unwrap().iter().map(|choice| &choice["finish_reason"]).collect();
    assert_eq!((reasons, &reply["usage"]["completion_tokens"]), (vec![&json!("length"), &json!("stop")], &json!(3)));
    let mut body = body_of_two_caps();
    assert_eq!(said(&document(ask(Dialect::ChatCompletions, Verb::Generate, "echo", &body).unwrap())), "three little");
    body["max_completion_tokens"] = json!(1);
    assert_eq!(said(&document(ask(Dialect::ChatCompletions, Verb::Generate, "echo", &body).unwrap())), "three");
}

fn body_of_two_caps() -> Value {
    let mut body = body(Dialect::ChatCompletions, Verb::Generate);
    body["max_tokens"] = json!(1);
    body["max_completion_tokens"] = json!(2);
    body
}

#[test]
fn content_rules_judge_its_streams_as_they_judge_its_documents() {
    let list = [("l[a-z]{5}", ContentAction::Redact, None)];
    let rules = Arc::new(crate::content_rules::tests::rules(&list));
    for dialect in Dialect::ALL {
        let mut asked = body(dialect, Verb::Generate);
        asked["stream"] = json!(true);
        let (verb, forms) = match dialect {
            Dialect::GenerateContent => (Verb::GenerateStream, [GuardForm::Events, GuardForm::Array]),
            _ => (Verb::Generate, [GuardForm::Events; 2]),
        };
        for form in forms {
            if form == GuardForm::Events && dialect == Dialect::GenerateContent {
                asked["alt"] = json!("sse");
            } else {
                asked["alt"] = json!(null);
            }
            let pieces = streamed(ask(dialect, verb, "echo", &asked).unwrap()).pieces;
            let mut guard = ReplyGuard::new(Arc::clone(&rules), dialect, form);
            let mut passed: Vec<u8> = Vec::new();
            for piece in &pieces {
                let now = guard.push(piece.clone().into());
                assert_eq!(now.blocked, None, "{dialect} {piece}");
                passed.extend_from_slice(&now.bytes);
            }
            passed.extend_from_slice(&guard.finish().bytes);
            let passed = String::from_utf8(passed).unwrap();
            assert!(!passed.contains("little") && passed.contains("[REDACTED]"), "{dialect} {passed}");
            assert_eq!(passed.replace("[REDACTED]", "little"), pieces.concat());
        }
        let whole = document(ask(dialect, Verb::Generate, "echo", &body(dialect, Verb::Generate)).unwrap()).to_string();
        let Verdict::Redacted(edits) = check_reply(&rules, dialect, &whole) else { panic!("{whole}") };
        assert_eq!(with_raw(&whole.clone().into(), &edits), whole.replace("little", "[REDACTED]"));
    }
}
