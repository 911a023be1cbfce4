//! Calls that go well, and what is said of them.

use crate::support::{KEY, STREAM, Wire, World, chunk, dechunked, json, status};
use bitrouter_gateway::{
    Limits,
    ports::RequestRecord,
    protocol::usage::{InputTokens, OutputTokens},
};
use serde_json::Value;

fn input_of(record: &RequestRecord) -> Option<u64> {
    record.usage.input.map(InputTokens::total)
}

fn output_of(record: &RequestRecord) -> Option<u64> {
    record.usage.output.map(OutputTokens::total)
}

#[tokio::test]
async fn a_call_arrives_byte_for_byte_but_for_model_and_credential() {
    let world = World::new().await;
    let mut caller = world.caller().await;
    let body = r#"{"x":1e5, "mod\u0065l" : "acme/big","messages":[{"model":"acme/big"}], "\ud83d":"\u00e9"}"#;
    caller.post("/v1/chat/completions?key=brk&v=1", body).await;
    let mut provider = world.accept().await;
    let (head, arrived) = provider.message().await;
    assert!(head.starts_with("post /base/v1/chat/completions?v=1 http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("authorization: bearer {KEY}\r\n")), "{head}");
    assert!(!head.contains("from-the-caller") && head.contains("accept-encoding: identity"), "{head}");
    let expected = body.replacen("\"acme/big\"", "\"big-2026\"", 1);
    assert_eq!(String::from_utf8(arrived).unwrap(), expected);

    let reply = r#"{"id":"r", "n":1e5,"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#;
    let extra = "HTTP/1.1 200 OK\r\nset-cookie: a=b\r\nx-bitrouter-request-id: theirs\r\nx-ratelimit: 5\r\n";
    provider.send(json("200 OK", reply).replacen("HTTP/1.1 200 OK\r\n", extra, 1)).await;
    let (head, body) = caller.message().await;
    assert_eq!((status(&head), String::from_utf8(body).unwrap().as_str()), (200, reply));
    assert!(head.contains("x-ratelimit: 5") && !head.contains("set-cookie") && !head.contains("theirs"), "{head}");

    let record = world.records(1).await.remove(0);
    assert_eq!((input_of(&record), output_of(&record), record.status), (Some(3), Some(4), 200));
    assert_eq!((record.model.as_ref(), record.model_listed, record.cancelled), ("big", true, false));
    assert_eq!((record.provider.unwrap().as_str(), record.request_id.as_str()), ("acme", "req_test"));
    assert!(record.first_byte.unwrap() <= record.total && record.error_code.is_none());
}

#[tokio::test]
async fn a_connection_is_used_again_and_a_stale_one_is_replaced() {
    let world = World::new().await;
    let mut caller = world.caller().await;
    caller.chat(r#"{"model":"acme/same"}"#).await;
    let mut provider = world.accept().await;
    provider.message().await;
    provider.send(json("200 OK", "{}")).await;
    assert_eq!(caller.reply().await.0, 200);
    // The same connection, with an alias and an unlisted name.
    caller.chat(r#"{"model":"fast"}"#).await;
    let (_, body) = provider.message().await;
    assert_eq!(body, br#"{"model":"unlisted"}"#);
    // Chunked this time; the end of the body must be read for the connection to be idle again.
    provider.send(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk("{}"))).await;
    let head = caller.until("\r\n\r\n").await;
    assert_eq!(dechunked(&caller.until("0\r\n\r\n").await), ("{}".to_owned(), true), "{head}");
    caller.chat(r#"{"model":"acme:same"}"#).await;
    provider.message().await;
    provider.send(json("200 OK", "{}")).await;
    caller.reply().await;
    drop(provider);
    caller.chat(r#"{"model":"acme:same"}"#).await;
    let mut provider = world.accept().await;
    provider.message().await;
    provider.send(json("200 OK", "{}")).await;
    assert_eq!(caller.reply().await.0, 200);
    assert_eq!(world.records(4).await.iter().filter(|record| record.error_code.is_some()).count(), 0);
}

#[tokio::test]
async fn events_pass_as_they_come_and_usage_is_read_on_the_way() {
    let world = World::new().await;
    let mut caller = world.caller().await;
    caller.chat(r#"{"stream":true,"model":"acme/big"}"#).await;
    let mut provider = world.accept().await;
    provider.message().await;
    provider.send(STREAM).await;
    // A character and an event cut in two.
    let events = "data: {\"a\":\"é\"}\r\n\r\ndata: {\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":9}}\n\ndata: [DONE]\n\n";
    let at = events.find('é').unwrap() + 1;
    let bytes = events.as_bytes();
    provider.send([format!("{at:x}\r\n").as_bytes(), &bytes[..at], b"\r\n"].concat()).await;
    let head = caller.until("\r\n\r\n").await;
    assert!(head.contains("text/event-stream") && head.contains("chunked"), "{head}");
    let next = at + 7;
    provider.send([format!("{:x}\r\n", next - at).as_bytes(), &bytes[at..next], b"\r\n"].concat()).await;
    // The first event is whole now and comes although the second has not begun.
    assert!(caller.until("\r\n\r\n\r\n").await.ends_with("data: {\"a\":\"é\"}\r\n\r\n\r\n"));
    provider.send(chunk(&events[next..])).await;
    provider.send("0\r\n\r\n").await;
    let (rest, ended) = dechunked(&caller.until("0\r\n\r\n").await);
    assert!(ended && events.ends_with(&rest) && rest.ends_with("data: [DONE]\n\n"), "{rest}");
    let record = world.records(1).await.remove(0);
    assert_eq!((input_of(&record), output_of(&record), record.stream), (Some(8), Some(9), true));
}

#[tokio::test]
async fn nothing_is_read_ahead_of_a_caller_that_does_not_read() {
    let world = World::new().await;
    let mut caller = world.caller().await;
    caller.chat(r#"{"stream":true,"model":"acme/big"}"#).await;
    let mut provider = world.accept().await;
    provider.message().await;
    provider.send(STREAM).await;
    let event = chunk(&format!("data: {}\n\n", "x".repeat(60_000)));
    let mut sent = 0usize;
    // Sending stops once every buffer on the way is full.
    while tokio::time::timeout(std::time::Duration::from_millis(300), provider.send(&event)).await.is_ok() {
        sent += event.len();
        assert!(sent < 64 << 20, "the gateway reads on and on");
    }
    // A caller that was slow was not late: reading on, everything is there.
    let read = caller.exactly(sent / 2).await;
    assert!(read.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn the_demo_answers_without_a_provider() {
    let world = World::new().await;
    let mut caller = world.caller().await;
    caller.chat(r#"{"model":"demo/echo","messages":[{"role":"user","content":"one two  three"}]}"#).await;
    let (code, reply) = caller.reply().await;
    assert_eq!((code, &reply["choices"][0]["message"]["content"]), (200, &Value::from("one two  three")));
    assert_eq!(reply["usage"]["total_tokens"], 6);
    caller.chat(r#"{"model":"demo:echo","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"one two"}]}"#).await;
    caller.until("\r\n\r\n").await;
    let (events, ended) = dechunked(&caller.until("0\r\n\r\n").await);
    assert!(ended && events.ends_with("data: [DONE]\n\n"));
    let chunks: Vec<Value> =
        events.split("\n\n").filter_map(|event| serde_json::from_str(event.strip_prefix("data: ")?).ok()).collect();
    let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!((text.as_str(), chunks.len()), ("one two", 5));
    assert_eq!(chunks[3]["choices"][0]["finish_reason"], "stop");
    assert_eq!(chunks[4]["usage"]["completion_tokens"], 2);
    caller.post("/v1/embeddings", r#"{"model":"demo/embed","input":"x"}"#).await;
    assert_eq!(caller.reply().await.1["data"][0]["embedding"].as_array().unwrap().len(), 8);
    let records = world.records(3).await;
    assert_eq!((output_of(&records[1]), records[1].stream, records[1].cancelled), (Some(2), true, false));
}

#[tokio::test]
async fn models_are_listed_and_found_by_every_spelling() {
    let world = World::new().await;
    let mut caller = world.caller().await;
    let (code, list) = caller.get("/v1/models").await;
    let ids: Vec<&str> = list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(code, 200);
    assert_eq!(ids, ["acme/big", "acme/same", "demo/echo", "demo/lorem", "demo/embed", "every/m"]);
    assert_eq!((&list["object"], &list["has_more"]), (&Value::from("list"), &Value::from(false)));
    assert_eq!((&list["first_id"], &list["last_id"]), (&list["data"][0]["id"], &list["data"][5]["id"]));
    assert_eq!(list["data"][2]["pricing"]["output_tokens"]["text"], 2.0);
    assert!(list["data"][0].get("pricing").is_none());
    for spelling in ["acme/big", "acme%2Fbig", "acme:big", "big"] {
        assert_eq!(caller.get(&format!("/v1/models/{spelling}")).await, (200, list["data"][0].clone()), "{spelling}");
    }
    for (path, code) in [("acme/none", 404), ("acme:none", 200), ("openai/gpt-6-luna", 402), ("gone/x", 200)] {
        assert_eq!(caller.get(&format!("/v1/models/{path}")).await.0, code, "{path}");
    }
}

#[tokio::test]
async fn a_long_body_passes_whole_in_both_directions() {
    let world = World::with(Limits { max_body: 6 << 20, ..Limits::default() }).await;
    let mut caller = world.caller().await;
    let pad = "é".repeat(5 << 19);
    let body = format!("{{\"pad\":\"{pad}\",\"model\":\"acme/big\"}}");
    let answer = format!("{{\"pad\":\"{pad}\",\"usage\":{{\"prompt_tokens\":1,\"completion_tokens\":2}}}}");
    let sending = caller.chat(&body);
    let receiving = async {
        let mut provider = world.accept().await;
        let (_, arrived) = provider.message().await;
        assert!(arrived == body.replace("acme/big", "big-2026").into_bytes());
        provider
    };
    let ((), mut provider) = tokio::join!(sending, receiving);
    let reply = json("200 OK", &answer);
    let (returned, ()) = tokio::join!(caller.message(), provider.send(&reply));
    assert!(returned.1 == answer.into_bytes());
    assert_eq!(output_of(&world.records(1).await[0]), Some(2));
}

#[tokio::test]
async fn health_and_head_need_no_model() {
    let world = World::new().await;
    let mut caller = world.caller().await;
    assert_eq!(caller.get("/health").await, (200, serde_json::json!({"status": "ok"})));
    caller.send("HEAD /v1/models HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(caller.until("\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    let mut other: Wire = world.caller().await;
    assert_eq!(other.get("/health").await.0, 200);
}
