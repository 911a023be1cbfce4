//! P10: what calls cost that do not finish: no less than the provider sent, no more than their bound.

use std::time::Duration;

use bitrouter_tests::{
    Gate, Reply,
    dialects::{Newline, Turn, Usage, chat, google, messages, responses},
    ledger::number,
    wait,
};
use serde_json::{Value, json};

use crate::acme::{Acme, MAX_OUTPUT, PRICES};

/// A streamed call in one dialect: its path and body, the events of its whole reply, and how many of those have content
/// (the first `content` ones behind the first `before`).
struct Streamed {
    name: &'static str,
    path: &'static str,
    body: String,
    events: Vec<String>,
    before: usize,
    /// What the provider has said of the input once the first event came.
    told_input: i64,
}

const WORDS: usize = 12;

fn streamed() -> [Streamed; 4] {
    let text: String = (0..WORDS).fold(String::new(), |text, number| text + &format!("word{number} "));
    let usage = Usage { input: 500, output: 24, ..Usage::default() };
    let turn = Turn { usage, ..Turn::saying(&text) };
    let frames = |events: Vec<bitrouter_tests::dialects::Event>| -> Vec<String> {
        events.iter().map(|event| event.frame(Newline::Lf)).collect()
    };
    let hello = json!([{"role": "user", "content": "hello"}]);
    let google_events: Vec<String> = text
        .split_inclusive(' ')
        .map(|word| {
            let parts = json!([{"text": word}]);
            format!("data: {}\n\n", json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}]}))
        })
        .chain(frames(google::events(&Turn { usage, ..Turn::default() }, "m")))
        .collect();
    [
        Streamed {
            name: "chat",
            path: "/v1/chat/completions",
            body: json!({"model": "acme:m", "messages": hello, "stream": true}).to_string(),
            events: frames(chat::events(&turn, "m", true)),
            before: 1,
            told_input: 0,
        },
        Streamed {
            name: "responses",
            path: "/v1/responses",
            body: json!({"model": "acme:m", "input": "hello", "stream": true}).to_string(),
            events: frames(responses::events(&turn, "m", "resp_unfinished")),
            before: 4,
            told_input: 0,
        },
        Streamed {
            name: "messages",
            path: "/v1/messages",
            body: json!({"model": "acme:m", "max_tokens": 900, "messages": hello, "stream": true}).to_string(),
            events: frames(messages::events(&turn, "m")),
            before: 3,
            told_input: 500,
        },
        Streamed {
            name: "google",
            path: "/v1beta/models/acme:m:streamGenerateContent?alt=sse",
            body: json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}).to_string(),
            events: google_events,
            before: 0,
            told_input: 0,
        },
    ]
}

impl Streamed {
    /// The first `count` events, and then whatever `then` does.
    fn first(&self, count: usize, then: impl FnOnce(Reply) -> Reply) -> Reply {
        then(self.events[..count].iter().fold(Reply::stream(), Reply::piece))
    }

    /// The estimate of its input.
    fn estimate(&self) -> i64 {
        i64::try_from(self.body.len() / 3).expect("a length")
    }
}

/// Input within a token of what was expected: a third of the bytes, or what the provider told.
#[track_caller]
fn check_input(row: &Value, name: &str, expected: i64) {
    let input = number(row, "prompt_tokens");
    assert!((expected..=expected + 1).contains(&input), "{name}: expected {expected}: {row}");
}

/// What is charged is reckoned from what is shown.
#[track_caller]
fn check_cost(row: &Value, name: &str) {
    let cost = number(row, "prompt_tokens") * PRICES[0] + number(row, "completion_tokens") * PRICES[4];
    assert_eq!(number(row, "cost_micro_usd"), cost, "{name}: {row}");
}

#[test]
fn p10_a_caller_that_leaves_before_the_first_token_pays_its_input() {
    let acme = Acme::new();
    for (number_of, call) in streamed().into_iter().enumerate() {
        acme.provider.next(Reply::stream().after(&Gate::new()));
        let stream = acme.http().post(call.path).json(&call.body).fire();
        let exchange = acme.provider.exchange(number_of);
        drop(stream);
        exchange.wait_left();
        let row = &acme.books.settled(number_of + 1)[0];
        assert_eq!((&row["status"], &row["usage_origin"]), (&json!("cancelled"), &json!("estimated")), "{row}");
        check_input(row, call.name, call.estimate());
        assert_eq!(number(row, "completion_tokens"), 0, "{}: {row}", call.name);
        check_cost(row, call.name);
    }
}

