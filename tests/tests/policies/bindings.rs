//! P11: what a budget is bound to, whose calls count in it, and that nobody gets out of it.

use std::net::TcpStream;

use bitrouter_tests::{Answer, Gate, Reply, http::Call, sign_in, wait};
use serde_json::{Value, json};

use crate::bound::{Bound, COUNTED, Key, cost, spent, text};

/// A call that reserves about 6,000 micro-USD and comes to [`COUNTED`].
fn call(bound: &Bound, token: Option<&str>) -> Answer {
    let call = bound.chat("acme:m", &json!({"max_tokens": 100}));
    token.into_iter().fold(call, Call::bearer).send()
}

#[track_caller]
fn refused(answer: &Answer, policy: &str) -> Value {
    let error = answer.refused(402, "budget_exceeded");
    assert_eq!(error["policy_id"], policy, "{error}");
    error
}

fn person(bound: &Bound) -> String {
    let account = bound.http().get("/v1/account").bearer(&bound.token).send();
    if account.status == 200 {
        return text(&account.json(), "id");
    }
    let session = bound.api("GET", "/sessions", None);
    text(&session["data"][0], "subject")
}

#[test]
fn p11_a_budget_binds_whatever_it_is_bound_to_in_every_window() {
    let bound = Bound::new();
    let (program, session) = bound.program();
    let by_session = bound.mint_as(&program.access_token, "of the session");
    let child = bound.mint_as(&by_session.token, "of the key");
    let stranger = bound.mint("another");
    let person = person(&bound);
    // Whom each principal binds, and whom not.
    let all = [None, Some(&program.access_token), Some(&by_session.token), Some(&child.token), Some(&stranger.token)];
    let binds = |principal_type: &str| match principal_type {
        "namespace" | "user" => [true; 5],
        "oauth_token" => [false, true, true, true, false],
        "api_key" => [false, false, true, true, false],
        // The owner's own program is of the same client.
        "oauth_client" => [false, true, true, true, true],
        other => panic!("no principal type {other}"),
    };
    let principals = [
        ("namespace", bound.namespace.as_str()),
        ("api_key", by_session.id.as_str()),
        ("oauth_token", session.as_str()),
        ("user", person.as_str()),
        ("oauth_client", "bitrouter-cli"),
    ];
    for (principal_type, principal_id) in principals {
        for window in ["day", "month", "total"] {
            let policy = bound.policy("budget", &json!({"window": window, "limit_micro_usd": 100}));
            let binding = bound.bind(&policy, principal_type, principal_id);
            for (caller, is_bound) in all.iter().zip(binds(principal_type)) {
                let answer = call(&bound, caller.map(String::as_str));
                if is_bound {
                    let error = refused(&answer, &policy);
                    assert_eq!(error["reserved_micro_usd"], 0, "{error}");
                    assert!(error["max_affordable_tokens"].is_u64(), "{error}");
                } else {
                    assert_eq!(answer.status, 200, "{principal_type} {window}: {}", answer.text());
                }
            }
            if principal_type == "oauth_client" {
                // The credential that makes policies is of that client itself.
                let own = bound.api_as(&bound.token, "DELETE", &format!("/policies/{policy}/bind/{binding}"), None);
                assert_eq!((own.status, &own.json()["error"]), (403, &json!("own_policy")));
                return;
            }
            bound.api("DELETE", &format!("/policies/{policy}/bind/{binding}"), None);
        }
    }
}

