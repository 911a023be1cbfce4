//! P11: a thousand callers at a budget that is nearly spent, with everything going wrong that can: what the provider would bill by
//! its own count of what it sent never passes the limit.

use std::{
    io::{Read as _, Write as _},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use bitrouter_tests::{
    Client, Reply, openai, process,
    provider::{Request, Step},
    wait,
};
use rustix::process::Signal;
use serde_json::json;

use crate::bound::{Bound, COUNTED, INPUT, MAX_OUTPUT, OUTPUT, chat, cost};

/// So many call at the same time, twice.
const CALLERS: usize = 500;
/// What is left for the first of them, and what is added for the second, and for the rest.
const LEFT: [i64; 3] = [1_000_000, 600_000, 300_000];
/// Tokens of input that the provider counts.
const READ: i64 = 20;
const WORD: &str = "word";

/// What a call becomes at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Refused,
    Reset,
    Closed,
    Short,
    Whole,
}

impl Fate {
    /// As its id has it.
    fn of(request: &Request) -> Self {
        let id = request.header("x-bitrouter-request-id").expect("an id");
        let number: usize = id.rsplit('-').next().and_then(|number| number.parse().ok()).expect("a number");
        match number / 3 % 8 {
            0 => Self::Refused,
            1 => Self::Reset,
            2 => Self::Closed,
            3 => Self::Short,
            _ => Self::Whole,
        }
    }

    /// How many tokens it writes of those that it may.
    fn tokens(self, request: &Request) -> u64 {
        let most = request.json()["max_tokens"].as_u64().unwrap_or(MAX_OUTPUT as u64);
        match self {
            Self::Refused => 0,
            Self::Whole => most,
            Self::Reset | Self::Closed => most / 2,
            Self::Short => most / 4,
        }
    }
}

fn is_stream(request: &Request) -> bool {
    request.json()["stream"] == true
}

fn reply(request: &Request) -> Reply {
    let fate = Fate::of(request);
    let tokens = fate.tokens(request);
    let usage = json!({"prompt_tokens": READ, "completion_tokens": tokens, "total_tokens": tokens});
    let words = || {
        let word = |reply: Reply, _| reply.token(WORD).then(Step::Pause(Duration::from_millis(2)));
        (0..tokens).fold(Reply::stream(), word)
    };
    match (fate, is_stream(request)) {
        (Fate::Refused, _) => Reply::json(500, r#"{"error":{"message":"down"}}"#),
        (Fate::Reset, true) => words().reset(),
        (Fate::Closed, true) => words().close(),
        (Fate::Reset | Fate::Closed, false) => Reply::nothing().reset(),
        (Fate::Short | Fate::Whole, true) => {
            let usage = json!({"choices": [], "usage": usage});
            words().event(openai::last_chunk()).event(usage.to_string()).event("[DONE]").end()
        }
        (Fate::Short | Fate::Whole, false) => {
            let message = json!({"role": "assistant", "content": WORD});
            let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
            Reply::json(200, json!({"choices": [choice], "usage": usage}).to_string())
        }
    }
}

fn length(reply: &Reply) -> u64 {
    reply.bytes().len() as u64
}

/// What the provider bills for the calls from the fourth on: its input, and the tokens that it has sent.
fn billed(bound: &Bound) -> i64 {
    let head = length(&Reply::stream());
    let event = length(&Reply::stream().token(WORD)) - head;
    let bill = |number: usize| {
        let exchange = bound.provider.exchange(number);
        let (request, sent) = (&exchange.request, exchange.bytes_sent());
        let fate = Fate::of(request);
        if fate == Fate::Refused || sent == 0 {
            return 0;
        }
        let written = if is_stream(request) { sent.saturating_sub(head) / event } else { u64::MAX };
        cost(READ, i64::try_from(written.min(fate.tokens(request))).expect("a count"))
    };
    3 * COUNTED + (3..bound.provider.count()).map(bill).sum::<i64>()
}

/// Sends a call, and reads as much of the answer as it likes; the status, where one came.
fn call(http: Client, round: &str, number: usize) -> Option<u16> {
    let members = match number % 3 {
        0 => json!({"stream": true, "max_tokens": 150}),
        1 => json!({"max_tokens": 200}),
        _ => json!({"stream": true}),
    };
    let is_stream = number % 3 != 1;
    let mut stream = http.within(Duration::from_mins(1)).try_connect().ok()?;
    let call = chat(http, "acme:m", &members).header("x-bitrouter-request-id", &format!("{round}-{number}"));
    stream.write_all(&call.bytes()).ok()?;
    let (mut whole, mut piece) = (Vec::new(), [0; 4_096]);
    while let Ok(read @ 1..) = stream.read(&mut piece) {
        whole.extend_from_slice(&piece[..read]);
        // Some leave at the first bytes of a stream.
        let leaves = is_stream && number.is_multiple_of(7);
        if leaves || whole.ends_with(b"0\r\n\r\n") || is_whole(&whole) {
            break;
        }
    }
    String::from_utf8_lossy(&whole).split(' ').nth(1)?.parse().ok()
}

/// True where a document has come as long as its head says.
fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}

