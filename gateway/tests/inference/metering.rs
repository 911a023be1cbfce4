//! What is admitted and what is settled, in each dialect and for each way in which a call can end.

use std::time::Duration;

use bitrouter_gateway::{
    InferenceError, Limits,
    ports::Settlement,
    protocol::usage::{InputTokens, OutputTokens, TokenUsage},
};
use bitrouter_proto::{
    account::{CallStatus, MicroUsd, UsageOrigin},
    codes::InferenceCode,
};
use serde_json::json;

use crate::{
    ledger::{Call, Ledger, SCRIPTS, Script, answered, begun, ok},
    support::{PATIENCE, STREAM, chunk, status},
};

/// Five times the promised 100 ms: a slow machine is no bug.
const PROMPT: Duration = Duration::from_millis(500);

fn counted(input: u64, output: u64) -> TokenUsage {
    TokenUsage {
        input: Some(InputTokens { uncached: input, ..InputTokens::default() }),
        output: Some(OutputTokens { visible: output, ..OutputTokens::default() }),
    }
}

/// What we count: the estimate of what went in, or what the provider told of it, and what came out.
fn own(call: &Call, told: u64, output: u64) -> TokenUsage {
    counted(told.max(call.metered.estimated_input.min(call.metered.bound.input)), output)
}

fn told_input(script: &Script) -> u64 {
    if script.begin.contains("input_tokens") { 20 } else { 0 }
}

fn told_output(script: &Script) -> u64 {
    u64::from(script.begin.contains("output_tokens"))
}

fn is(settled: &Settlement, status: CallStatus, origin: UsageOrigin, usage: TokenUsage, what: &str) {
    assert_eq!((settled.status, settled.origin, settled.usage), (status, origin, usage), "{what}");
}

#[tokio::test]
async fn p16_a_stream_and_its_twin_cost_the_same_and_are_settled_before_their_last_byte() {
    let (world, ledger) = Ledger::world(Limits::default()).await;
    for script in &SCRIPTS {
        let what = script.dialect.as_str();
        let (mut caller, mut provider) = begun(&world, script, &[script.begin, script.content, script.over]).await;
        assert!(ledger.calls().pop().unwrap().settled.is_empty(), "{what}");
        let rest = [script.usage, script.end].concat();
        provider.send(format!("{}0\r\n\r\n", chunk(&rest))).await;
        caller.until(&format!("{}\r\n", if script.end.is_empty() { "0\r\n" } else { script.end })).await;
        let (stream, of_stream) = ledger.last();
        assert_eq!(stream.route, ["every", "m", "every/m"], "{what}");
        assert!(stream.stream && stream.dialect == script.dialect, "{what}");
        let first = stream.progress[0];
        assert!(first.first_byte.is_some() && first.first_byte == of_stream.first_byte, "{what}");
        is(&of_stream, CallStatus::Succeeded, UsageOrigin::Provider, counted(20, 9), what);
        drop(provider);

        let (code, _) = answered(&world, script, &ok(script.document)).await;
        let (plain, of_plain) = ledger.last();
        assert_eq!((code, plain.stream), (200, false), "{what}");
        is(&of_plain, CallStatus::Succeeded, UsageOrigin::Provider, of_stream.usage, what);
        assert_eq!((of_plain.cost, &of_plain.objects), (of_stream.cost, &of_stream.objects), "{what}");
        assert_eq!(of_plain.objects.len(), if what == "responses" { 3 } else { 0 });
    }
    assert_eq!(ledger.calls().len(), 2 * SCRIPTS.len());
}

#[tokio::test]
async fn p16_a_provider_that_reports_nothing_is_counted_here() {
    let (world, ledger) = Ledger::world(Limits::default()).await;
    for script in &SCRIPTS {
        let what = script.dialect.as_str();
        let document = script.document.replace("\"usage", "\"nothing");
        let (code, _) = answered(&world, script, &ok(&document)).await;
        let (call, settled) = ledger.last();
        assert_eq!(code, 200, "{what}");
        is(&settled, CallStatus::Succeeded, UsageOrigin::Estimated, own(&call, 0, 4), what);
        // The same in pieces, without a length.
        let mut caller = world.caller().await;
        caller.post(script.plain_path, script.plain_body).await;
        let mut provider = world.accept().await;
        provider.message().await;
        let head = STREAM.replace("text/event-stream", "application/json");
        let (one, other) = document.split_at(document.len() / 2);
        provider.send(format!("{head}{}", chunk(one))).await;
        caller.until(&chunk(one)).await;
        provider.send(format!("{}0\r\n\r\n", chunk(other))).await;
        caller.until("\r\n0\r\n\r\n").await;
        let (call, settled) = ledger.last();
        is(&settled, CallStatus::Succeeded, UsageOrigin::Estimated, own(&call, 0, 4), what);
    }
    let script = &SCRIPTS[0];
    let (mut caller, mut provider) = begun(&world, script, &[script.begin, script.content, script.content]).await;
    provider.send(format!("{}0\r\n\r\n", chunk(&[script.over, script.end].concat()))).await;
    caller.until(&format!("{}\r\n", script.end)).await;
    let (call, settled) = ledger.last();
    is(&settled, CallStatus::Succeeded, UsageOrigin::Estimated, own(&call, 0, 8), "a chat");
}

