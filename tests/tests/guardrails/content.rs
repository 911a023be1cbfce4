//! Content rules: block and redact, in requests and replies, in four dialects, whatever the pieces are.

use bitrouter_tests::{
    Reply,
    dialects::{Call, Newline, Thought, Turn, chat, google, messages, responses},
};
use serde_json::{Value, json};

use crate::{
    bound::{Bound, Speech, With as _, content_rule},
    other_models::{error_event, reply},
};

/// A secret, and what matches it and its like: with a letter that is written in two ways.
const SECRET: &str = "sk-Zürich-4711";
const PATTERN: &str = "sk-[A-Za-zü]{4,10}-[0-9]{4}";
const REDACTED: &str = "[REDACTED]";

fn decomposed(text: &str) -> String {
    text.replace('ü', "u\u{308}")
}

/// A turn that says `text` in pieces of so many characters.
fn saying(text: &str, size: usize) -> Turn {
    let characters: Vec<char> = text.chars().collect();
    Turn { text: characters.chunks(size).map(|chunk| chunk.iter().collect()).collect(), ..Turn::default() }
}

/// A stream of events whose strings are escaped to ASCII where `escaped`.
fn stream(speech: Speech, turn: &Turn, escaped: bool, newline: Newline) -> Reply {
    let events = match speech {
        Speech::Chat => chat::events(turn, "m", true),
        Speech::Responses => responses::events(turn, "m", "resp_scripted"),
        Speech::Messages => messages::events(turn, "m"),
        Speech::Google => google::events(turn, "m"),
    };
    events
        .iter()
        .fold(Reply::stream(), |reply, event| {
            let frame = event.frame(newline);
            reply.piece(if escaped { ascii(&frame) } else { frame })
        })
        .end()
}

/// JSON text with all that is not ASCII written as escapes, and `s` too.
fn ascii(text: &str) -> String {
    let escaped = text.encode_utf16().map(|unit| match char::from_u32(u32::from(unit)) {
        Some(character) if character.is_ascii() => character.to_string(),
        _ => format!("\\u{unit:04x}"),
    });
    escaped.collect::<String>().replace("sk-", "\\u0073k\\u002d")
}

#[test]
fn p12_a_reply_is_redacted_whatever_its_pieces_are() {
    let bound = Bound::new();
    let key = bound.guarded(&content_rule(PATTERN, "redact"));
    let said = format!("My key is {SECRET}, «☂» and {}; sk-short is none. 🧠", decomposed(SECRET));
    let wanted = format!("My key is {REDACTED}, «☂» and {REDACTED}; sk-short is none. 🧠");
    for speech in Speech::ALL {
        let turn = saying(&said, 3);
        bound.acme.next(reply(speech, &turn, "m", false));
        let answer = speech.call(bound.http(), "acme:m", "x", false).with(&key).send().ok();
        assert_eq!(speech.said(&answer.json()), wanted);
        bound.acme.next(reply(speech, &turn, "m", false).cut_every(1));
        let answer = speech.call(bound.http(), "acme:m", "x", false).with(&key).send().ok();
        assert_eq!(speech.said(&answer.json()), wanted);
        for (size, escaped, cut, newline) in [
            (1, false, 4_096, Newline::Lf),
            (2, true, 4_096, Newline::CrLf),
            (3, false, 1, Newline::Lf),
            (5, true, 7, Newline::Lf),
            (4, false, 13, Newline::CrLf),
            (200, true, 3, Newline::Lf),
        ] {
            let script = stream(speech, &saying(&said, size), escaped, newline).cut_every(cut);
            bound.acme.next(script);
            let answer = speech.call(bound.http(), "acme:m", "x", true).with(&key).send().ok();
            assert_eq!(speech.streamed(&answer), wanted, "{speech:?} {size} {escaped} {cut}: {}", answer.text());
            let text = answer.text();
            assert!(!text.contains("4711") && !text.contains("rich-"), "{speech:?}: {text}");
        }
    }
}

