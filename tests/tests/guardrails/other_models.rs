//! A reply that names another model than the one that was judged: a denied one ends it, a dearer one is settled at its price.

use bitrouter_tests::{
    Answer, Reply,
    dialects::{Newline, Turn, Usage, chat, google, messages, responses},
    ledger::number,
};
use serde_json::{Value, json};

use crate::bound::{Bound, Key, Speech, With as _};

/// What each reply counts.
const COUNTED: Usage = Usage { input: 100, cache_read: 0, cache_write: 0, cache_write_1h: 0, output: 7, reasoning: 3 };
/// What that costs at ten micro-USD a token of input and fifty one of output.
const COST: i64 = 100 * 10 + 10 * 50;

/// A reply that says it was made by `model`.
pub(crate) fn reply(speech: Speech, turn: &Turn, model: &str, stream: bool) -> Reply {
    if !stream {
        let whole = match speech {
            Speech::Chat => chat::whole(turn, model),
            Speech::Responses => responses::whole(turn, model, "resp_scripted"),
            Speech::Messages => messages::whole(turn, model),
            Speech::Google => google::whole(turn, model),
        };
        return Reply::json(200, whole.to_string());
    }
    let events = match speech {
        Speech::Chat => chat::events(turn, model, true),
        Speech::Responses => responses::events(turn, model, "resp_scripted"),
        Speech::Messages => messages::events(turn, model),
        Speech::Google => google::events(turn, model),
    };
    events.iter().fold(Reply::stream(), |reply, event| reply.piece(event.frame(Newline::Lf))).end()
}

fn answered_by(bound: &Bound, speech: Speech, asked: &str, by: &str, stream: bool, key: &Key) -> (Answer, Value) {
    let turn = Turn { usage: COUNTED, ..Turn::saying("It is what it is.") };
    bound.acme.next(reply(speech, &turn, by, stream));
    let answer = speech.call(bound.http(), asked, "x", stream).with(key).send();
    let id = answer.header("x-bitrouter-request-id").expect("an id").to_owned();
    let row = bound.books.row(&id);
    (answer, row)
}

fn is_flagged(row: &Value) -> bool {
    row["flags"].as_array().is_some_and(|flags| flags.contains(&json!("other_model")))
}

/// The error in the last events of a stream, and that nothing was said before it.
#[track_caller]
pub(crate) fn error_event(speech: Speech, answer: &Answer, status: u16, code: &str) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    assert!(
        !text.contains("[DONE]") && !text.contains("message_stop") && !text.contains("response.completed"),
        "{text}"
    );
    let events = answer.data();
    assert!(events.len() > 1 || speech != Speech::Responses && !events.is_empty(), "{speech:?}: {text:?}");
    let at = match speech {
        // The response's own failure comes behind the error.
        Speech::Responses => {
            let failed = &events[events.len() - 1];
            assert_eq!(
                (&failed["type"], &failed["response"]["status"]),
                (&json!("response.failed"), &json!("failed")),
                "{text}"
            );
            assert_eq!(failed["response"]["error"]["code"], code, "{text}");
            events.len() - 2
        }
        _ => events.len() - 1,
    };
    if speech == Speech::Messages {
        assert!(text.contains("event: error\n"), "{text}");
    }
    speech.error(&events[at], status, code)
}

#[test]
fn p12_a_reply_of_a_denied_model_is_ended() {
    let bound = Bound::new();
    let key = bound.guarded(&json!({"model_deny": ["dear", "hidden"]}));
    for speech in Speech::ALL {
        for by in ["dear", "internal-9", "hidden"] {
            let (answer, row) = answered_by(&bound, speech, "acme:m", by, false, &key);
            speech.refused(&answer, 403, "model_denied", Some(key.policy()));
            assert!(is_flagged(&row), "{row}");
            let cost = if by == "dear" { 10 * COST } else { COST };
            assert_eq!(number(&row, "cost_micro_usd"), cost, "what was made costs: {row}");
            assert_eq!((&row["status"], &row["usage_origin"]), (&json!("failed"), &json!("provider")), "{row}");
            let (answer, row) = answered_by(&bound, speech, "acme:m", by, true, &key);
            let error = error_event(speech, &answer, 403, "model_denied");
            assert_eq!(error["policy_id"], key.policy(), "{error}");
            assert!(!speech.streamed(&answer).contains("what it is"), "{}", answer.text());
            assert!(is_flagged(&row), "{row}");
        }
    }
}

#[test]
fn p11_a_reply_of_a_dearer_model_costs_what_that_costs() {
    let bound = Bound::new();
    let budget = json!({"window": "day", "limit_micro_usd": 1_000_000_000});
    let key = bound.key(&[("budget", &budget)]);
    let also = bound.guarded(&json!({"model_deny": ["nothing"]}));
    for speech in Speech::ALL {
        for stream in [false, true] {
            for key in [&key, &also] {
                let (answer, row) = answered_by(&bound, speech, "acme:m", "dear", stream, key);
                assert_eq!(answer.status, 200, "{}", answer.text());
                assert!(is_flagged(&row), "{row}");
                assert_eq!(number(&row, "cost_micro_usd"), 10 * COST, "{speech:?} {stream} {row}");
                // A dated spelling is no other model, nor is the name at the provider.
                for (asked, by) in [
                    ("acme:m", "m-2026-11-29"),
                    ("acme:m", "m"),
                    ("acme:hidden", "internal-9"),
                    ("acme:hidden", "hidden"),
                ] {
                    let (answer, row) = answered_by(&bound, speech, asked, by, stream, key);
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    assert!(!is_flagged(&row), "{row}");
                    assert_eq!(number(&row, "cost_micro_usd"), COST, "{speech:?} {stream} {by} {row}");
                }
            }
        }
    }
}
