//! What policies take of a call's time, in this process: nothing bound, one budget, and as many policies as one key may
//! have, in a namespace with a thousand bindings. Admission and settlement, rows included; the three in turn.

use std::time::{Duration, Instant};

use bitrouter_gateway::http::Caller;
use bitrouter_proto::clock;
use serde_json::{Value, json};

use super::in_process::InProcess;
use crate::{
    args::Options,
    bound::{Bound, Row, Unit},
    error::BenchError,
    stats::number,
};

/// The policies of one principal, at most.
const POLICIES: u64 = 64;
/// Other keys that the same policies bind: a thousand bindings and more.
const OTHERS: u64 = 15;
/// Calls of each kind in a round.
const ROUND: u64 = 500;

pub(super) async fn rows(options: &Options) -> Result<Vec<Row>, BenchError> {
    let root = tempfile::tempdir().map_err(BenchError::io("make a directory"))?;
    let calls = InProcess::open(root.path(), Duration::ZERO).await?;
    let namespace = format!("/v1/namespaces/{}", calls.node.first_namespace());

    let (_, plain) = key(&calls, &namespace, "plain").await?;
    let (id, one) = key(&calls, &namespace, "one").await?;
    bind(&calls, &namespace, &policy(&calls, &namespace, 0).await?, &id).await?;
    let (id, full) = key(&calls, &namespace, "full").await?;
    let mut others = Vec::new();
    for number in 0..OTHERS {
        others.push(key(&calls, &namespace, &format!("other {number}")).await?.0);
    }
    for number in 0..POLICIES {
        let made = policy(&calls, &namespace, number).await?;
        for key in others.iter().chain([&id]) {
            bind(&calls, &namespace, &made, key).await?;
        }
    }

    let mut kinds = [const { Vec::new() }; 3];
    for round in 0..options.pick(60, 15) {
        for (caller, times) in [plain, one, full].into_iter().zip(&mut kinds) {
            let started = clock::monotonic_now();
            for number in 0..ROUND {
                calls.call(round * ROUND + number, caller).await?;
            }
            times.push(micros(started) / number(ROUND));
        }
        calls.applied().await?;
    }
    let [plain, one, full] = kinds.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    calls.node.close().await;
    let bindings = (OTHERS + 1) * POLICIES;
    Ok(vec![
        Row::new("call admitted and settled, nothing bound", Unit::Micros, plain, None),
        Row::new("more with one budget", Unit::Micros, one - plain, Some(Bound::deadline(5.0))),
        Row::new(
            format!("more with {POLICIES} policies on its key, of {bindings} bindings"),
            Unit::Micros,
            full - plain,
            Some(Bound::deadline(5.0)),
        ),
    ])
}

/// A key of the namespace: its id, and who calls with it.
async fn key(calls: &InProcess, namespace: &str, name: &str) -> Result<(String, Caller), BenchError> {
    let body = json!({"display_name": name, "scopes": ["inference:invoke"]});
    let made = calls.post(&format!("{namespace}/keys"), &body).await?;
    let token = member(&made, "token")?;
    let caller = calls.node.judge(token.as_bytes()).map_err(|error| BenchError::Unexpected(error.to_string()))?;
    Ok((member(&made, "id")?, caller))
}

/// A policy that lets all calls pass: budgets, rates and guardrails take turns.
async fn policy(calls: &InProcess, namespace: &str, number: u64) -> Result<String, BenchError> {
    let window = ["day", "month", "total"][usize::try_from(number % 9 / 3).unwrap_or_default()];
    let (kind, spec) = match number % 3 {
        0 => ("budget", json!({"window": window, "limit_micro_usd": 1_000_000_000_000_u64 + number})),
        1 => (
            "rate_limit",
            json!({"window_secs": 60 + number % 7, "max_requests": 1_000_000_000, "max_tokens": 1_000_000_000_000_u64}),
        ),
        _ => ("guardrail", json!({"model_deny": [format!("never-{number}*"), format!("*/old-{number}")]})),
    };
    let body = json!({"name": format!("{kind} {number}"), "kind": kind, "spec": spec});
    member(&calls.post(&format!("{namespace}/policies"), &body).await?, "id")
}

async fn bind(calls: &InProcess, namespace: &str, policy: &str, key: &str) -> Result<(), BenchError> {
    let body = json!({"principal_type": "api_key", "principal_id": key});
    calls.post(&format!("{namespace}/policies/{policy}/bind"), &body).await.map(drop)
}

fn member(document: &Value, name: &str) -> Result<String, BenchError> {
    document[name].as_str().map(str::to_owned).ok_or_else(|| BenchError::Unexpected(format!("no {name}: {document}")))
}

fn micros(since: Instant) -> f64 {
    1e6 * clock::monotonic_now().saturating_duration_since(since).as_secs_f64()
}