#[test]
fn p12_a_blocked_reply_ends_in_its_dialects_words() {
    let bound = Bound::new();
    let key = bound.guarded(&content_rule(PATTERN, "block"));
    let secret = decomposed(SECRET);
    for speech in Speech::ALL {
        for before in ["", "All is well until here. "] {
            let turn = saying(&format!("{before}{secret} and more"), 4);
            bound.acme.next(reply(speech, &turn, "m", false));
            let answer = speech.call(bound.http(), "acme:m", "x", false).with(&key).send();
            speech.refused(&answer, 400, "content_blocked", Some(key.policy()));
            for (escaped, cut) in [(false, 4_096), (true, 9), (false, 1)] {
                bound.acme.next(stream(speech, &turn, escaped, Newline::Lf).cut_every(cut));
                let answer = speech.call(bound.http(), "acme:m", "x", true).with(&key).send();
                let error = error_event(speech, &answer, 400, "content_blocked");
                assert_eq!(error["policy_id"], key.policy(), "{error}");
                let said = speech.streamed(&answer);
                assert!(before.starts_with(&said) && said.len() + 4 >= before.len(), "{speech:?}: {said:?}");
                assert!(!answer.text().contains("4711"), "{}", answer.text());
            }
        }
        // What is clean passes byte for byte.
        let script = stream(speech, &Turn::sample(), true, Newline::CrLf);
        let bytes = String::from_utf8(script.bytes()).expect("text");
        bound.acme.next(script.cut_every(5));
        let answer = speech.call_with(bound.http(), "acme:m", "x", true, &usage(speech)).with(&key).send().ok();
        let sent: String = answer.text();
        let head = bytes.find("\r\n\r\n").expect("a head") + 4;
        assert_eq!(sent, dechunked(&bytes[head..]), "{speech:?}");
    }
}

/// Asks for the usage of a stream where it does not come unasked: what is asked for is withheld from nobody.
fn usage(speech: Speech) -> Value {
    if speech == Speech::Chat { json!({"stream_options": {"include_usage": true}}) } else { json!({}) }
}

fn dechunked(mut text: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        out.push_str(&rest[..size]);
        text = &rest[size + 2..];
    }
    out
}

#[test]
fn p12_arguments_and_thoughts_are_texts_too() {
    let bound = Bound::new();
    let redact = bound.guarded(&content_rule(PATTERN, "redact"));
    let block = bound.guarded(&content_rule(PATTERN, "block"));
    let call = |arguments: Value| Call { id: "1".to_owned(), name: "f".to_owned(), arguments: arguments.to_string() };
    let called = Turn {
        calls: vec![call(json!({"key": SECRET, "deep": [{"x": decomposed(SECRET)}]}))],
        stop: bitrouter_tests::dialects::Stop::Tools,
        ..Turn::default()
    };
    let thought = Turn { thought: Some(Thought::new(&format!("He said {SECRET}."))), ..Turn::saying("Hm.") };
    for speech in Speech::ALL {
        for streamed in [false, true] {
            let send = |turn: &Turn, key| {
                bound.acme.next(reply(speech, turn, "m", streamed).cut_every(11));
                speech.call(bound.http(), "acme:m", "x", streamed).with(key).send()
            };
            let answer = send(&called, &redact).ok();
            let text = answer.text();
            assert!(!text.contains("4711") && text.contains("REDACTED"), "{speech:?} {streamed}: {text}");
            if !streamed {
                let place = match speech {
                    Speech::Chat => "/choices/0/message/tool_calls/0/function/arguments",
                    Speech::Responses => "/output/0/arguments",
                    Speech::Messages => "/content/0/input",
                    Speech::Google => "/candidates/0/content/parts/0/functionCall/args",
                };
                let arguments = answer.json().pointer(place).expect("arguments").clone();
                let within = arguments.as_str().map(|text| serde_json::from_str(text).expect("JSON"));
                let arguments = within.unwrap_or(arguments);
                assert_eq!(arguments, json!({"key": REDACTED, "deep": [{"x": REDACTED}]}), "{speech:?}");
            }
            let answer = send(&called, &block);
            if streamed {
                error_event(speech, &answer, 400, "content_blocked");
            } else {
                speech.refused(&answer, 400, "content_blocked", Some(block.policy()));
            }
            // Signed thoughts cannot be changed: chat's and Google's carry no signature of their own here.
            let answer = send(&thought, &redact);
            assert!(!answer.text().contains("4711"), "{speech:?} {streamed}: {}", answer.text());
            let is_signed = matches!(speech, Speech::Messages | Speech::Responses);
            match (is_signed, streamed) {
                (true, true) => _ = error_event(speech, &answer, 400, "content_blocked"),
                (true, false) => _ = speech.refused(&answer, 400, "content_blocked", Some(redact.policy())),
                (false, _) => assert!(answer.ok().text().contains(REDACTED)),
            }
        }
    }
}

