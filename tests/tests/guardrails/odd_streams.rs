//! Streams as no provider should write them, and some do: what is in them is judged all the same.

use bitrouter_tests::{
    Answer, Reply,
    dialects::{Turn, google},
};
use serde_json::{Value, json};

use crate::{
    bound::{Bound, Key, Speech, With as _, content_rule},
    other_models::error_event,
};

const PATTERN: &str = "sk-[a-z]{4,10}-[0-9]{4}";

/// A chunk of a chat in which these choices say something.
fn chunk(said: &[(u32, &str)]) -> Value {
    let choices: Vec<Value> = said
        .iter()
        .map(|(index, text)| json!({"index": index, "delta": {"content": text}, "finish_reason": null}))
        .collect();
    json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices})
}

fn events(chunks: &[Value]) -> Reply {
    chunks.iter().fold(Reply::stream(), |reply, chunk| reply.event(chunk.to_string())).done()
}

#[track_caller]
fn send(bound: &Bound, key: &Key, reply: Reply) -> Answer {
    bound.acme.next(reply);
    bound.http().chat_stream("acme:m", "x").with(key).send()
}

/// What a choice says.
fn said_by(answer: &Answer, index: u32) -> String {
    let choices = answer.data().into_iter().flat_map(|event| event["choices"].as_array().cloned().unwrap_or_default());
    let own = choices.filter(|choice| choice["index"] == index);
    own.filter_map(|choice| choice["delta"]["content"].as_str().map(str::to_owned)).collect()
}

#[test]
fn p12_choices_that_take_turns_are_texts_of_their_own() {
    let bound = Bound::new();
    let redact = bound.guarded(&content_rule(PATTERN, "redact"));
    let turns = [
        chunk(&[(0, "a sk-se"), (1, "b sk-")]),
        chunk(&[(1, "se")]),
        chunk(&[(0, "cret-4")]),
        chunk(&[(1, "cond"), (0, "7")]),
        chunk(&[(1, " fine"), (0, "11 end")]),
    ];
    for cut in [1, 17, 10_000] {
        let answer = send(&bound, &redact, events(&turns).cut_every(cut)).ok();
        assert_eq!(
            (said_by(&answer, 0).as_str(), said_by(&answer, 1).as_str()),
            ("a [REDACTED] end", "b sk-second fine")
        );
        assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    }
}

#[test]
fn p12_the_form_of_events_hides_nothing() {
    let bound = Bound::new();
    let block = bound.guarded(&content_rule(PATTERN, "block"));
    let whole = chunk(&[(0, "sk-secret-4711")]).to_string();
    let (head, tail) = whole.split_once("\"delta\":").expect("a delta");
    let fine = chunk(&[(0, "fine ")]).to_string();
    let escaped = whole.replace("sk-secret", "s\\u006b\\u002dsecret");
    for stream in [
        // A document in two lines of data; a byte order mark; other line ends; no space; other fields; a name that is escaped.
        format!("data: {fine}\n\ndata: {head}\"delta\":\ndata: {tail}\n\n"),
        format!("\u{feff}data: {whole}\n\n"),
        format!("data: {fine}\r\rdata: {whole}\r\r"),
        format!("data:{whole}\r\n\r\n"),
        format!(": a comment\nevent: x\nid: 1\nretry: 5\ndata: {whole}\nodd\n\n"),
        format!("data: {}\n\n", whole.replace("content", "c\\u006fntent")),
        format!("data: {escaped}\n\n"),
        format!("data: {}\n\n", whole.replace("\"content\":", "\"content\":\"fine\",\"content\":")),
        format!("data: {}\n\n", whole.replace("\"content\":\"sk-secret-4711\"", "\"reasoning\":\"sk-secret-4711\"")),
        format!(
            "data: {}\n\n",
            whole.replace("\"sk-secret-4711\"", "[{\"type\":\"text\",\"text\":\"sk-secret-4711\"}]")
        ),
        // The last event has no end.
        format!("data: {fine}\n\ndata: {whole}"),
    ] {
        for cut in [1, 10_000] {
            let reply = Reply::stream().piece(&stream).end().cut_every(cut);
            let answer = send(&bound, &block, reply);
            assert!(!answer.text().contains("4711"), "{stream:?}: {}", answer.text());
            // What has no end is no event, and is nobody's business.
            let is_ended = stream.ends_with(['\n', '\r']);
            assert!(
                !is_ended || answer.text().contains("\"code\":\"content_blocked\""),
                "{stream:?}: {}",
                answer.text()
            );
        }
        // A provider that does not say that it sends events.
        let reply = Reply::stream_with(200, &[("content-type", "text/plain")]).piece(&stream).end();
        let answer = send(&bound, &block, reply);
        assert!(!answer.text().contains("4711"), "{stream:?}: {} {}", answer.status, answer.text());
    }
}

