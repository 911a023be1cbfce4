//! N40, N41: callers that leave at any moment leave nothing half done.

use std::{sync::Arc, time::Duration};

use bitrouter_gateway::http::{Caller, Principal};
use bitrouter_proto::{
    account::{Scope, ScopeSet},
    clock::monotonic_now,
};
use bytes::Bytes;
use http::{Method, Request, header};

use super::support::{TestNode, encoded, form, neighbour};

/// So many calls are left by their callers.
const CALLS: u32 = 10_000;

/// Any number, the next one of many.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        // Knuth's MMIX.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn call(numbers: &mut Numbers, refresh: &str, namespace: &str) -> Request<Bytes> {
    let rest = |method: Method, path: String, body: &str| {
        let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
    };
    match numbers.below(7) {
        0 => form("/oauth/device_authorization", &encoded(&[("client_id", "bitrouter-cli")])),
        1 | 2 => {
            let fields = [("client_id", "bitrouter-cli"), ("grant_type", "refresh_token"), ("refresh_token", refresh)];
            form("/oauth/token", &encoded(&fields))
        }
        3 => rest(Method::POST, "/v1/namespaces".to_owned(), &format!(r#"{{"name":"n{}"}}"#, numbers.below(60))),
        4 => rest(Method::GET, "/v1/namespaces".to_owned(), ""),
        5 => rest(Method::GET, format!("/v1/namespaces/{namespace}/sessions"), ""),
        _ => form("/oauth/revoke", &encoded(&[("client_id", "bitrouter-cli"), ("token", "brr_nobody")])),
    }
}

/// No transaction stays open on a connection that nobody uses, and no session has other than one unspent refresh token.
fn is_whole(node: &TestNode) {
    let Some(database) = node.database() else { return };
    let open = "SELECT COUNT(*) FROM pg_stat_activity
                WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    // What was dropped a moment ago is being rolled back. The server ends none within so short a time.
    let began = monotonic_now();
    while database.ask(open) != "0" {
        assert!(began.elapsed() < Duration::from_secs(8), "a transaction is left open");
    }
    let odd = "SELECT COUNT(*) FROM (SELECT grant_id FROM refresh_tokens WHERE spent_at IS NULL
               GROUP BY grant_id HAVING COUNT(*) <> 1) AS odd";
    assert_eq!(database.ask(odd), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n41_ten_thousand_calls_that_are_left_leave_no_transaction_open() {
    let node = Arc::new(TestNode::new().await);
    let pair = node.sign_in(None).await;
    let namespace = node.node.first_namespace().to_string();
    let Caller::Credential(principal) = node.node.judge(pair.access.as_bytes()).unwrap() else { panic!("no token") };
    let caller = Caller::Credential(Principal { scopes: ScopeSet::of(Scope::ALL), ..principal });
    let mut numbers = Numbers(41);
    for _ in 0..CALLS {
        let request = call(&mut numbers, &pair.refresh, &namespace);
        let patience = Duration::from_micros(numbers.below(3_000));
        let answered = Arc::clone(&node.node).answer_whole(request, caller, neighbour());
        let _ = tokio::time::timeout(patience, answered).await;
    }
    node.quiet().await;
    // Whatever was half done when its caller left is done, or never was.
    assert!(node.sessions().await.len() <= 1);
    is_whole(&node);
    // An hour later nothing counts as too often.
    node.advance(Duration::from_hours(1));
    node.sign_in(None).await;
    node.node.close().await;
}

bitrouter_test_postgres::once_more_on_postgres!(n41_ten_thousand_calls_that_are_left_leave_no_transaction_open,);
