//! P11: policies are bound, loosened, switched off and deleted while calls run: no call fails for it, and none is forgotten.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use bitrouter_tests::wait;
use serde_json::json;

use crate::bound::{Bound, COUNTED, chat, spent};

const CALLERS: usize = 6;
const CHANGES: usize = 8;

#[test]
fn p11_changes_under_load_fail_no_call_and_forget_none() {
    let bound = Bound::new();
    let (program, session) = bound.program();
    let key = bound.mint_as(&program.access_token, "busy");
    let most = 1_000_000_000;
    let (stop, made) = (AtomicBool::new(false), AtomicUsize::new(0));
    let http = bound.http();
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let answer = chat(http, "acme:m", &json!({"max_tokens": 100})).bearer(&key.token).send();
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    made.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let changes = || {
            for round in 0..CHANGES {
                let before = made.load(Ordering::Relaxed);
                let window = ["day", "month", "total"][round % 3];
                let day = bound.policy("budget", &json!({"window": window, "limit_micro_usd": most}));
                let rate = bound
                    .policy("rate_limit", &json!({"window_secs": 3_600, "max_requests": most, "max_tokens": most}));
                let of_key = bound.bind(&day, "api_key", &key.id);
                bound.bind(&rate, "api_key", &key.id);
                bound.bind(&day, "oauth_token", &session);
                bound.limit(&day, most + 1);
                bound.api("DELETE", &format!("/policies/{day}/bind/{of_key}"), None);
                bound.api("POST", &format!("/policies/{rate}/disable"), None);
                bound.api("POST", &format!("/policies/{rate}/enable"), None);
                bound.api("DELETE", &format!("/policies/{rate}"), None);
                bound.bind(&day, "namespace", &bound.namespace);
                bound.api("DELETE", &format!("/policies/{day}"), None);
                wait::holds("calls between the changes", || made.load(Ordering::Relaxed) > before);
            }
        };
        changes();
        // The last ones stay, bound in the middle of it.
        for (principal_type, principal_id) in [("api_key", &key.id), ("oauth_token", &session)] {
            bound.budget_of(principal_type, principal_id, most);
        }
        let before = made.load(Ordering::Relaxed);
        wait::holds("some more calls", || made.load(Ordering::Relaxed) > before + 20);
        stop.store(true, Ordering::Relaxed);
    });
    let made = i64::try_from(made.into_inner()).expect("a count");
    for (principal_type, principal_id) in [("api_key", &key.id), ("oauth_token", &session)] {
        let effective = bound.effective(principal_type, principal_id);
        assert_eq!(spent(&effective), (made * COUNTED, 0), "{principal_type} of {made} calls");
    }
}
