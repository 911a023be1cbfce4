//! P11: a stream that passes what was reserved for it is cut, in the grammar of its dialect, whatever its provider does.

use std::time::Duration;

use bitrouter_tests::{
    Gate, Reply, World,
    dialects::{Newline, Turn, Usage, chat, google, messages, responses},
    provider::Request,
    sdk,
};
use serde_json::{Value, json};

use crate::bound::{Bound, OUTPUT, cost};

/// How many words a provider says that keeps to no cap.
const WORDS: usize = 900;

fn turn() -> Turn {
    let text: String = (0..WORDS).fold(String::new(), |text, number| text + &format!("word{number} "));
    let usage = Usage { input: 20, output: WORDS as u64, ..Usage::default() };
    Turn { usage, ..Turn::saying(&text) }
}

/// Streams of [`WORDS`] words in the dialect that is asked for, whatever cap the body has; it ends when the other side leaves.
fn deaf(request: &Request) -> Reply {
    let frames: Vec<String> = match request.target.split('?').next().unwrap_or_default() {
        path if path.ends_with("/messages") => {
            messages::events(&turn(), "m").iter().map(|event| event.frame(Newline::Lf)).collect()
        }
        path if path.ends_with("/responses") => {
            responses::events(&turn(), "m", "resp_1").iter().map(|event| event.frame(Newline::Lf)).collect()
        }
        path if path.ends_with(":streamGenerateContent") && request.target.contains("alt=sse") => {
            google_words().iter().map(|answer| format!("data: {answer}\n\n")).collect()
        }
        path if path.ends_with(":streamGenerateContent") => google::array(&google_words()),
        _ => chat::events(&turn(), "m", true).iter().map(|event| event.frame(Newline::Lf)).collect(),
    };
    let is_array = request.target.contains(":streamGenerateContent") && !request.target.contains("alt=sse");
    let kind = if is_array { "application/json" } else { "text/event-stream" };
    // The last of it is never said: only a cut ends this.
    let most = frames.len() - 8;
    let begun = Reply::stream_with(200, &[("content-type", kind)]);
    frames[..most].iter().fold(begun, Reply::piece).gate(&Gate::new())
}

fn google_words() -> Vec<Value> {
    let word = |number: usize| json!({"content": {"role": "model", "parts": [{"text": format!("word{number} ")}]}, "index": 0});
    (0..WORDS).map(|number| json!({"candidates": [word(number)], "modelVersion": "m", "responseId": "r"})).collect()
}

struct Streamed {
    name: &'static str,
    path: &'static str,
    body: Value,
}

fn streamed() -> [Streamed; 5] {
    let hello = json!([{"role": "user", "content": "hello"}]);
    let google = json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]});
    [
        Streamed {
            name: "chat",
            path: "/v1/chat/completions",
            body: json!({"model": "acme:m", "messages": hello, "stream": true, "max_tokens": 800,
                "stream_options": {"include_usage": true}}),
        },
        Streamed {
            name: "messages",
            path: "/v1/messages",
            body: json!({"model": "acme:m", "messages": hello, "stream": true, "max_tokens": 800}),
        },
        Streamed {
            name: "responses",
            path: "/v1/responses",
            body: json!({"model": "acme:m", "input": hello, "stream": true, "max_output_tokens": 800}),
        },
        Streamed { name: "google", path: "/v1beta/models/acme:m:streamGenerateContent?alt=sse", body: google.clone() },
        Streamed { name: "google array", path: "/v1beta/models/acme:m:streamGenerateContent", body: google },
    ]
}

/// How the reply ends in its dialect.
#[track_caller]
fn check_end(name: &str, text: &str, data: &[Value]) {
    let last = data.last().unwrap_or_else(|| panic!("{name}: no event in {text}"));
    match name {
        "chat" => {
            assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
            assert!(last["usage"]["completion_tokens"].as_i64().is_some_and(|tokens| tokens > 0), "{last}");
            assert_eq!(data[data.len() - 2]["choices"][0]["finish_reason"], "length", "{data:?}");
        }
        "messages" => {
            assert_eq!(last["type"], "message_stop", "{text}");
            let delta = &data[data.len() - 2];
            assert_eq!(
                (&delta["type"], &delta["delta"]["stop_reason"]),
                (&json!("message_delta"), &json!("max_tokens"))
            );
            assert_eq!(data[data.len() - 3]["type"], "content_block_stop", "{text}");
        }
        "responses" => {
            assert_eq!(last["type"], "response.incomplete", "{text}");
            let response = &last["response"];
            assert_eq!(response["incomplete_details"]["reason"], "max_output_tokens", "{last}");
            assert_eq!((&response["status"], &response["id"]), (&json!("incomplete"), &json!("resp_1")), "{last}");
            let numbers: Vec<i64> = data.iter().filter_map(|event| event["sequence_number"].as_i64()).collect();
            assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
        }
        _ => assert_eq!(last["candidates"][0]["finishReason"], "MAX_TOKENS", "{text}"),
    }
}

