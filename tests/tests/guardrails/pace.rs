//! What policies take of a call's time: with a thousand bindings in the namespace, of which as many as may be are on its key,
//! hardly more than with one. Both kinds of calls are made in turn, so that whatever else the machine does meets both.

use std::time::Duration;

use bitrouter_proto::clock;
use serde_json::{Value, json};

use crate::bound::{Bound, Key, With as _, text};

/// So many calls of each kind are timed.
const CALLS: usize = 300;
/// The policies of one key, at most.
const POLICIES: usize = 64;
/// Other keys that the same policies bind.
const OTHERS: usize = 15;
/// By how much the call of a key with all of them may take longer in the middle, on a machine with much else to do.
const MORE: Duration = Duration::from_micros(400);

fn spec(number: usize) -> (&'static str, Value) {
    let window = ["day", "month", "total"][number % 9 / 3];
    match number % 3 {
        0 => ("budget", json!({"window": window, "limit_micro_usd": 1_000_000_000 + number})),
        1 => (
            "rate_limit",
            json!({"window_secs": 60 + number % 7, "max_requests": 1_000_000, "max_tokens": 1_000_000_000}),
        ),
        _ => ("guardrail", json!({"model_deny": [format!("never-{number}*"), format!("*/old-{number}")]})),
    }
}

#[test]
fn heavy_p12_a_thousand_bindings_cost_a_call_hardly_anything() {
    let bound = Bound::new();
    let one = bound.key(&[("budget", &json!({"window": "day", "limit_micro_usd": 1_000_000_000}))]);
    let specs: Vec<(&str, Value)> = (0..POLICIES).map(spec).collect();
    let all: Vec<(&str, &Value)> = specs.iter().map(|(kind, spec)| (*kind, spec)).collect();
    let full = bound.key(&all);
    for _ in 0..OTHERS {
        let other = bound.key(&[]);
        let bind = json!({"principal_type": "api_key", "principal_id": other.id});
        for policy in &full.policies {
            let made = bound.post(&format!("/policies/{policy}/bind"), &bind).ok().json();
            assert!(text(&made, "binding_id").starts_with("bnd_"));
        }
    }
    let timed = |key: &Key| {
        let call = bound.http().chat("demo/echo", "one two three").with(key);
        let start = clock::monotonic_now();
        call.send().ok();
        start.elapsed()
    };
    let (mut few, mut many) = (Vec::new(), Vec::new());
    for _ in 0..CALLS {
        few.push(timed(&one));
        many.push(timed(&full));
    }
    let middle = |times: &mut Vec<Duration>| {
        times.sort();
        times[CALLS / 2]
    };
    let (few, many) = (middle(&mut few), middle(&mut many));
    println!("with one policy {few:?}, with {POLICIES} of {} bindings {many:?}", (OTHERS + 1) * POLICIES);
    assert!(many <= few * 3 / 2 + MORE, "with one {few:?}, with all {many:?}");
}