#[tokio::test]
async fn p10_a_caller_that_leaves_in_the_middle_pays_for_what_came() {
    let (world, ledger) = Ledger::world(Limits::default()).await;
    for script in &SCRIPTS {
        let what = script.dialect.as_str();
        for (events, output) in [
            (&[script.begin][..], told_output(script)),
            (&[script.begin, script.content], 4),
            (&[script.begin, script.content, script.content], 8),
        ] {
            let (caller, mut provider) = begun(&world, script, events).await;
            drop(caller);
            assert!(provider.ends_within(PROMPT).await, "{what}");
            let (call, settled) = ledger.last_settled().await;
            let usage = own(&call, told_input(script), output);
            assert_eq!((settled.status, settled.usage), (CallStatus::Cancelled, usage), "{what} {output}");
        }
        // Before there was anything.
        let mut caller = world.caller().await;
        caller.post(script.plain_path, script.plain_body).await;
        let mut provider = world.accept().await;
        provider.message().await;
        drop(caller);
        assert!(provider.ends_within(PROMPT).await, "{what}");
        let (call, settled) = ledger.last_settled().await;
        is(&settled, CallStatus::Cancelled, UsageOrigin::Estimated, own(&call, 0, 0), what);
        assert_eq!(settled.first_byte, None);
    }
}

#[tokio::test]
async fn p10_a_caller_that_leaves_behind_the_content_pays_what_its_provider_counts() {
    let (world, ledger) = Ledger::world(Limits::default()).await;
    for script in &SCRIPTS {
        let what = script.dialect.as_str();
        let events = [script.begin, script.content, script.over];
        let (caller, mut provider) = begun(&world, script, &events).await;
        drop(caller);
        // It is still listened to, and told so by nothing but that what it sends is read.
        provider.send(chunk(": still there\n\n")).await;
        provider.send(chunk(&[script.usage, script.end].concat())).await;
        let (_, settled) = ledger.last_settled().await;
        is(&settled, CallStatus::Cancelled, UsageOrigin::Provider, counted(20, 9), what);
        assert!(provider.ends_within(PROMPT).await, "{what}");

        // Other content begins: it is in the middle after all.
        let (caller, mut provider) = begun(&world, script, &events).await;
        drop(caller);
        let more = match what {
            "messages" => "data: {\"type\":\"content_block_start\",\"index\":1}\n\n",
            "responses" => "data: {\"type\":\"response.output_item.added\",\"item\":{\"id\":\"x\"}}\n\n",
            "generate_content" => "data: {\"candidates\":[{\"index\":1}]}\n\n",
            _ => script.content,
        };
        provider.send(chunk(more)).await;
        assert!(provider.ends_within(PROMPT).await, "{what}");
        let (call, settled) = ledger.last_settled().await;
        let output = if what == "chat_completions" { 8 } else { 4 };
        let usage = own(&call, told_input(script), output);
        assert_eq!((settled.status, settled.usage), (CallStatus::Cancelled, usage), "{what}");

        // It breaks off.
        let (caller, provider) = begun(&world, script, &events).await;
        drop(caller);
        drop(provider);
        let (call, settled) = ledger.last_settled().await;
        let usage = own(&call, told_input(script), 4);
        assert_eq!((settled.status, settled.usage), (CallStatus::Cancelled, usage), "{what}");

        // What it used was told already.
        if !script.usage.is_empty() && what != "chat_completions" {
            let (caller, mut provider) =
                begun(&world, script, &[script.begin, script.content, script.over, script.usage]).await;
            drop(caller);
            assert!(provider.ends_within(PROMPT).await, "{what}");
            let (_, settled) = ledger.last_settled().await;
            assert_eq!((settled.origin, settled.usage), (UsageOrigin::Provider, counted(20, 9)), "{what}");
        }
    }
}