#[test]
fn p12_what_is_held_goes_out_at_the_end_and_too_much_is_blocked() {
    let bound = Bound::new();
    let redact = bound.guarded(&content_rule(PATTERN, "redact"));
    let block = bound.guarded(&content_rule(PATTERN, "block"));
    for key in [&redact, &block] {
        // It may yet be one, until it ends.
        let answer = send(&bound, key, events(&[chunk(&[(0, "well: ")]), chunk(&[(0, "sk-sec")])])).ok();
        assert_eq!(said_by(&answer, 0), "well: sk-sec");
        // Where the provider breaks off, too.
        let broken = [chunk(&[(0, "well: sk-secret")])]
            .iter()
            .fold(Reply::stream(), |reply, chunk| reply.event(chunk.to_string()))
            .close();
        let answer = send(&bound, key, broken);
        assert_eq!(said_by(&answer, 0), "well: sk-secret");
        let last = answer.data().pop().expect("an event");
        assert_eq!(last["error"]["code"], "upstream_interrupted", "{last}");
    }
    let long = json!({"content_patterns": [{"name": "long", "pattern": "BEGIN[^.]*END", "action": "redact", "max_length": 65_536}]});
    let long = bound.guarded(&long);
    let line = "x".repeat(1_024);
    let mut chunks = vec![chunk(&[(0, "So: BEGIN")])];
    chunks.extend((0..20).map(|_| chunk(&[(0, &line)])));
    chunks.push(chunk(&[(0, "END. And on.")]));
    let answer = send(&bound, &long, events(&chunks)).ok();
    assert_eq!(said_by(&answer, 0), "So: [REDACTED]. And on.");
    let mut chunks = vec![chunk(&[(0, "So: BEGIN")])];
    chunks.extend((0..80).map(|_| chunk(&[(0, &line)])));
    chunks.push(chunk(&[(0, ". And on.")]));
    let answer = send(&bound, &long, events(&chunks));
    assert!(said_by(&answer, 0).len() < 5 || !answer.text().contains("content_blocked"), "{}", answer.text().len());
}

#[test]
fn p12_an_array_of_googles_is_judged_as_events_are() {
    let bound = Bound::new();
    let redact = bound.guarded(&content_rule(PATTERN, "redact"));
    let block = bound.guarded(&content_rule(PATTERN, "block"));
    let pieces = ["All is ", "well: sk-se", "cret-", "4711", " and on"].map(str::to_owned);
    let frames = google::array(&google::answers(&Turn { text: pieces.to_vec(), ..Turn::default() }, "m"));
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}]}).to_string();
    for cut in [1, 23, 10_000] {
        let send = |key: &Key| {
            let head = Reply::stream_with(200, &[("content-type", "application/json; charset=UTF-8")]);
            bound.acme.next(frames.iter().fold(head, Reply::piece).end().cut_every(cut));
            bound.http().post("/v1beta/models/acme:m:streamGenerateContent").json(&body).with(key).send()
        };
        let said = |elements: &[Value]| -> String {
            let texts = elements.iter().filter_map(|one| one["candidates"][0]["content"]["parts"][0]["text"].as_str());
            texts.collect()
        };
        let answer = send(&redact).ok().json();
        assert_eq!(said(answer.as_array().expect("an array")), "All is well: [REDACTED] and on");
        let answer = send(&block).ok().json();
        let (last, before) = answer.as_array().expect("an array").split_last().expect("an element");
        let error = Speech::Google.error(last, 400, "content_blocked");
        assert_eq!(error["policy_id"], block.policy(), "{error}");
        assert!("All is well: ".starts_with(&said(before)), "{answer}");
    }
}

#[test]
fn p12_completions_and_errors_in_mid_stream_are_judged() {
    let bound = Bound::new();
    let redact = bound.guarded(&content_rule(PATTERN, "redact"));
    let block = bound.guarded(&content_rule(PATTERN, "block"));
    let text = |text: &str| json!({"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [{"index": 0, "text": text, "finish_reason": null}]});
    let body = json!({"model": "acme:m", "prompt": "x", "stream": true}).to_string();
    let completion = |key: &Key| {
        bound.acme.next(events(&[text("a sk-sec"), text("ret-"), text("4711 b")]));
        bound.http().post("/v1/completions").json(&body).with(key).send()
    };
    let said = |answer: &Answer| -> String {
        let choices =
            answer.data().into_iter().filter_map(|event| event["choices"][0]["text"].as_str().map(str::to_owned));
        choices.collect()
    };
    assert_eq!(said(&completion(&redact).ok()), "a [REDACTED] b");
    let answer = completion(&block);
    assert!("a ".starts_with(&said(&answer)), "{}", answer.text());
    error_event(Speech::Chat, &answer, 400, "content_blocked");
    for key in [&redact, &block] {
        let error = json!({"error": {"message": "you said sk-secret-4711", "type": "server_error", "code": "x", "param": null}});
        let answer =
            send(&bound, key, Reply::stream().event(chunk(&[(0, "fine")]).to_string()).event(error.to_string()).end());
        assert!(answer.text().contains("fine") && !answer.text().contains("4711"), "{}", answer.text());
    }
}