#[test]
fn p11_a_provider_that_keeps_to_no_cap_is_cut_in_every_dialect() {
    let bound = Bound::new();
    let policy = bound.budget(1);
    bound.provider.always(deaf);
    for (number, call) in streamed().into_iter().enumerate() {
        let before = bound.released();
        let limit = before + cost(200, 300);
        bound.limit(&policy, limit);
        let answer = bound.post(call.path, &call.body).send();
        let ended = bitrouter_proto::clock::monotonic_now();
        assert_eq!((answer.status, answer.end), (200, bitrouter_tests::http::End::Complete), "{}", call.name);
        let cap: i64 = answer.header("x-bitrouter-capped").expect("a cap").parse().expect("a number");
        assert!((270..=340).contains(&cap), "{}: {cap}", call.name);
        let text = answer.text();
        let data = match call.name {
            "google array" => answer.json().as_array().expect("an array").clone(),
            _ => answer.data(),
        };
        check_end(call.name, &text, &data);
        let words = i64::try_from(text.matches("word").count()).expect("a count");
        // The `.done` events of responses say it all once more.
        assert!(words >= cap - 2, "{}: {words} of {cap} words", call.name);
        assert!(
            text.contains(&format!("word{}", cap - 2)) && !text.contains(&format!("word{} ", cap + 1)),
            "{}",
            call.name
        );
        let left = bound.provider.exchange(number).wait_left();
        assert!(left.saturating_duration_since(ended) < Duration::from_millis(100), "{}", call.name);
        let spent = bound.released();
        assert!(spent <= limit, "{}: {spent} of {limit}", call.name);
        assert!(spent - before >= words.min(cap) * OUTPUT, "{}: {}", call.name, spent - before);
        assert_eq!(bound.settled(number + 1)[0]["status"], "cut", "{}", call.name);
    }
}

#[test]
fn p11_a_provider_that_keeps_to_its_cap_is_never_cut() {
    let bound = Bound::new();
    bound.budget(cost(300, 100));
    // As many tokens as it may, of twelve bytes each.
    bound.provider.always(|request| {
        let cap = request.json()["max_tokens"].as_u64().expect("a cap");
        let words = (0..cap).fold(Reply::stream(), |reply, _| reply.token("antidisestab"));
        let usage =
            json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": cap, "total_tokens": cap + 9}});
        words.event(bitrouter_tests::openai::last_chunk()).event(usage.to_string()).event("[DONE]").end()
    });
    let answer = bound.chat("acme:m", &json!({"stream": true})).send().ok();
    let cap: i64 = answer.header("x-bitrouter-capped").expect("a cap").parse().expect("a number");
    assert!(answer.text().contains("\"finish_reason\":\"stop\""), "{}", answer.text());
    assert_eq!(bound.released(), cost(9, cap));
    assert_eq!(bound.settled(1)[0]["status"], "succeeded");
}

/// Each official SDK reads the end of a reply that was cut, in a budget that is made for it alone.
#[test]
fn p11_official_sdks_take_a_cut_for_the_end_of_a_reply_that_grew_too_long() {
    let bound = Bound::new();
    bound.provider.always(deaf);
    let policy = bound.budget(1);
    for (number, client) in ["chat", "responses", "anthropic", "google"].into_iter().enumerate() {
        bound.limit(&policy, bound.released() + cost(300, 300));
        let world: &World = &bound.world;
        sdk::run(world, "cut.py", &[&format!("http://{}", bound.daemon.addr()), client]);
        assert_eq!(bound.settled(number + 1)[0]["status"], "cut", "{client}");
    }
}

/// A provider whose first event is longer than all that is reserved: it takes money for it, so it is charged.
#[test]
fn p11_what_does_not_fit_into_a_reservation_is_charged_as_far_as_that_goes() {
    let bound = Bound::new();
    let policy = bound.budget(1);
    bound.provider.always(|request| match request.target.as_str() {
        "/v1/messages" => {
            let turn = Turn::saying(&"x".repeat(90_000));
            messages::events(&turn, "m")
                .iter()
                .fold(Reply::stream(), |reply, event| reply.piece(event.frame(Newline::Lf)))
        }
        _ => Reply::stream().token(&"x".repeat(90_000)).gate(&Gate::new()),
    });
    for (number, call) in streamed().into_iter().take(2).enumerate() {
        let before = bound.released();
        bound.limit(&policy, before + cost(200, 300));
        let answer = bound.post(call.path, &call.body).send().ok();
        let cap: i64 = answer.header("x-bitrouter-capped").expect("a cap").parse().expect("a number");
        assert!(!answer.text().contains("xxx"), "{}", answer.text());
        let spent = bound.released() - before;
        assert!((cap * OUTPUT..=cost(200, 300)).contains(&spent), "{}: {spent} for {cap}", call.name);
        assert_eq!(bound.settled(number + 1)[0]["status"], "cut", "{}", call.name);
    }
}

/// What comes behind the last event would be settled by nobody.
#[test]
fn p11_nothing_is_said_behind_the_end() {
    let bound = Bound::new();
    bound.budget(cost(1_000, 1_000));
    let gate = Gate::new();
    let opens = gate.clone();
    bound.provider.always(move |_| {
        let ended = Reply::stream().token("before ").event(bitrouter_tests::openai::last_chunk()).event("[DONE]");
        (0..40).fold(ended.gate(&opens), |reply, _| reply.token("behind ")).end()
    });
    let mut stream = bound.chat("acme:m", &json!({"stream": true})).open();
    stream.until_contains("[DONE]");
    gate.open();
    let text = stream.finish().text();
    assert!(!text.contains("behind"), "{text}");
    assert_eq!(bound.settled(1)[0]["status"], "succeeded");
}