#[tokio::test]
async fn p10_nobody_waits_for_usage_that_does_not_come() {
    let (world, ledger) = Ledger::world(Limits::default()).await;
    let script = &SCRIPTS[0];
    let events = [script.begin, script.content, script.over];
    let (caller, mut provider) = begun(&world, script, &events).await;
    drop(caller);
    assert!(provider.ends_within(PATIENCE).await);
    let (call, settled) = ledger.last_settled().await;
    is(&settled, CallStatus::Cancelled, UsageOrigin::Estimated, own(&call, 0, 4), "nothing came");
    // Nor longer than the daemon lives.
    let (caller, mut provider) = begun(&world, script, &events).await;
    drop(caller);
    assert!(ledger.calls().pop().unwrap().settled.is_empty());
    world.gateway.interrupt();
    assert!(provider.ends_within(Duration::from_secs(3)).await);
    assert_eq!(ledger.last_settled().await.1.status, CallStatus::Cancelled);
}

#[tokio::test]
async fn p16_what_breaks_stalls_or_is_ended_is_charged_for_what_came() {
    let tick = Duration::from_millis(500);
    let (world, ledger) = Ledger::world(Limits { between_chunks: tick, ..Limits::default() }).await;
    for script in &SCRIPTS {
        let what = script.dialect.as_str();
        let events = [script.begin, script.content];
        for stalls in [false, true] {
            let (mut caller, provider) = begun(&world, script, &events).await;
            let held = stalls.then_some(provider);
            // Settled before the event that says so.
            caller.until("0\r\n\r\n").await;
            let (call, settled) = ledger.last();
            let usage = own(&call, told_input(script), 4);
            assert_eq!((settled.status, settled.usage), (CallStatus::Failed, usage), "{what}");
            let code = if stalls { "upstream_timeout" } else { "upstream_interrupted" };
            assert_eq!(settled.error_code, Some(code), "{what}");
            drop(held);
        }
        // The provider says so itself.
        let failure = match what {
            "messages" => "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n",
            "responses" => "data: {\"type\":\"response.failed\",\"response\":{\"id\":\"resp_1\"}}\n\n",
            _ => "data: {\"error\":{\"message\":\"overloaded\"}}\n\n",
        };
        let (mut caller, mut provider) = begun(&world, script, &events).await;
        provider.send(format!("{}0\r\n\r\n", chunk(failure))).await;
        caller.until("0\r\n\r\n").await;
        let (call, settled) = ledger.last();
        let usage = own(&call, told_input(script), 4);
        assert_eq!((settled.status, settled.usage), (CallStatus::Failed, usage), "{what}");
    }
    let mut streams = vec![];
    for script in &SCRIPTS {
        streams.push(begun(&world, script, &[script.begin, script.content]).await);
    }
    world.gateway.interrupt();
    for ((caller, _), _) in streams.iter_mut().zip(&SCRIPTS) {
        caller.until("0\r\n\r\n").await;
    }
    let ended = ledger.calls().split_off(3 * SCRIPTS.len());
    for (call, script) in ended.iter().zip(&SCRIPTS) {
        assert_eq!(call.settled.len(), 1);
        let usage = own(call, told_input(script), 4);
        assert_eq!((call.settled[0].status, call.settled[0].usage), (CallStatus::Interrupted, usage));
    }
}

