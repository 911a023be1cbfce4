//! P16: killed at any moment under load, the ledger says what the provider's own log says.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use bitrouter_tests::{Client, Reply, ledger::number, provider::Step, wait};
use serde_json::Value;

use crate::acme::{Acme, MAX_OUTPUT};

const ROUNDS: u64 = 50;
const CALLERS: u64 = 6;
/// Content events of a whole stream.
const EVENTS: u64 = 40;

/// The word of every event: a token, and few bytes.
const WORD: &str = "word";

/// What the provider answers: a stream that takes a while, or a document.
fn reply(stream: bool) -> Reply {
    if !stream {
        let usage = r#""usage":{"prompt_tokens":20,"completion_tokens":4,"total_tokens":24}"#;
        return Reply::json(200, format!(r#"{{"choices":[{{"index":0,"message":{{"content":"word"}}}}],{usage}}}"#));
    }
    let begun = Reply::stream();
    let words = (0..EVENTS).fold(begun, |reply, _| reply.token(WORD).then(Step::Pause(Duration::from_millis(4))));
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":40,"total_tokens":60}}"#;
    words.event(bitrouter_tests::openai::last_chunk()).event(usage).event("[DONE]").end()
}

/// How many content events are in so many bytes of a stream.
fn events_in(bytes: u64) -> u64 {
    let head = sent(&Reply::stream());
    let event = sent(&Reply::stream().token(WORD)) - head;
    (bytes.saturating_sub(head) / event).min(EVENTS)
}

fn sent(reply: &Reply) -> u64 {
    u64::try_from(reply.bytes().len()).expect("a length")
}

/// Calls until it is told to stop; whatever becomes of each.
fn keep_calling(http: Client, next: &AtomicU64, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let model = "acme:m";
        let call = if number.is_multiple_of(3) { http.chat(model, "hi") } else { http.chat_stream(model, "hi") };
        let bytes = call.header("x-bitrouter-request-id", &format!("call-{number}")).bytes();
        let Ok(mut stream) = http.try_connect() else { return };
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time limit");
        if stream.write_all(&bytes).is_err() {
            return;
        }
        // Nobody says where the answer ends but its own framing: the caller hangs up behind the last chunk.
        let (mut whole, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(read @ 1..) = stream.read(&mut piece) {
            whole.extend_from_slice(&piece[..read]);
            if whole.ends_with(b"0\r\n\r\n") || whole.ends_with(b"}}") {
                break;
            }
        }
    }
}

#[test]
fn heavy_p16_killed_fifty_times_under_load_the_ledger_equals_the_providers_log() {
    let mut acme = Acme::new();
    acme.provider.always(|request| reply(request.json()["stream"] == true));
    let next = Arc::new(AtomicU64::new(0));
    for round in 0..ROUNDS {
        let stop = Arc::new(AtomicBool::new(false));
        let http = acme.http();
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let (next, stop) = (Arc::clone(&next), Arc::clone(&stop));
                thread::spawn(move || keep_calling(http, &next, &stop))
            })
            .collect();
        let before = acme.provider.count();
        wait::holds("calls at the provider", || acme.provider.count() >= before + 4);
        // Another moment of what runs each time.
        wait::pass(Duration::from_millis(round * 37 % 400));
        acme.daemon.kill();
        stop.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.join().expect("a caller");
        }
        acme.start_again();
        let open = acme.books.rows().into_iter().find(|row| row["completed_at"].is_null());
        assert_eq!(open, None, "round {round}: a row is open though nothing runs");
    }
    compare(&acme);
}

/// Holds the rows to what the provider saw.
fn compare(acme: &Acme) {
    let mut rows: BTreeMap<String, Value> = BTreeMap::new();
    for row in acme.books.rows() {
        let id = row["request_id"].as_str().expect("an id").to_owned();
        assert!(rows.insert(id.clone(), row).is_none(), "two rows of {id}");
    }
    let (mut interrupted, mut whole) = (0, 0);
    for number_of in 0..acme.provider.count() {
        let exchange = acme.provider.exchange(number_of);
        let id = exchange.request.header("x-bitrouter-request-id").expect("an id").to_owned();
        let row = rows.remove(&id).unwrap_or_else(|| panic!("no row of {id}"));
        let stream = exchange.request.json()["stream"] == true;
        let output = number(&row, "completion_tokens");
        if row["status"] == "interrupted" {
            interrupted += 1;
            let seen = if stream { events_in(exchange.bytes_sent()) } else { 0 };
            let least = i64::try_from(seen).expect("a count");
            assert!((least..=MAX_OUTPUT).contains(&output), "{seen} events were sent: {row}");
            assert!(number(&row, "prompt_tokens") > 0, "{row}");
        } else if row["status"] == "succeeded" {
            whole += 1;
            assert_eq!((number(&row, "prompt_tokens"), output), (20, if stream { 40 } else { 4 }), "{row}");
        } else {
            // The caller hung up between the last word and the counts.
            assert_eq!(row["status"], "cancelled", "{row}");
        }
    }
    // Whatever never reached the provider was on its way when the daemon died.
    assert!(rows.values().all(|row| row["status"] == "interrupted"), "{rows:?}");
    assert!(rows.len() <= usize::try_from(ROUNDS * CALLERS).expect("a count"), "{}", rows.len());
    assert!(interrupted > 50 && whole > 50, "{interrupted} interrupted, {whole} whole");
    let usage = acme.books.usage("");
    let all = acme.books.rows();
    let sum = |name: &str| all.iter().map(|row| number(row, name)).sum::<i64>();
    assert_eq!(number(&usage, "request_count"), i64::try_from(all.len()).expect("a count"), "{usage}");
    for (sums, parts) in [("spend_micro_usd", "cost_micro_usd"), ("completion_tokens", "completion_tokens")] {
        assert_eq!(number(&usage, sums), sum(parts), "{usage}");
    }
}
