//! Calls that go wrong: what the caller sees, and what is said of it.

use std::time::Duration;

use crate::support::{KEY, PATIENCE, STREAM, Wire, World, chunk, dechunked, json as reply, status};
use bitrouter_gateway::Limits;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Five times the promised 100 ms: a slow machine is no bug.
const PROMPT: Duration = Duration::from_millis(500);

fn short() -> Limits {
    // Long enough that an honest step of a busy machine is not taken for silence.
    let tick = Duration::from_millis(500);
    Limits { first_byte: tick, between_chunks: tick, ..Limits::default() }
}

#[tokio::test]
async fn refusals_come_in_their_order_and_say_what_helps() {
    let world = World::new().await;
    let mut caller = world.caller().await;
    for (body, code, kind, param) in [
        ("{\"model\":", 400, "invalid_request", Value::Null),
        ("{}", 400, "invalid_request", json!("model")),
        (r#"{"model":"a","model":"b"}"#, 400, "invalid_request", json!("model")),
        (r#"{"model":"acme/gib"}"#, 404, "model_not_found", json!("model")),
        (r#"{"model":"openai/gpt-6-luna"}"#, 402, "provider_key_missing", json!("model")),
        (r#"{"model":"foreign/big"}"#, 501, "protocol_not_supported", Value::Null),
    ] {
        caller.chat(body).await;
        let (status, document) = caller.reply().await;
        let error = &document["error"];
        assert_eq!((status, &error["code"], &error["param"]), (code, &json!(kind), &param), "{error}");
        assert!(error["message"].is_string() && error["type"].is_string(), "{error}");
    }
    caller.chat(r#"{"model":"openai/gpt-6-luna"}"#).await;
    let (_, document) = caller.reply().await;
    assert_eq!(document["error"]["variables"], json!(["BITROUTER_OPENAI_API_KEY", "OPENAI_API_KEY"]));
    assert_eq!(
        (&document["error"]["provider"], &document["error"]["type"]),
        (&json!("openai"), &json!("payment_required"))
    );
    caller.chat(r#"{"model":"acme/gib"}"#).await;
    let (_, document) = caller.reply().await;
    assert_eq!(document["error"]["suggestions"][0], "acme/big");
    let records = world.records(8).await;
    assert!(records.iter().all(|record| !record.cancelled && record.provider.is_none() && record.error_code.is_some()));
    assert_eq!((world.refused().len(), records[4].status), (8, 402));
}

#[tokio::test]
async fn paths_and_methods_are_refused_in_json() {
    let world = World::new().await;
    let mut caller = world.caller().await;
    let (code, document) = caller.get("/chat/completions").await;
    assert_eq!((code, &document["error"]["code"]), (404, &json!("not_found")));
    assert!(document["error"]["message"].as_str().unwrap().contains("http://127.0.0.1:4356/v1"));
    let (code, document) = caller.get("/v1/responses").await;
    assert_eq!((code, &document["error"]["code"]), (426, &json!("upgrade_required")));
    caller.send("DELETE /v1/models HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let (head, _) = caller.message().await;
    assert!(status(&head) == 405 && head.contains("allow: get, head\r\n"), "{head}");
    assert_eq!(caller.get("/v1/chat/completions").await.0, 405);
    assert_eq!(world.refused(), ["not_found", "upgrade_required", "method_not_allowed", "method_not_allowed"]);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_answered_before_it_is_read() {
    let world = World::with(Limits { max_body: 1000, ..Limits::default() }).await;
    // Announced: the answer comes although nothing of the body does.
    let mut caller = world.caller().await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    caller.send(format!("{head}content-length: 1001\r\n\r\n")).await;
    let (status, document) = caller.reply().await;
    assert_eq!((status, &document["error"]["code"]), (413, &json!("body_too_large")));
    // Chunked, and never ending: the answer comes at the bound, and the connection ends.
    let mut caller = world.caller().await;
    caller.send(format!("{head}transfer-encoding: chunked\r\n\r\n{}", chunk(&"x".repeat(1001)))).await;
    assert_eq!(caller.reply().await.0, 413);
    assert!(caller.ends_within(Duration::from_secs(3)).await);
    let mut caller = world.caller().await;
    caller.send(format!("{head}content-encoding: gzip\r\ncontent-length: 2\r\n\r\n{{}}")).await;
    assert_eq!(caller.reply().await.0, 415);
}

#[tokio::test]
async fn a_providers_error_keeps_status_and_body_and_loses_the_key() {
    let world = World::new().await;
    let mut caller = world.caller().await;
    caller.chat(r#"{"model":"acme/big"}"#).await;
    let mut provider = world.accept().await;
    provider.message().await;
    let body = format!("{{\"error\" : {{\"message\":\"key {KEY} is bad\"}}}}");
    let answer = reply("429 Too Many", &body).replacen("\r\n", "\r\nretry-after: Wed, 21 Oct 2026 07:28:00 GMT\r\n", 1);
    provider.send(answer).await;
    let (head, passed) = caller.message().await;
    assert!(status(&head) == 429 && head.contains("retry-after: wed, 21 oct 2026"), "{head}");
    assert_eq!(String::from_utf8(passed).unwrap(), body.replace(KEY, "[redacted]"));
    caller.chat(r#"{"model":"acme/big"}"#).await;
    provider.message().await;
    provider.send("HTTP/1.1 500 Oops\r\ncontent-type: text/html\r\ncontent-length: 11\r\n\r\n<h1>no</h1>").await;
    let (status, document) = caller.reply().await;
    assert_eq!((status, &document["error"]["code"]), (500, &json!("upstream_error")));
    assert_eq!(document["error"]["message"], "<h1>no</h1>");
    caller.chat(r#"{"model":"acme/big"}"#).await;
    provider.message().await;
    provider.send("HTTP/1.1 302 Found\r\nlocation: http://evil\r\ncontent-length: 0\r\n\r\n").await;
    let (status, document) = caller.reply().await;
    assert_eq!((status, &document["error"]["code"]), (502, &json!("upstream_error")));
    let records = world.records(3).await;
    assert!(records.iter().all(|record| record.error_code == Some("upstream_error") && !record.cancelled));
}

#[tokio::test]
async fn whatever_happens_before_the_first_byte_is_a_clean_error() {
    let world = World::with(short()).await;
    for (said, code, kind) in [
        (Some(""), 502, "upstream_interrupted"),
        (Some("HTTP/1.1 200 OK\r\ncontent-le"), 502, "upstream_interrupted"),
        (Some("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"), 502, "upstream_interrupted"),
        (Some(STREAM), 502, "upstream_interrupted"),
        (Some("HTTP/1.1 200 OK\r\n\r\n"), 502, "upstream_interrupted"),
        (Some("garbage\r\n\r\n"), 502, "upstream_interrupted"),
        (Some("HTTP/1.1 101 Switching\r\n\r\n"), 502, "upstream_error"),
        (None, 504, "upstream_timeout"),
    ] {
        let mut caller = world.caller().await;
        caller.chat(r#"{"model":"acme/big"}"#).await;
        let mut provider = world.accept().await;
        provider.message().await;
        let held = match said {
            Some(said) => {
                provider.send(said).await;
                drop(provider);
                None
            }
            // Stalls after the head.
            None => {
                provider.send(STREAM).await;
                Some(provider)
            }
        };
        let (status, document) = caller.reply().await;
        assert_eq!((status, &document["error"]["code"]), (code, &json!(kind)), "{said:?} {document}");
        assert!(!document.to_string().contains(KEY));
        drop(held);
    }
    assert!(world.records(8).await.iter().all(|record| record.first_byte.is_none() && !record.cancelled));
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_unavailable() {
    let world = World::new().await;
    let mut caller = world.caller().await;
    caller.chat(r#"{"model":"gone:x"}"#).await;
    let (status, document) = caller.reply().await;
    assert_eq!((status, &document["error"]["code"]), (502, &json!("upstream_unavailable")));
    assert!(document["error"]["message"].as_str().unwrap().contains("127.0.0.1:1"), "{document}");
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_an_event_after_whole_events() {
    let world = World::with(short()).await;
    let unmeasured = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    for (said, code) in [
        (format!("{STREAM}{}{}", chunk("data: 1\n\nda"), chunk("ta: ha")), "upstream_interrupted"),
        (format!("{unmeasured}data: 1\n\ndata: ha"), "upstream_interrupted"),
        (format!("{STREAM}{}", chunk("data: 1\n\ndata: ha")), "upstream_timeout"),
    ] {
        let token = CancellationToken::new();
        let mut caller = Wire::to(world.with_close_token(token.clone()).await).await;
        caller.chat(r#"{"model":"acme/big","stream":true}"#).await;
        let mut provider = world.accept().await;
        provider.message().await;
        provider.send(said).await;
        let held = (code == "upstream_timeout").then_some(provider);
        assert!(caller.until("\r\n\r\n").await.starts_with("HTTP/1.1 200"));
        let (events, ended) = dechunked(&caller.until("0\r\n\r\n").await);
        let event = events.strip_prefix("data: 1\n\ndata: ").unwrap_or_else(|| panic!("{events}"));
        let error: Value = serde_json::from_str(event.trim_end()).unwrap();
        assert_eq!((&error["error"]["code"], &error["error"]["param"]), (&json!(code), &Value::Null));
        assert!(ended && event.ends_with("}\n\n") && token.is_cancelled());
        drop(held);
    }
    // The same bytes are no failure when the last event says that it was the last.
    let mut caller = world.caller().await;
    caller.chat(r#"{"model":"acme/big","stream":true}"#).await;
    let mut provider = world.accept().await;
    provider.message().await;
    provider.send(format!("{unmeasured}data: 1\n\ndata: [DONE]\n")).await;
    drop(provider);
    caller.until("\r\n\r\n").await;
    assert_eq!(dechunked(&caller.until("0\r\n\r\n").await).0, "data: 1\n\ndata: [DONE]\n");
    let codes: Vec<_> = world.records(4).await.iter().map(|record| record.error_code).collect();
    assert_eq!(codes, [Some("upstream_interrupted"), Some("upstream_interrupted"), Some("upstream_timeout"), None]);
}

#[tokio::test]
async fn a_reply_that_breaks_is_never_mistaken_for_a_whole_one() {
    let world = World::with(short()).await;
    let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    for said in [
        format!("{json}content-length: 100\r\n\r\n{{\"half\":"),
        format!("{json}transfer-encoding: chunked\r\n\r\n{}", chunk("{\"half\":")),
        format!("{json}\r\n{{\"half\":"),
    ] {
        let mut caller = world.caller().await;
        caller.chat(r#"{"model":"acme/big"}"#).await;
        let mut provider = world.accept().await;
        provider.message().await;
        provider.send(&said).await;
        drop(provider);
        let seen = caller.rest().await.unwrap_or_default();
        assert!(!seen.ends_with("0\r\n\r\n") && !seen.contains("content-length: 8"), "{said} {seen}");
    }
    // Reset instead of closed.
    let mut caller = world.caller().await;
    caller.chat(r#"{"model":"acme/big"}"#).await;
    let mut provider = world.accept().await;
    provider.message().await;
    provider.send(format!("{json}content-length: 100\r\n\r\n{{")).await;
    caller.until("\r\n\r\n").await;
    provider.reset();
    let _ = caller.rest().await;
    let records = world.records(4).await;
    assert!(records.iter().all(|record| record.error_code == Some("upstream_interrupted") && !record.cancelled));
}

#[tokio::test]
async fn p10_a_caller_that_leaves_cancels_the_upstream_at_once() {
    let world = World::new().await;
    // While the head is awaited.
    let mut caller = world.caller().await;
    caller.chat(r#"{"model":"acme/big"}"#).await;
    let mut provider = world.accept().await;
    provider.message().await;
    drop(caller);
    assert!(provider.ends_within(PROMPT).await);
    // In mid-stream.
    let mut caller = world.caller().await;
    caller.chat(r#"{"model":"acme/big","stream":true}"#).await;
    let mut provider = world.accept().await;
    provider.message().await;
    provider.send(format!("{STREAM}{}", chunk("data: 1\n\n"))).await;
    caller.until("data: 1\n\n\r\n").await;
    drop(caller);
    assert!(provider.ends_within(PROMPT).await);
    let records = world.records(2).await;
    assert!(records.iter().all(|record| record.cancelled));
    assert_eq!((records[0].status, records[1].status), (499, 200));
    assert!(records[0].first_byte.is_none() && records[1].first_byte.is_some());
}

#[tokio::test]
async fn the_forced_end_reaches_everything_that_runs() {
    let world = World::new().await;
    let mut waiting = world.caller().await;
    waiting.chat(r#"{"model":"acme/big"}"#).await;
    let mut first = world.accept().await;
    first.message().await;
    let mut streaming = world.caller().await;
    streaming.chat(r#"{"model":"acme/big","stream":true}"#).await;
    let mut second = world.accept().await;
    second.message().await;
    second.send(format!("{STREAM}{}", chunk("data: 1\n\nda"))).await;
    streaming.until("data: 1\n\n\r\n").await;
    world.gateway.interrupt();
    assert_eq!(waiting.reply().await.0, 502);
    let (events, ended) = dechunked(&streaming.until("0\r\n\r\n").await);
    assert!(ended && events.starts_with("data: {\"error\"") && events.contains("upstream_interrupted"), "{events}");
    assert!(first.ends_within(PATIENCE).await && second.ends_within(PATIENCE).await);
}

#[tokio::test]
async fn a_total_limit_holds_however_lively_the_provider_is() {
    let total = Duration::from_millis(300);
    let world = World::with(Limits { total, ..Limits::default() }).await;
    let mut caller = world.caller().await;
    caller.chat(r#"{"model":"acme/big","stream":true}"#).await;
    let mut provider = world.accept().await;
    provider.message().await;
    provider.send(STREAM).await;
    let talking = async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tick.tick().await;
            if tokio::io::AsyncWriteExt::write_all(&mut provider.0, chunk("data: 1\n\n").as_bytes()).await.is_err() {
                return;
            }
        }
    };
    let listening = async {
        caller.until("\r\n\r\n").await;
        dechunked(&caller.until("\r\n0\r\n\r\n").await).0
    };
    let ((), events) = tokio::join!(talking, listening);
    assert!(events.contains("upstream_timeout") && events.contains("total"), "{events}");
}