#[test]
fn p11_nobody_gets_out_of_a_budget_by_keys_sessions_or_policies() {
    let bound = Bound::new();
    let key = bound.mint("capped");
    let policy = bound.budget_of("api_key", &key.id, 10_000);
    let child = bound.mint_as(&key.token, "child");
    let grandchild = bound.mint_as(&child.token, "grandchild");
    call(&bound, Some(&grandchild.token)).ok();
    let shown = |key: &Key| spent(&bound.effective("api_key", &key.id));
    wait::holds("what the grandchild spent", || shown(&key) == (COUNTED, 0));
    assert_eq!(shown(&grandchild), (COUNTED, 0));
    // One of another line counts in nothing of theirs.
    call(&bound, Some(&bound.mint("another").token)).ok();
    assert_eq!(shown(&key), (COUNTED, 0));
    for one in [&key, &child] {
        call(&bound, Some(&one.token)).ok();
    }
    wait::holds("what all of them spent", || shown(&key) == (3 * COUNTED, 0));
    for one in [&key, &child, &grandchild] {
        let error = refused(&call(&bound, Some(&one.token)), &policy);
        assert!(error["resets_at"].is_string(), "{error}");
    }
    // A new descendant is as poor as its ancestors.
    let late = bound.mint_as(&grandchild.token, "late");
    refused(&call(&bound, Some(&late.token)), &policy);

    // Nobody under it takes it off, by whatever way.
    let bindings = bound.api("GET", &format!("/policies/{policy}/bindings"), None);
    let binding = text(&bindings["data"][0], "id");
    let looser = json!({"spec": {"window": "day", "limit_micro_usd": 10_000_000}});
    let total = json!({"spec": {"window": "total", "limit_micro_usd": 10_000}});
    let credit = json!({"spec": {"window": "day", "limit_micro_usd": 10_000, "funding": "credit"}});
    let tries = [
        ("DELETE", format!("/policies/{policy}/bind/{binding}"), None),
        ("POST", format!("/policies/{policy}/disable"), None),
        ("DELETE", format!("/policies/{policy}"), None),
        ("PUT", format!("/policies/{policy}"), Some(&looser)),
        ("PUT", format!("/policies/{policy}"), Some(&total)),
        ("PUT", format!("/policies/{policy}"), Some(&credit)),
        ("DELETE", format!("/budgets/{policy}"), None),
    ];
    for (method, below, body) in &tries {
        for one in [&key, &late] {
            let answer = bound.api_as(&one.token, method, below, *body);
            assert_eq!((answer.status, &answer.json()["error"]), (403, &json!("own_policy")), "{method} {below}");
        }
    }
    // Another name is no way out either.
    bound.api("PUT", &format!("/policies/{policy}"), Some(&json!({"name": "renamed"})));
    refused(&call(&bound, Some(&late.token)), &policy);
    // Bound anew, or another policy in its place: what was spent is spent.
    bound.api("DELETE", &format!("/policies/{policy}/bind/{binding}"), None);
    call(&bound, Some(&late.token)).ok();
    bound.bind(&policy, "api_key", &key.id);
    wait::holds("the whole of what was spent", || shown(&key) == (4 * COUNTED, 0));
    refused(&call(&bound, Some(&late.token)), &policy);
    bound.api("DELETE", &format!("/policies/{policy}"), None);
    let other = bound.budget_of("api_key", &key.id, 9_000);
    refused(&call(&bound, Some(&late.token)), &other);
}

#[test]
fn p11_a_session_that_is_refreshed_is_the_same_spender() {
    let mut bound = Bound::new();
    let (program, session) = bound.program();
    let key = bound.mint_as(&program.access_token, "of the session");
    let policy = bound.budget_of("oauth_token", &session, 7_000);
    call(&bound, Some(&program.access_token)).ok();
    wait::holds("what was spent", || spent(&bound.effective("oauth_token", &session)) == (COUNTED, 0));
    refused(&call(&bound, Some(&program.access_token)), &policy);
    let fields =
        [("grant_type", "refresh_token"), ("refresh_token", &program.refresh_token), ("client_id", "bitrouter-cli")];
    let fresh = sign_in::form(bound.http().post("/oauth/token"), &fields).send().ok().json();
    let fresh = text(&fresh, "access_token");
    assert_ne!(fresh, program.access_token);
    refused(&call(&bound, Some(&fresh)), &policy);
    // The key of a session outlives it, and so does what binds it.
    sign_in::revoke(bound.http(), &fresh);
    assert_eq!(call(&bound, Some(&fresh)).status, 401);
    refused(&call(&bound, Some(&key.token)), &policy);
    bound.killed_and_started();
    refused(&call(&bound, Some(&key.token)), &policy);
}

#[test]
fn p11_a_limit_counts_what_was_before_and_changes_with_the_next_call() {
    let bound = Bound::new();
    for _ in 0..3 {
        call(&bound, None).ok();
    }
    // Bound now, it knows what was spent before.
    let policy = bound.budget(3 * COUNTED + 1_000);
    assert_eq!(bound.released(), 3 * COUNTED);
    refused(&call(&bound, None), &policy);
    bound.limit(&policy, 20_000);
    call(&bound, None).ok();
    bound.limit(&policy, 10);
    refused(&call(&bound, None), &policy);
    bound.api("POST", &format!("/policies/{policy}/disable"), None);
    call(&bound, None).ok();
    bound.api("POST", &format!("/policies/{policy}/enable"), None);
    let error = refused(&call(&bound, None), &policy);
    assert!(error["message"].as_str().is_some_and(|text| text.contains("7500 are spent")), "{error}");
    assert_eq!(bound.released(), 5 * COUNTED);
    // What costs nothing is free whatever was spent.
    bound.chat("acme:free", &json!({"max_tokens": -1})).send().ok();
    bound.api("DELETE", &format!("/policies/{policy}"), None);
    call(&bound, None).ok();
}

