//! A provider that keeps to no cap: its stream is cut, its connection ended, and the caller has a whole reply.

use std::time::Duration;

use bitrouter_gateway::Limits;
use bitrouter_proto::account::{CallStatus, UsageOrigin};
use serde_json::{Value, json};

use crate::{
    ledger::{Ledger, SCRIPTS, Script, answered, ok},
    support::{STREAM, Wire, World, chunk, dechunked, status},
};

/// Five times the promised 100 ms: a slow machine is no bug.
const PROMPT: Duration = Duration::from_millis(500);

/// The request of a script, capped.
fn capped(script: &Script, cap: u64) -> String {
    let mut body: Value = serde_json::from_str(script.body).unwrap();
    match script.dialect.as_str() {
        "responses" => body["max_output_tokens"] = cap.into(),
        "generate_content" => body["generationConfig"] = json!({ "maxOutputTokens": cap }),
        _ => body["max_tokens"] = cap.into(),
    }
    body.to_string()
}

/// A stream that is asked for with this body.
async fn asked(world: &World, script: &Script, body: &str) -> (Wire, Wire) {
    let mut caller = world.caller().await;
    caller.post(script.path, body).await;
    let mut provider = world.accept().await;
    provider.message().await;
    provider.send(STREAM).await;
    (caller, provider)
}

/// All that the caller is sent, to the end of the body.
async fn reply(caller: &mut Wire) -> String {
    assert_eq!(status(&caller.until("\r\n\r\n").await), 200);
    let (text, is_whole) = dechunked(&caller.until("0\r\n\r\n").await);
    assert!(is_whole, "{text}");
    text
}

fn data(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| data.into())).collect()
}

/// That a stream ends as its dialect says of one that is cut.
fn is_cut(script: &Script, end: &str) {
    let events = data(end);
    let last = events.last().unwrap();
    match script.dialect.as_str() {
        "chat_completions" => {
            assert_eq!(
                (&events[0]["choices"][0]["finish_reason"], last),
                (&json!("length"), &json!("[DONE]")),
                "{end}"
            );
        }
        "messages" => {
            let delta = &events[events.len() - 2];
            assert_eq!((&delta["delta"]["stop_reason"], &last["type"]), (&json!("max_tokens"), &json!("message_stop")));
            assert!(delta["usage"]["output_tokens"].is_u64(), "{end}");
        }
        "responses" => {
            let response = &last["response"];
            assert_eq!((&last["type"], &response["id"]), (&json!("response.incomplete"), &json!("resp_1")), "{end}");
            assert_eq!(response["incomplete_details"]["reason"], "max_output_tokens");
        }
        _ => {
            assert_eq!(last["candidates"][0]["finishReason"], "MAX_TOKENS", "{end}");
            assert!(last["usageMetadata"]["totalTokenCount"].is_u64(), "{end}");
        }
    }
}

#[tokio::test]
async fn p10_a_stream_is_cut_at_its_limit_and_its_provider_left_at_once() {
    let (world, ledger) = Ledger::world(Limits::default()).await;
    ledger.limit_output(3);
    for script in &SCRIPTS {
        let what = script.dialect.as_str();
        let fits = [script.begin, script.content, script.content, script.content];
        let rest = [script.content, script.content, script.over, script.usage, script.end];
        // An event a piece; all that comes behind the limit in one; all of it in one.
        for pieces in [
            [&fits[..], &rest[..1]].concat().iter().map(|event| chunk(event)).collect::<Vec<_>>(),
            fits.iter().map(|event| chunk(event)).chain([chunk(&rest.concat())]).collect(),
            vec![chunk(&[&fits[..], &rest[..]].concat().concat())],
        ] {
            let (mut caller, mut provider) = asked(&world, script, &capped(script, 3)).await;
            for piece in pieces {
                provider.send(piece).await;
            }
            let text = reply(&mut caller).await;
            let (call, settled) = ledger.last();
            assert!(provider.ends_within(PROMPT).await, "{what}");
            is_cut(script, text.strip_prefix(&fits.concat()).unwrap_or_else(|| panic!("{what}: {text}")));
            assert_eq!((settled.status, settled.error_code), (CallStatus::Cut, None), "{what}");
            assert!(settled.cost.is_some() && settled.cost <= call.metered.bound.cost, "{what}: {settled:?}");
            let output = settled.usage.output.unwrap();
            assert_eq!((output.visible, settled.origin), (3, UsageOrigin::Estimated), "{what}");
            // It is a whole reply: the caller's connection goes on.
            caller.post(script.plain_path, script.plain_body).await;
            let mut provider = world.accept().await;
            provider.message().await;
            provider.send(ok(script.document)).await;
            assert_eq!(caller.reply().await.0, 200, "{what}");
            assert_eq!(ledger.last().1.status, CallStatus::Succeeded);
        }
    }
    let records = world.records(2 * 3 * SCRIPTS.len()).await;
    assert!(records.iter().all(|record| !record.cancelled && record.error_code.is_none() && record.status == 200));
}

