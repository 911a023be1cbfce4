//! A server that goes while a node is on: what is refused, what goes on, and what is there when it is back.

use std::time::Duration;

use bitrouter_node::NodeWarning;
use bitrouter_proto::clock::monotonic_now;
use bitrouter_test_postgres::Server;
use http::StatusCode;

use super::support::TestNode;

fn says_so(now: &[NodeWarning]) -> bool {
    now.iter().any(|warning| matches!(warning, NodeWarning::DatabaseUnreachable { .. }))
}

/// A node that is on, and somebody who is signed in.
async fn scene() -> (Server, TestNode, String) {
    let server = Server::start();
    let node = TestNode::on_postgres(server.url()).await.unwrap();
    let pair = node.sign_in(None).await;
    (server, node, pair.access)
}

#[tokio::test]
async fn what_manages_is_refused_at_once_and_tokens_are_judged_from_memory() {
    let (server, node, token) = scene().await;
    let other = node.sign_in(None).await;
    server.stop();
    // The first one notices it, the next ones know it.
    for _ in 0..3 {
        let began = monotonic_now();
        let code = node.start_as(super::support::neighbour(), None).await;
        assert_eq!(code.status, StatusCode::SERVICE_UNAVAILABLE, "{:?}", code.body);
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        assert!(node.opens(&token));
    }
    node.node.warnings().wait_for(|now| says_so(now)).await.unwrap();
    // A right is taken away all the same: in the log, in memory, and later in the database.
    assert_eq!(node.revoke(&other.access).await.status, StatusCode::OK);
    assert!(!node.opens(&other.access) && node.opens(&token));
    assert_eq!(node.node.revocations_pending(), 1);
    server.start_again();
    node.node.warnings().wait_for(|now| !says_so(now)).await.unwrap();
    node.start(None).await;
    assert_eq!(node.node.revocations_pending(), 0);
    assert_eq!(server.ask("SELECT COUNT(*) FROM grants WHERE ended_at IS NOT NULL"), "1");
    let node = node.reopened().await;
    assert!(!node.opens(&other.access) && node.opens(&token));
    node.node.close().await;
}

#[tokio::test]
async fn a_killed_server_and_one_that_stands_still_are_noticed_within_seconds() {
    let (server, node, token) = scene().await;
    server.kill();
    node.node.warnings().wait_for(|now| says_so(now)).await.unwrap();
    server.start_again();
    node.node.warnings().wait_for(|now| !says_so(now)).await.unwrap();
    node.sign_in(None).await;
    server.signal("STOP");
    let began = monotonic_now();
    let refused = node.start_as(super::support::neighbour(), None).await;
    let waited = began.elapsed();
    node.node.warnings().wait_for(|now| says_so(now)).await.unwrap();
    server.signal("CONT");
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{:?}", refused.body);
    assert!(waited < Duration::from_secs(8), "{waited:?}");
    node.node.warnings().wait_for(|now| !says_so(now)).await.unwrap();
    node.sign_in(None).await;
    assert!(node.opens(&token));
    node.node.close().await;
}