#[test]
fn p12_the_clauses_of_a_preset_hold_each_by_itself() {
    let bound = Bound::new();
    let key = bound.mint("preset");
    let spec = json!({
        "guardrail": {"model_deny": ["acme:long"], "max_request_tokens": 500},
        "budget": {"window": "month", "limit_micro_usd": 2 * COUNTED + 6_500},
        "rate_limit": {"window_secs": 3_600, "max_requests": 3},
    });
    let policy = bound.policy("preset", &spec);
    bound.bind(&policy, "api_key", &key.id);
    let with = |model: &str, members: &Value| bound.chat(model, members).bearer(&key.token).send();
    let denied = with("acme:long", &json!({"max_tokens": 5})).refused(403, "model_denied");
    let over = with("acme:m", &json!({"max_tokens": 501})).refused(403, "max_request_tokens");
    for error in [denied, over] {
        assert_eq!(error["policy_id"], policy, "{error}");
    }
    for _ in 0..3 {
        call(&bound, Some(&key.token)).ok();
    }
    let answer = call(&bound, Some(&key.token));
    let error = answer.refused(429, "rate_limited");
    assert_eq!(error["policy_id"], policy, "{error}");
    assert!(answer.header("retry-after").is_some() && answer.header("retry-after-ms").is_some());
    // One clause after the other goes.
    let preset = format!("/presets/{policy}");
    bound.api("PUT", &preset, Some(&json!({"clear_rate_limit": true})));
    refused(&call(&bound, Some(&key.token)), &policy);
    bound.api("PUT", &preset, Some(&json!({"clear_budget": true})));
    call(&bound, Some(&key.token)).ok();
    with("acme:long", &json!({"max_tokens": 5})).refused(403, "model_denied");
}

#[test]
fn p11_a_restart_keeps_what_was_spent_and_a_crash_what_was_reserved() {
    let mut bound = Bound::new();
    let policy = bound.budget(100_000);
    call(&bound, None).ok();
    assert_eq!(bound.released(), COUNTED);
    let gate = Gate::new();
    bound.provider.next(Reply::stream().token("one").gate(&gate).done());
    let mut open = bound.chat("acme:m", &json!({"max_tokens": 900, "stream": true})).open();
    open.until_contains("\"one\"");
    let (before, reserved) = bound.spent();
    assert_eq!(before, COUNTED);
    assert!((cost(0, 900)..cost(0, 900) + 5_000).contains(&reserved), "{reserved}");
    bound.killed_and_started();
    let rows = bound.settled(2);
    assert_eq!(rows[0]["status"], "interrupted", "{}", rows[0]);
    let charged = rows[0]["cost_micro_usd"].as_i64().expect("a cost");
    assert!(charged > 0 && charged < reserved, "{charged}");
    // The whole reservation is kept: what is not charged shows as reserved.
    let (after, kept) = bound.spent();
    assert_eq!((after, after + kept), (COUNTED + charged, COUNTED + reserved));
    let left = 100_000 - COUNTED - reserved;
    let most = (left - cost(200, 0)) / 50;
    let answer = bound.chat("acme:m", &json!({"max_tokens": most})).send().ok();
    assert_eq!(answer.header("x-bitrouter-capped"), None);
    assert_eq!(bound.spent(), (after + COUNTED, kept));
    // A restart in good order changes nothing.
    bound.stopped_and_started();
    assert_eq!(bound.spent(), (after + COUNTED, kept));
    bound.limit(&policy, after + kept + 2 * COUNTED);
    let error = refused(&call(&bound, None), &policy);
    assert_eq!(error["reserved_micro_usd"], kept, "{error}");
}

#[test]
fn p11_a_restart_forgets_no_stream_that_it_waits_for_or_ends() {
    let mut bound = Bound::new();
    bound.budget(200_000);
    let usage =
        json!({"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 1_400, "total_tokens": 1_500}});
    let gate = Gate::new();
    let stream = Reply::stream().token("one").gate(&gate).event(usage.to_string()).event("[DONE]").end();
    let open = |bound: &Bound, reply: Reply| {
        bound.provider.next(reply);
        let mut open = bound.chat("acme:long", &json!({"max_tokens": 1_500, "stream": true})).open();
        open.until_contains("\"one\"");
        open
    };
    let waited_for = open(&bound, stream);
    let addr = bound.daemon.addr();
    let mut restart = bound.world.command(["restart"]).spawn();
    wait::holds("the listener to close", || TcpStream::connect(addr).is_err());
    gate.open();
    waited_for.finish().ok();
    assert!(restart.wait(wait::PATIENCE).success());
    bound.daemon = bound.world.detached();
    bound.daemon.until_node_is_on();
    assert_eq!(bound.spent(), (cost(100, 1_400), 0));
    // One that is ended by force has cost what it sent.
    let ended = open(&bound, Reply::stream().token("one").gate(&Gate::new()));
    bound.world.cli(["stop", "--timeout", "1"]).expect_code(0);
    drop(ended);
    bound.daemon = bound.serve().start();
    bound.daemon.until_node_is_on();
    let (spent, reserved) = bound.spent();
    let more = spent - cost(100, 1_400);
    assert!(more > cost(20, 1) && more < cost(100, 10) && reserved == 0, "{more} more, {reserved} reserved");
}

bitrouter_test_postgres::once_more_on_postgres!(
    p11_a_budget_binds_whatever_it_is_bound_to_in_every_window,
    p11_a_restart_keeps_what_was_spent_and_a_crash_what_was_reserved,
);