/// How many were sent, and how many refused for want of money.
fn crowd(http: Client, round: &str, callers: usize) -> (usize, usize) {
    let (sent, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for number in 0..callers {
            let (sent, refused) = (&sent, &refused);
            let caller = move || {
                let count = match call(http, round, number) {
                    Some(200) => sent,
                    Some(402) => refused,
                    _ => return,
                };
                count.fetch_add(1, Ordering::Relaxed);
            };
            thread::Builder::new().stack_size(128 << 10).spawn_scoped(scope, caller).expect("a thread");
        }
    });
    (sent.into_inner(), refused.into_inner())
}

/// Holds what the budget shows to what the provider bills; what is left.
#[track_caller]
fn check(bound: &Bound, limit: i64) -> i64 {
    let rows = bound.settled(bound.provider.count().min(3));
    let cost_of = |row: &serde_json::Value| row["cost_micro_usd"].as_i64().expect("a cost");
    let spent = rows.iter().map(cost_of).sum::<i64>();
    let (shown, kept) = bound.spent();
    let billed = billed(bound);
    assert_eq!(shown, spent, "the counter and the ledger");
    assert!(billed <= limit, "{billed} billed of {limit}");
    assert!(shown + kept <= limit, "{shown} spent and {kept} reserved of {limit}");
    assert!(billed <= shown + kept, "{billed} billed, {shown} spent and {kept} reserved");
    limit - shown - kept
}

#[test]
fn heavy_p11_a_thousand_callers_never_spend_more_than_is_left() {
    let mut bound = Bound::new();
    for _ in 0..3 {
        bound.chat("acme:m", &json!({"max_tokens": 100})).send().ok();
    }
    bound.settled(3);
    let mut limit = 3 * COUNTED + LEFT[0];
    let policy = bound.budget(limit);
    bound.provider.always(reply);

    let (sent, refused) = crowd(bound.http(), "first", CALLERS);
    let left = check(&bound, limit);
    assert!(sent > 40 && refused > 100, "{sent} were sent, {refused} refused");
    // What is left is too little for anybody, or what a late end of a call gave back.
    assert!(left < LEFT[0] / 10, "{left}");

    // In the middle of the next ones the daemon dies.
    limit += LEFT[1];
    bound.limit(&policy, limit);
    let before = bound.provider.count();
    let http = bound.http();
    thread::scope(|scope| {
        let crowd = scope.spawn(move || crowd(http, "killed", CALLERS));
        wait::holds("calls at the provider", || bound.provider.count() >= before + 20);
        process::kill(bound.daemon.pid(), Signal::KILL);
        crowd.join().expect("the crowd");
    });
    bound.killed_and_started();
    check(&bound, limit);

    limit += LEFT[2];
    bound.limit(&policy, limit);
    let (sent, _) = crowd(bound.http(), "last", CALLERS / 5);
    let left = check(&bound, limit);
    assert!(sent > 5, "{sent} were sent");
    assert!(left < LEFT[2] / 2 + INPUT * 1_000 + OUTPUT * MAX_OUTPUT, "{left}");
}

bitrouter_test_postgres::once_more_on_postgres!(heavy_p11_a_thousand_callers_never_spend_more_than_is_left);
