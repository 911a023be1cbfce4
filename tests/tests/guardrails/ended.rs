//! A reply that rules end: what it is charged, and how what ends it is numbered and dated.

use bitrouter_tests::{
    Answer, Reply,
    dialects::{Newline, Turn, Usage, chat, google, messages, responses},
    ledger::number,
};
use serde_json::{Value, json};

use crate::{
    bound::{Bound, Speech, With as _, content_rule},
    other_models::{error_event, reply},
};

/// What each reply counts.
const COUNTED: Usage = Usage { input: 90, cache_read: 0, cache_write: 0, cache_write_1h: 0, output: 50, reasoning: 5 };
/// What that costs at ten micro-USD a token of input and fifty one of output, by the cheap model.
const COST: i64 = 90 * 10 + 55 * 50;

/// The events of a stream, `size` of which come at a time.
fn in_pieces(events: &[String], size: usize) -> Reply {
    events.chunks(size).fold(Reply::stream(), |reply, events| reply.piece(events.concat())).end()
}

/// The events of a stream that says it was made by `model`.
fn events(speech: Speech, turn: &Turn, model: &str) -> Vec<String> {
    let events = match speech {
        Speech::Chat => chat::events(turn, model, true),
        Speech::Responses => responses::events(turn, model, "resp_scripted"),
        Speech::Messages => messages::events(turn, model),
        Speech::Google => google::events(turn, model),
    };
    events.iter().map(|event| event.frame(Newline::Lf)).collect()
}

/// Asks for the usage of a stream, so that it is not withheld.
fn with_usage(speech: Speech) -> Value {
    if speech == Speech::Chat { json!({"stream_options": {"include_usage": true}}) } else { json!({}) }
}

fn row(bound: &Bound, answer: &Answer) -> Value {
    bound.books.row(answer.header("x-bitrouter-request-id").expect("an id"))
}

/// The row of a reply that reached its end has its provider's count.
#[track_caller]
fn is_counted(row: &Value, cost: i64) {
    assert_eq!((&row["status"], &row["usage_origin"]), (&json!("failed"), &json!("provider")), "{row}");
    assert_eq!((number(row, "completion_tokens"), number(row, "cost_micro_usd")), (55, cost), "{row}");
}

#[test]
fn p11_a_whole_reply_that_is_kept_from_its_caller_counts_as_its_provider_says() {
    let bound = Bound::new();
    let content = bound.guarded(&content_rule("the end", "block"));
    let models = bound.guarded(&json!({"model_deny": ["dear"]}));
    for speech in Speech::ALL {
        let turn = Turn { usage: COUNTED, ..Turn::saying("This is the end, as it seems to all of us") };
        for cut in [40, 1 << 20] {
            bound.acme.next(reply(speech, &turn, "m", false).cut_every(cut));
            let answer = speech.call(bound.http(), "acme:m", "x", false).with(&content).send();
            speech.refused(&answer, 400, "content_blocked", Some(content.policy()));
            is_counted(&row(&bound, &answer), COST);
            bound.acme.next(reply(speech, &turn, "dear", false).cut_every(cut));
            let answer = speech.call(bound.http(), "acme:m", "x", false).with(&models).send();
            speech.refused(&answer, 403, "model_denied", Some(models.policy()));
            is_counted(&row(&bound, &answer), 10 * COST);
        }
        // All of a stream comes at once.
        bound.acme.next(in_pieces(&events(speech, &turn, "m"), usize::MAX));
        let answer = speech.call_with(bound.http(), "acme:m", "x", true, &with_usage(speech)).with(&content).send();
        error_event(speech, &answer, 400, "content_blocked");
        is_counted(&row(&bound, &answer), COST);
    }
    // What is ended in its midst is estimated.
    let turn = Turn { usage: COUNTED, ..Turn::saying("This is the end, as it seems to all of us") };
    bound.acme.next(in_pieces(&events(Speech::Chat, &turn, "m"), 1));
    let answer = Speech::Chat.call(bound.http(), "acme:m", "x", true).with(&content).send();
    error_event(Speech::Chat, &answer, 400, "content_blocked");
    assert_eq!(row(&bound, &answer)["usage_origin"], "estimated");
}

#[test]
fn p11_a_denied_model_that_is_named_last_is_paid_for_at_its_price() {
    let bound = Bound::new();
    let budget = json!({"window": "day", "limit_micro_usd": 1_000_000_000});
    let key = bound.key(&[("guardrail", &json!({"model_deny": ["dear"]})), ("budget", &budget)]);
    let turn = Turn { usage: COUNTED, ..Turn::saying("It is what it is.") };
    let mut frames = events(Speech::Chat, &turn, "m");
    let counted = frames.iter().position(|frame| frame.contains("prompt_tokens")).expect("a count");
    frames[counted] = events(Speech::Chat, &turn, "dear").swap_remove(counted);
    for size in [1, usize::MAX] {
        bound.acme.next(in_pieces(&frames, size));
        let call = Speech::Chat.call_with(bound.http(), "acme:m", "x", true, &with_usage(Speech::Chat));
        let answer = call.with(&key).send();
        error_event(Speech::Chat, &answer, 403, "model_denied");
        let row = row(&bound, &answer);
        is_counted(&row, 10 * COST);
        assert_eq!(row["flags"], json!(["other_model"]), "{row}");
    }
}

#[test]
fn p12_what_ends_a_response_is_numbered_on_and_dated() {
    let bound = Bound::new();
    let content = bound.guarded(&content_rule("secret [0-9]{4,9}!", "block"));
    let models = bound.guarded(&json!({"model_deny": ["dear"]}));
    let said = ["All is ", "well until", " here: ", "sec", "ret 47", "11", "! and ", "more"];
    let turn = Turn { usage: COUNTED, text: said.map(str::to_owned).into(), ..Turn::default() };
    for (key, last, code) in [(&content, "m", "content_blocked"), (&models, "dear", "model_denied")] {
        // Who made it is told at the end only.
        let mut frames = events(Speech::Responses, &turn, "m");
        frames.pop();
        frames.extend(events(Speech::Responses, &turn, last).pop());
        for size in [1, 2, 3, 7, usize::MAX] {
            bound.acme.next(in_pieces(&frames, size));
            let answer = Speech::Responses.call(bound.http(), "acme:m", "x", true).with(key).send();
            error_event(Speech::Responses, &answer, if last == "m" { 400 } else { 403 }, code);
            let events = answer.data();
            for (place, event) in events.iter().enumerate() {
                assert_eq!(event["sequence_number"], place, "{size}: {}", answer.text());
            }
            let failed = &events[events.len() - 1]["response"];
            assert_eq!((&failed["id"], &failed["created_at"]), (&json!("resp_scripted"), &json!(1_770_000_000)));
        }
    }
    // Nothing has said when it was made.
    let bare =
        json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "secret 4711!"});
    bound.acme.next(Reply::stream().piece(format!("data: {bare}\n\n")).end());
    let answer = Speech::Responses.call(bound.http(), "acme:m", "x", true).with(&content).send();
    error_event(Speech::Responses, &answer, 400, "content_blocked");
    let failed = answer.data().pop().expect("an event");
    assert!(failed["response"]["created_at"].as_u64().is_some_and(|at| at > 1_770_000_000), "{failed}");
}