#[test]
fn p10_a_caller_that_leaves_in_the_middle_pays_what_was_sent() {
    let acme = Acme::new();
    for (number_of, call) in streamed().into_iter().enumerate() {
        let sent = call.before + 8;
        acme.provider.next(call.first(sent, Reply::stall));
        let mut open = acme.http().post(call.path).json(&call.body).open();
        open.until_contains("word7");
        drop(open);
        acme.provider.exchange(number_of).wait_left();
        let row = &acme.books.settled(number_of + 1)[0];
        assert_eq!(row["status"], "cancelled", "{}: {row}", call.name);
        check_input(row, call.name, call.estimate().max(call.told_input));
        // Eight words of six letters: more than a token each, a third of their bytes.
        let output = number(row, "completion_tokens");
        assert!((16..=20).contains(&output), "{}: {row}", call.name);
        check_cost(row, call.name);
    }
}

#[test]
fn p10_a_caller_that_leaves_before_the_usage_pays_what_the_provider_counted() {
    let acme = Acme::new();
    for (number_of, call) in streamed().into_iter().enumerate() {
        // The last content, and where the dialect says so the reason why it ended; the counts come behind.
        let (seen, last) = match call.name {
            "chat" => (call.events.len() - 2, "\"finish_reason\":\"stop\""),
            "responses" => (call.events.len() - 1, "response.output_item.done"),
            "messages" => (call.events.len() - 2, "content_block_stop"),
            _ => continue,
        };
        let gate = Gate::new();
        let rest = &call.events[seen..];
        let reply = call.first(seen, |reply| reply.gate(&gate));
        acme.provider.next(rest.iter().fold(reply, Reply::piece).end());
        let mut open = acme.http().post(call.path).json(&call.body).open();
        open.until_contains(last);
        drop(open);
        wait::stays("the provider to be read on", Duration::from_millis(200), || {
            acme.provider.exchange(number_of.min(2)).left_at().is_none()
        });
        gate.open();
        let rows = wait::until("the row", || {
            let rows = acme.books.rows();
            (rows.len() == number_of + 1 && rows.iter().all(|row| !row["completed_at"].is_null())).then_some(rows)
        });
        let row = &rows[0];
        assert_eq!(
            (&row["status"], &row["usage_origin"]),
            (&json!("cancelled"), &json!("provider")),
            "{}: {row}",
            call.name
        );
        assert_eq!((number(row, "prompt_tokens"), number(row, "completion_tokens")), (500, 24), "{}: {row}", call.name);
        check_cost(row, call.name);
    }
}

#[test]
fn p10_a_caller_that_leaves_behind_message_start_pays_the_input_that_it_told() {
    let acme = Acme::new();
    let [.., call, _] = streamed();
    acme.provider.next(call.first(1, Reply::stall));
    let mut open = acme.http().post(call.path).json(&call.body).open();
    open.until_contains("message_start");
    drop(open);
    let row = &acme.books.settled(1)[0];
    assert_eq!(number(row, "prompt_tokens"), 500, "{row}");
    // The provider said that it has begun to write.
    assert!(number(row, "completion_tokens") <= 2, "{row}");
    check_cost(row, call.name);
}

/// What a provider does in mid-reply.
type End = fn(Reply) -> Reply;

#[test]
fn p10_a_stall_a_break_and_a_reset_are_paid_and_failed() {
    let acme = Acme::with("[timeouts]\nbetween_chunks = \"1s\"\n");
    let ends: [(&str, End); 3] = [("stall", Reply::stall), ("close", Reply::close), ("reset", Reply::reset)];
    let mut count = 0;
    for call in streamed() {
        for (end, then) in ends {
            acme.provider.next(call.first(call.before + 8, then));
            let answer = acme.http().post(call.path).json(&call.body).open().finish();
            assert!(answer.text().contains("\"error\""), "{} {end}: {}", call.name, answer.text());
            count += 1;
            let row = &acme.books.settled(count)[0];
            assert_eq!(row["status"], "failed", "{} {end}: {row}", call.name);
            let output = number(row, "completion_tokens");
            // A reset may overtake what was sent before it.
            let least = if end == "reset" { 0 } else { 16 };
            assert!((least..=20).contains(&output), "{} {end}: {row}", call.name);
            check_cost(row, call.name);
        }
    }
}