/// Bodies with the secret where callers put text, once each.
fn requests() -> Vec<(Speech, &'static str, String)> {
    const CHAT: &str = "/v1/chat/completions";
    const GOOGLE: &str = "/v1beta/models/acme:m:generateContent";
    let all = [
        (
            Speech::Chat,
            CHAT,
            r#"{"model":"acme:m","n":1,"messages":[{"role":"system","content":"a § b"},{"role":"user","content":"x"}]}"#,
        ),
        (
            Speech::Chat,
            CHAT,
            r#"{"model":"acme:m","messages":[{"role":"user","content":[{"type":"text","text":"a\n§\u0020b"}]}],"x":1.0e+2}"#,
        ),
        (Speech::Chat, CHAT, r#"{"model":"acme:m","messages":[{"role":"tool","tool_call_id":"c","content":"§"}]}"#),
        (
            Speech::Chat,
            CHAT,
            r#"{"model":"acme:m","messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"k\":\"§\"}"}}]}]}"#,
        ),
        (Speech::Chat, "/v1/completions", r#"{"model":"acme:m","prompt":["x","§"]}"#),
        (Speech::Chat, "/v1/embeddings", r#"{"model":"acme:embeds","input":["x","§"]}"#),
        (Speech::Responses, "/v1/responses", r#"{"model":"acme:m","instructions":"be §","input":"x"}"#),
        (
            Speech::Responses,
            "/v1/responses",
            r#"{"model":"acme:m","input":[{"type":"function_call_output","call_id":"c","output":"§"}]}"#,
        ),
        (
            Speech::Responses,
            "/v1/responses",
            r#"{"model":"acme:m","input":[{"role":"user","content":[{"type":"input_text","text":"§"}]}]}"#,
        ),
        (Speech::Responses, "/v1/responses/input_tokens", r#"{"model":"acme:m","input":"§"}"#),
        (
            Speech::Messages,
            "/v1/messages",
            r#"{"model":"acme:m","max_tokens":9,"system":[{"type":"text","text":"§"}],"messages":[]}"#,
        ),
        (
            Speech::Messages,
            "/v1/messages",
            r#"{"model":"acme:m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"§"}]}]}]}"#,
        ),
        (
            Speech::Messages,
            "/v1/messages",
            r#"{"model":"acme:m","max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"a":["§"]}}]}]}"#,
        ),
        (
            Speech::Messages,
            "/v1/messages/count_tokens",
            r#"{"model":"acme:m","messages":[{"role":"user","content":"§"}]}"#,
        ),
        (Speech::Google, GOOGLE, r#"{"systemInstruction":{"parts":[{"text":"§"}]},"contents":[]}"#),
        (
            Speech::Google,
            GOOGLE,
            r#"{"system_instruction":{"parts":[{"text":"x"}]},"contents":[{"role":"user","parts":[{"text":"a"},{"text":"b § c"}]}]}"#,
        ),
        (
            Speech::Google,
            GOOGLE,
            r#"{"contents":[{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"r":"§"}}}]}]}"#,
        ),
        (Speech::Google, "/v1beta/models/acme:embeds:embedContent", r#"{"content":{"parts":[{"text":"§"}]}}"#),
        (
            Speech::Google,
            "/v1beta/models/acme:embeds:batchEmbedContents",
            r#"{"requests":[{"content":{"parts":[{"text":"§"}]}}]}"#,
        ),
    ];
    all.into_iter().map(|(speech, path, body)| (speech, path, body.to_owned())).collect()
}

#[test]
fn p12_a_request_is_redacted_in_place_or_blocked() {
    let bound = Bound::new();
    bound.acme.always(|_| Reply::json(200, "{}"));
    let redact = bound.guarded(&content_rule(PATTERN, "redact"));
    let block = bound.guarded(&content_rule(PATTERN, "block"));
    let both = bound.key(&[
        ("guardrail", &content_rule(PATTERN, "redact")),
        ("guardrail", &content_rule("ü[a-z]{1,9}-4711", "block")),
    ]);
    for (speech, path, template) in requests() {
        let post = |body: &str, key| {
            let call = bound.http().post(path).json(body).with(key);
            if speech == Speech::Messages { call.header("anthropic-version", "2023-06-01") } else { call }.send()
        };
        // As it is, in the other form, and escaped; an escape within arguments is one more deep.
        let escaped = ascii(SECRET);
        let escaped = if template.contains("\"arguments\"") { escaped.replace('\\', "\\\\") } else { escaped };
        for secret in [SECRET.to_owned(), decomposed(SECRET), escaped] {
            let body = template.replace('§', &secret);
            post(&body, &redact).ok();
            let sent = String::from_utf8(bound.acme.last().request.body.clone()).expect("text");
            let wanted =
                template.replace('§', REDACTED).replacen("acme:m", "m", 1).replacen("acme:embeds", "embeds", 1);
            assert_eq!(sent, wanted, "{path}");
            let before = bound.acme.count();
            for (key, policy) in [(&block, block.policy()), (&both, &both.policies[1])] {
                speech.refused(&post(&body, key), 400, "content_blocked", Some(policy));
            }
            assert_eq!(bound.acme.count(), before);
        }
        // What is next to it is nothing to anybody, and matches do not go across parts.
        let body = template.replace('§', "sk-Zürich");
        post(&body, &block).ok();
        let sent = String::from_utf8(bound.acme.last().request.body.clone()).expect("text");
        assert_eq!(sent, body.replacen("acme:m", "m", 1).replacen("acme:embeds", "embeds", 1));
    }
    let parts = r#"{"model":"acme:m","messages":[{"role":"user","content":[{"type":"text","text":"sk-Zür"},{"type":"text","text":"ich-4711"}]}]}"#;
    bound.http().post("/v1/chat/completions").json(parts).with(&block).send().ok();
}

#[test]
fn p12_a_stored_response_that_is_fetched_is_judged_as_a_reply() {
    let bound = Bound::new();
    let made =
        Speech::Responses.call(bound.http(), "acme:m", SECRET, false).bearer(&bound.session().access_token).send();
    let id = crate::bound::text(&made.ok().json(), "id");
    let redact = bound.guarded(&content_rule(PATTERN, "redact"));
    let block = bound.guarded(&content_rule(PATTERN, "block"));
    for below in ["", "/input_items"] {
        let get = |key| bound.http().get(&format!("/v1/responses/{id}{below}")).with(key).send();
        let text = get(&redact).ok().text();
        assert!(!text.contains("4711") && text.contains(REDACTED), "{text}");
        Speech::Responses.refused(&get(&block), 400, "content_blocked", Some(block.policy()));
    }
    // As a stream too.
    let turn = saying(&format!("Kept: {SECRET}"), 3);
    bound.acme.next(reply(Speech::Responses, &turn, "m", true));
    let answer = bound.http().get(&format!("/v1/responses/{id}?stream=true")).with(&block).send();
    error_event(Speech::Responses, &answer, 400, "content_blocked");
}

#[test]
fn p12_what_a_provider_says_of_an_error_is_judged() {
    let bound = Bound::new();
    let redact = bound.guarded(&content_rule(PATTERN, "redact"));
    let block = bound.guarded(&content_rule(PATTERN, "block"));
    for speech in Speech::ALL {
        for (kind, body) in [
            ("application/json", json!({"error": {"message": format!("You said {SECRET}"), "code": 7}}).to_string()),
            ("text/plain", format!("no {SECRET} here")),
        ] {
            let send = |key| {
                bound.acme.next(Reply::with(429, &[("content-type", kind), ("retry-after", "7")], &body));
                speech.call(bound.http(), "acme:m", "x", false).with(key).send()
            };
            // The status is the provider's own, and when to ask again.
            let told =
                |answer: &bitrouter_tests::Answer| (answer.status, answer.header("retry-after").map(str::to_owned));
            let answer = send(&redact);
            assert_eq!(told(&answer), (429, Some("7".to_owned())));
            assert!(answer.text().contains(REDACTED) && !answer.text().contains("4711"), "{}", answer.text());
            let answer = send(&block);
            assert_eq!(told(&answer), (429, Some("7".to_owned())));
            assert!(!answer.text().contains("4711"), "{}", answer.text());
            let error = speech.error(&answer.json(), 429, "upstream_error");
            assert_eq!(error["policy_id"], block.policy(), "{error}");
        }
    }
}

#[test]
fn p12_a_compressed_reply_is_not_passed_unread() {
    let bound = Bound::new();
    let key = bound.guarded(&content_rule(PATTERN, "block"));
    let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
    bound.acme.next(Reply::with(
        200,
        &headers,
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00C\xbf\xa6\xa3\x02\x00\x00\x00",
    ));
    let answer = bound.http().chat("acme:m", "x").with(&key).send();
    answer.refused(502, "upstream_error");
}

#[test]
fn p12_the_demo_is_judged_as_any_provider() {
    let bound = Bound::new();
    let redact = bound.guarded(&content_rule("ipsum", "redact"));
    let block = bound.guarded(&content_rule("ipsum", "block"));
    let echo = bound.guarded(&content_rule(PATTERN, "redact"));
    for speech in Speech::ALL {
        for streamed in [false, true] {
            let said = |answer: &bitrouter_tests::Answer| {
                if streamed { speech.streamed(answer) } else { speech.said(&answer.json()) }
            };
            let send = |model, text, key| speech.call(bound.http(), model, text, streamed).with(key).send();
            let answer = send("demo/lorem", "x", &redact).ok();
            assert!(said(&answer).contains(REDACTED) && !answer.text().contains("ipsum"), "{}", answer.text());
            let answer = send("demo/lorem", "x", &block);
            if streamed {
                error_event(speech, &answer, 400, "content_blocked");
            } else {
                speech.refused(&answer, 400, "content_blocked", Some(block.policy()));
            }
            let answer = send("demo/echo", &format!("say {SECRET} again"), &echo).ok();
            assert_eq!(said(&answer), format!("say {REDACTED} again"));
        }
    }
}