#[tokio::test]
async fn p16_what_a_provider_refuses_or_never_gets_costs_nothing() {
    let (world, ledger) = Ledger::world(Limits::default()).await;
    for script in &SCRIPTS {
        for code in ["400 Bad Request", "429 Too Many", "500 Oops"] {
            let answer = ok("{\"error\":{}}").replace("200 OK", code);
            let (status, _) = answered(&world, script, &answer).await;
            assert!(code.starts_with(&status.to_string()));
            let (_, settled) = ledger.last();
            is(&settled, CallStatus::Failed, UsageOrigin::Estimated, TokenUsage::default(), code);
            assert_eq!((settled.cost, settled.error_code), (Some(MicroUsd::ZERO), Some("upstream_error")));
        }
    }
    let mut caller = world.caller().await;
    caller.chat(r#"{"model":"gone:x"}"#).await;
    assert_eq!(caller.reply().await.0, 502);
    let (call, settled) = ledger.last();
    assert_eq!(
        (&call.route[0], settled.status, settled.cost),
        (&"gone".to_owned(), CallStatus::Failed, Some(MicroUsd::ZERO))
    );
    assert_eq!(settled.error_code, Some("upstream_unavailable"));
}

#[tokio::test]
async fn p16_a_metered_reply_that_is_neither_json_nor_events_is_502_and_charged_as_unfinished() {
    let (world, ledger) = Ledger::world(Limits::default()).await;
    for script in &SCRIPTS {
        for said in [
            "200 OK\r\ncontent-type: text/html\r\ncontent-length: 5\r\n\r\n<p>hi",
            "200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello",
            "200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\n\r\nsorry",
            "200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
            "200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: br\r\ncontent-length: 8\r\n\r\ndata: 1\n",
            "200 OK\r\ncontent-length: 0\r\n\r\n",
            "204 No Content\r\n\r\n",
        ] {
            let (code, document) = answered(&world, script, &format!("HTTP/1.1 {said}")).await;
            let (call, settled) = ledger.last();
            assert!(code == 502 && document.to_string().to_ascii_lowercase().contains("upstream_error"), "{said}");
            is(&settled, CallStatus::Failed, UsageOrigin::Estimated, own(&call, 0, 0), said);
        }
        // A server that does not say what it sends.
        let answer = ok(script.document).replace("application/json", "text/plain");
        assert_eq!(answered(&world, script, &answer).await.0, 200);
        assert_eq!(ledger.last().1.usage, counted(20, 9));
    }
}

#[tokio::test]
async fn a_refusal_of_the_ledger_is_told_in_the_dialect_before_anything_is_sent() {
    let (world, ledger) = Ledger::world(Limits::default()).await;
    for (code, status) in [(InferenceCode::ProviderKeyMissing, 402), (InferenceCode::Unavailable, 503)] {
        ledger.refuse(InferenceError::new(code, "so it is"));
        for script in &SCRIPTS {
            let mut caller = world.caller().await;
            caller.post(script.path, script.body).await;
            let (found, document) = caller.reply().await;
            assert_eq!(found, status);
            let said = document.to_string().to_ascii_lowercase();
            assert!(said.contains(code.as_str()) && said.contains("so it is"), "{said}");
            assert_eq!(document["error"]["status"].is_string(), script.plain_path.starts_with("/v1beta"), "{said}");
        }
        let mut caller = world.caller().await;
        caller.chat(r#"{"model":"demo/echo","messages":[{"role":"user","content":"a"}]}"#).await;
        assert_eq!(caller.reply().await.0, status);
    }
    assert!(ledger.calls().is_empty());
    assert_eq!(world.refused().len(), 10);
    assert!(world.records(10).await.iter().all(|record| record.provider.is_none()));
}

#[tokio::test]
async fn p16_the_demo_is_settled_like_any_other() {
    let (world, ledger) = Ledger::world(Limits::default()).await;
    let body = json!({"model": "demo/echo", "messages": [{"role": "user", "content": "one two three"}]});
    let mut caller = world.caller().await;
    caller.chat(&body.to_string()).await;
    assert_eq!(caller.reply().await.0, 200);
    let (call, plain) = ledger.last();
    assert_eq!(call.route, ["demo", "echo", "demo/echo"]);
    is(&plain, CallStatus::Succeeded, UsageOrigin::Provider, counted(3, 3), "a document");
    let mut body = body;
    body["stream"] = json!(true);
    caller.chat(&body.to_string()).await;
    caller.until("data: [DONE]\n\n").await;
    let (_, stream) = ledger.last();
    is(&stream, CallStatus::Succeeded, UsageOrigin::Provider, counted(3, 3), "a stream");
    assert_eq!(stream.cost, plain.cost);
    // It writes no faster than its caller reads, who leaves in the middle.
    body["messages"][0]["content"] = json!("word ".repeat(300_000));
    let mut caller = world.caller().await;
    caller.chat(&body.to_string()).await;
    assert_eq!(status(&caller.until("\r\n\r\n").await), 200);
    caller.until("word").await;
    drop(caller);
    let (call, settled) = ledger.last_settled().await;
    let output = settled.usage.output.unwrap().visible;
    assert!(settled.status == CallStatus::Cancelled && (1..300_000).contains(&output), "{settled:?}");
    assert_eq!(settled.usage, own(&call, 300_000, output));
}

#[tokio::test]
async fn progress_is_told_while_a_stream_moves() {
    let (world, ledger) = Ledger::world(Limits::default()).await;
    for script in &SCRIPTS {
        let (mut caller, mut provider) = begun(&world, script, &[script.begin]).await;
        let moving = async {
            while ledger.calls().pop().unwrap().progress.len() < 3 {
                provider.send(chunk(script.content)).await;
                caller.until(&format!("{}\r\n", script.content)).await;
            }
        };
        tokio::time::timeout(PATIENCE, moving).await.expect("progress");
        drop(caller);
        let (call, settled) = ledger.last_settled().await;
        let told: Vec<u64> = call.progress.iter().map(|so_far| so_far.usage.output.unwrap().visible).collect();
        assert!(told.is_sorted() && told[1] > 1 && told[2] <= settled.usage.output.unwrap().visible, "{told:?}");
        assert!(call.progress.iter().all(|so_far| so_far.first_byte == settled.first_byte));
    }
}