#[test]
fn p10_what_a_provider_refuses_or_never_got_costs_nothing() {
    let acme = Acme::new();
    acme.provider.next(Reply::json(429, r#"{"error":{"message":"slow down"}}"#));
    assert_eq!(acme.http().chat("acme:m", "x").send().status, 429);
    let row = &acme.books.settled(1)[0];
    assert_eq!((&row["status"], number(row, "cost_micro_usd")), (&json!("failed"), 0), "{row}");
    assert_eq!((number(row, "prompt_tokens"), number(row, "completion_tokens")), (0, 0), "{row}");
    assert_eq!(row["error_code"], "upstream_error", "{row}");
    let absent = bitrouter_tests::provider::Absent::somewhere();
    let manifest = format!(
        "id = \"gone\"\nkind = \"local\"\nendpoint = \"{}\"\n[[models]]\nid = \"m\"\nmax_output_tokens = 9\n",
        absent.base_url()
    );
    acme.world.write("config/bitrouter/registry/gone.toml", manifest);
    acme.daemon.reload();
    assert_eq!(acme.http().chat("gone:m", "x").send().status, 502);
    let row = &acme.books.settled(2)[0];
    assert_eq!(
        (&row["provider_id"], &row["status"], number(row, "prompt_tokens")),
        (&json!("gone"), &json!("failed"), 0)
    );
}

#[test]
fn p10_what_a_model_thinks_unseen_is_paid_by_the_second() {
    let acme = Acme::with("[timeouts]\nfirst_byte = \"3s\"\n");
    acme.provider.next(Reply::nothing().stall());
    let answer = acme.http().chat_stream("acme:thinks", "think").send();
    assert_eq!(answer.status, 504, "{}", answer.text());
    let row = &acme.books.settled(1)[0];
    assert_eq!(row["status"], "failed", "{row}");
    // Each second after the first, at 100 tokens a second; and never above the longest output.
    let thought = number(row, "completion_tokens");
    assert!((200..=MAX_OUTPUT).contains(&thought), "{row}");
    assert_eq!(number(&row["usage"], "reasoning_tokens"), thought, "{row}");
    acme.provider.next(Reply::nothing().stall());
    assert_eq!(acme.http().chat_stream("acme:m", "think").send().status, 504);
    let row = &acme.books.settled(2)[0];
    assert_eq!(number(row, "completion_tokens"), 0, "it cannot think unseen: {row}");
}

#[test]
fn p16_where_the_provider_counts_nothing_we_do() {
    let acme = Acme::new();
    let said = "x".repeat(300);
    acme.provider.next(Reply::json(200, json!({"choices": [{"index": 0, "message": {"content": said}}]}).to_string()));
    acme.http().chat("acme:m", "x").send().ok();
    acme.provider.next(Reply::stream().token(&said).event(bitrouter_tests::openai::last_chunk()).event("[DONE]").end());
    acme.http().chat_stream("acme:m", "x").send().ok();
    for row in acme.books.settled(2) {
        assert_eq!((&row["status"], &row["usage_origin"]), (&json!("succeeded"), &json!("estimated")), "{row}");
        assert!((100..=102).contains(&number(&row, "completion_tokens")), "{row}");
        check_cost(&row, "estimated");
    }
}

#[test]
fn p16_a_success_that_is_neither_json_nor_events_is_none() {
    let acme = Acme::new();
    acme.provider.next(Reply::body(200, "text/plain", "hello"));
    let answer = acme.http().chat("acme:m", "x").send();
    answer.refused(502, "upstream_error");
    let row = &acme.books.settled(1)[0];
    assert_eq!(row["status"], "failed", "{row}");
    assert!(number(row, "prompt_tokens") > 0 && number(row, "cost_micro_usd") > 0, "it may have been paid for: {row}");
}

#[test]
fn p16_more_than_can_be_is_charged_at_the_bound() {
    let acme = Acme::new();
    let usage = json!({"prompt_tokens": 9_000_000, "completion_tokens": 10, "total_tokens": 9_000_010});
    acme.provider.next(Reply::json(200, json!({"choices": [], "usage": usage}).to_string()));
    let call = acme.http().chat("acme:m", "x");
    let length =
        i64::try_from(json!({"model": "acme:m", "messages": [{"role": "user", "content": "x"}]}).to_string().len());
    call.send().ok();
    let row = &acme.books.settled(1)[0];
    assert!(row["flags"].to_string().contains("above_bound"), "{row}");
    let bound = length.expect("a length") * PRICES[0] + MAX_OUTPUT * PRICES[4];
    assert_eq!(number(row, "cost_micro_usd"), bound, "{row}");
}