#[tokio::test]
async fn what_keeps_to_its_limit_passes_byte_for_byte_and_a_document_always_does() {
    let (world, ledger) = Ledger::world(Limits::default()).await;
    ledger.limit_output(3);
    for script in &SCRIPTS {
        let what = script.dialect.as_str();
        let events =
            [script.begin, script.content, script.content, script.content, script.over, script.usage, script.end];
        let (mut caller, mut provider) = asked(&world, script, script.body).await;
        for event in events.iter().filter(|event| !event.is_empty()) {
            provider.send(chunk(event)).await;
        }
        provider.send("0\r\n\r\n").await;
        let shown =
            if what == "chat_completions" { events.concat().replace(script.usage, "") } else { events.concat() };
        assert_eq!(reply(&mut caller).await, shown, "{what}");
        assert_eq!((ledger.last().1.status, ledger.last().1.origin), (CallStatus::Succeeded, UsageOrigin::Provider));
        drop(provider);
        ledger.limit_output(0);
        assert_eq!(answered(&world, script, &ok(script.document)).await.0, 200);
        let (_, settled) = ledger.last();
        assert_eq!((settled.status, settled.usage.output.unwrap().visible), (CallStatus::Succeeded, 9), "{what}");
        ledger.limit_output(3);
    }
}

#[tokio::test]
async fn what_was_used_is_told_to_a_chat_that_asked() {
    let (world, ledger) = Ledger::world(Limits::default()).await;
    ledger.limit_output(1);
    let script = &SCRIPTS[0];
    for (options, is_told) in
        [(json!({ "include_usage": true }), true), (json!({ "include_usage": false }), false), (Value::Null, false)]
    {
        let mut body: Value = serde_json::from_str(&capped(script, 1)).unwrap();
        body["stream_options"] = options;
        let (mut caller, mut provider) = asked(&world, script, &body.to_string()).await;
        provider.send(chunk(&[script.begin, script.content, script.content].concat())).await;
        let text = reply(&mut caller).await;
        let events = data(&text);
        let charged = ledger.last().1.usage;
        let told: Vec<&Value> = events.iter().filter(|event| event["usage"].is_object()).collect();
        assert_eq!(told.len(), usize::from(is_told), "{text}");
        for chunk in told {
            assert_eq!((&chunk["choices"], &chunk["usage"]["completion_tokens"]), (&json!([]), &json!(1)), "{text}");
            assert_eq!(chunk["usage"]["prompt_tokens"], charged.input.unwrap().total());
        }
    }
}

#[tokio::test]
async fn an_array_is_cut_between_its_elements() {
    let (world, ledger) = Ledger::world(Limits::default()).await;
    ledger.limit_output(2);
    let script = &SCRIPTS[3];
    let element = script.content.trim_end().strip_prefix("data: ").unwrap();
    let mut caller = world.caller().await;
    caller.post("/v1beta/models/every/m:streamGenerateContent", &capped(script, 2)).await;
    let mut provider = world.accept().await;
    provider.message().await;
    provider.send(STREAM.replace("text/event-stream", "application/json")).await;
    provider.send(chunk(&format!("[{element}\n,\n{element}"))).await;
    provider.send(chunk(&format!(",\n{element},\n{element}\n]"))).await;
    let elements: Vec<Value> = serde_json::from_str(&reply(&mut caller).await).unwrap();
    assert!(provider.ends_within(PROMPT).await);
    assert_eq!((elements.len(), &elements[2]["candidates"][0]["finishReason"]), (3, &json!("MAX_TOKENS")));
    assert_eq!(elements[0], serde_json::from_str::<Value>(element).unwrap());
    assert_eq!(ledger.last().1.status, CallStatus::Cut);
}

#[tokio::test]
async fn a_reply_of_which_nothing_fits_is_a_whole_one_too() {
    let (world, ledger) = Ledger::world(Limits::default()).await;
    ledger.limit_output(0);
    for script in &SCRIPTS {
        let (mut caller, mut provider) = asked(&world, script, script.body).await;
        provider.send(chunk(script.begin)).await;
        provider.send(chunk(script.content)).await;
        let text = reply(&mut caller).await;
        is_cut(script, text.strip_prefix(script.begin).unwrap());
        assert!(provider.ends_within(PROMPT).await);
        assert_eq!(ledger.last().1.status, CallStatus::Cut);
        // Its connection ends in the middle of what is over the limit, without the empty line.
        let (mut caller, mut provider) = asked(&world, script, script.body).await;
        provider.send(format!("{}0\r\n\r\n", chunk(&[script.begin, script.content.trim_end()].concat()))).await;
        is_cut(script, reply(&mut caller).await.strip_prefix(script.begin).unwrap());
        assert_eq!(ledger.last().1.status, CallStatus::Cut);
    }
}

#[tokio::test]
async fn a_caller_that_leaves_a_stream_with_a_limit_pays_for_what_came() {
    let (world, ledger) = Ledger::world(Limits::default()).await;
    ledger.limit_output(3);
    let script = &SCRIPTS[0];
    let (mut caller, mut provider) = asked(&world, script, script.body).await;
    provider.send(chunk(&[script.begin, script.content, script.over].concat())).await;
    caller.until(&format!("{}\r\n", script.over)).await;
    drop(caller);
    // It is listened to for what it used, and goes on beyond the limit instead.
    provider.send(chunk(&script.content.repeat(4))).await;
    assert!(provider.ends_within(PROMPT).await);
    assert_eq!(ledger.last_settled().await.1.status, CallStatus::Cancelled);
}
