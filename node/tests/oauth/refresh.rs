//! Refresh (RFC 6749 §6, RFC 9700 §4.14.2).

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crate::support::{TestNode, neighbour};

fn invalid_grant() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

#[tokio::test]
async fn n08_a_lost_reply_is_answered_with_the_same_successor_for_as_long_as_it_takes() {
    let node = TestNode::new().await;
    let first = node.sign_in(None).await;
    let second = node.refresh(&first.refresh).await.pair();
    let again = node.refresh(&first.refresh).await.pair();
    assert_eq!(again.refresh, second.refresh);
    assert_ne!(again.access, second.access);
    // The older access token lives to its own end.
    assert!(node.opens(&first.access));
    // A laptop sleeps for weeks, a daemon is restarted.
    node.advance(Duration::from_hours(24 * 60));
    let node = node.reopened().await;
    let again = node.refresh(&first.refresh).await.pair();
    assert_eq!(again.refresh, second.refresh);
    // From the first use of an access token that came with it the grace runs.
    assert!(node.opens(&again.access));
    node.advance(Duration::from_secs(30));
    assert_eq!(node.refresh(&first.refresh).await.pair().refresh, second.refresh);
    let node = node.reopened().await;
    node.advance(Duration::from_millis(1));
    assert_eq!(node.refresh(&first.refresh).await.refusal(), invalid_grant());
    assert_eq!(node.refresh(&second.refresh).await.refusal(), invalid_grant());
}

#[tokio::test]
async fn n11_a_replay_ends_the_session_before_it_is_answered() {
    let node = TestNode::new().await;
    let first = node.sign_in(None).await;
    let other = node.sign_in(None).await;
    let second = node.refresh(&first.refresh).await.pair();
    let third = node.refresh(&second.refresh).await.pair();
    assert_eq!(node.refresh(&first.refresh).await.refusal(), invalid_grant());
    for access in [&first.access, &second.access, &third.access] {
        assert!(!node.opens(access));
    }
    let node = node.reopened().await;
    assert_eq!(node.refresh(&third.refresh).await.refusal(), invalid_grant());
    assert!(!node.opens(&third.access));
    assert!(node.opens(&other.access), "another session is not concerned");
}

#[tokio::test]
async fn n12_another_client_neither_spends_nor_revokes() {
    let node = TestNode::new().await;
    let first = node.sign_in(None).await;
    assert_eq!(node.refresh_as("tokenroute-cli", &first.refresh, None).await.refusal(), invalid_grant());
    let second = node.refresh(&first.refresh).await.pair();
    let third = node.refresh(&second.refresh).await.pair();
    // A spent token of another client too.
    assert_eq!(node.refresh_as("tokenroute-cli", &first.refresh, None).await.refusal(), invalid_grant());
    assert!(node.opens(&third.access));
    node.refresh(&third.refresh).await.ok();
}

#[tokio::test]
async fn rfc6749_6_a_narrower_scope_narrows_the_access_token_alone_and_a_wider_one_spends_nothing() {
    let node = TestNode::new().await;
    let first = node.sign_in(Some("usage:read keys:read keys:write")).await;
    for wider in ["usage:read billing:read", "keys:* billing:read", "namespace:write", "nonsense"] {
        let refused = node.refresh_as("bitrouter-cli", &first.refresh, Some(wider)).await;
        assert_eq!(refused.refusal(), (400, "invalid_scope".to_owned()), "{wider}");
    }
    let narrow = node.refresh_as("bitrouter-cli", &first.refresh, Some("keys:read")).await;
    assert_eq!(narrow.ok()["scope"], "keys:read");
    let principal = node.node.judge_token(narrow.pair().access.as_bytes()).unwrap();
    assert_eq!(principal.scopes.to_string(), "keys:read");
    let wide = node.refresh_as("bitrouter-cli", &narrow.pair().refresh, Some("keys:*")).await;
    assert_eq!(wide.ok()["scope"], "keys:read keys:write");
    assert_eq!(node.refresh(&wide.pair().refresh).await.ok()["scope"], "usage:read keys:read keys:write");
}

#[tokio::test]
async fn n10_two_at_once_get_the_same_successor() {
    let node = Arc::new(TestNode::new().await);
    let first = node.sign_in(None).await;
    let tasks: Vec<_> = (0..400).map(|_| node.spawn_refresh(&first.refresh)).collect();
    let (mut successors, mut answered, mut slowed) = (BTreeSet::new(), 0, 0);
    for task in tasks {
        let reply = task.await.unwrap();
        match reply.status.as_u16() {
            200 => {
                answered += 1;
                successors.insert(reply.pair().refresh);
            }
            503 => {
                slowed += 1;
                assert_eq!(reply.headers["retry-after"], "60");
            }
            other => panic!("{other}: {:?}", reply.body),
        }
    }
    // The first, and 32 that may have been lost.
    assert_eq!((answered, slowed, successors.len()), (33, 367, 1));
    node.refresh(successors.first().unwrap()).await.ok();
}

#[tokio::test]
async fn beyond_32_repeats_one_a_minute_is_answered_and_nothing_is_revoked() {
    let node = TestNode::new().await;
    let first = node.sign_in(None).await;
    let second = node.refresh(&first.refresh).await.pair();
    for _ in 0..32 {
        assert_eq!(node.refresh(&first.refresh).await.pair().refresh, second.refresh);
    }
    for _ in 0..3 {
        let slowed = node.refresh(&first.refresh).await;
        assert_eq!(slowed.refusal(), (503, "temporarily_unavailable".to_owned()));
        assert_eq!(slowed.headers["retry-after"], "60");
        node.advance(Duration::from_mins(1));
        assert_eq!(node.refresh(&first.refresh).await.pair().refresh, second.refresh);
    }
    node.refresh(&second.refresh).await.ok();
}

#[tokio::test]
async fn a_refresh_token_is_good_for_its_idle_time_and_no_session_for_longer_than_its_own() {
    let node = TestNode::new().await;
    let day = Duration::from_hours(24);
    let idle = node.sign_in(None).await;
    let mut pair = node.sign_in(None).await;
    for _ in 0..4 {
        node.advance(89 * day);
        pair = node.refresh(&pair.refresh).await.pair();
    }
    assert_eq!(node.refresh(&idle.refresh).await.refusal(), invalid_grant());
    // Day 356 of 365.
    let last = node.refresh(&pair.refresh).await;
    assert_eq!(last.ok()["refresh_token_expires_in"], 9 * 24 * 3600);
    node.advance(Duration::from_mins(9 * 24 * 60 - 1));
    let last = node.refresh(&last.pair().refresh).await;
    assert_eq!(last.ok()["expires_in"], 60, "no access token outlives the session");
    node.advance(Duration::from_mins(1));
    assert_eq!(node.refresh(&last.pair().refresh).await.refusal(), invalid_grant());
    assert!(!node.opens(&last.pair().access));
}

#[tokio::test]
async fn rfc6749_6_only_a_refresh_token_refreshes() {
    let node = TestNode::new().await;
    let pair = node.sign_in(None).await;
    let mut mistyped = pair.refresh.clone();
    mistyped.pop();
    for wrong in [&*pair.access, &*mistyped, "brr_", "x"] {
        assert_eq!(node.refresh(wrong).await.refusal(), invalid_grant(), "{wrong}");
    }
    assert!(!node.opens(&pair.refresh), "and it opens nothing");
    node.refresh(&pair.refresh).await.ok();
}

#[tokio::test]
async fn n40_a_caller_that_hangs_up_stops_no_refresh_half_way() {
    let node = TestNode::new().await;
    let first = node.sign_in(None).await;
    let fields = [("client_id", "bitrouter-cli"), ("grant_type", "refresh_token"), ("refresh_token", &*first.refresh)];
    {
        let asked = node.post_as(neighbour(), "/oauth/token", &fields);
        let mut asked = std::pin::pin!(asked);
        // Once polled, it runs by itself.
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(asked.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
    }
    node.quiet().await;
    // It was rotated: what comes now is a repeat.
    let second = node.refresh(&first.refresh).await.pair();
    node.refresh(&second.refresh).await.ok();
}

bitrouter_test_postgres::once_more_on_postgres!(
    n08_a_lost_reply_is_answered_with_the_same_successor_for_as_long_as_it_takes,
    n11_a_replay_ends_the_session_before_it_is_answered,
    n12_another_client_neither_spends_nor_revokes,
    rfc6749_6_a_narrower_scope_narrows_the_access_token_alone_and_a_wider_one_spends_nothing,
    n10_two_at_once_get_the_same_successor,
    beyond_32_repeats_one_a_minute_is_answered_and_nothing_is_revoked,
    a_refresh_token_is_good_for_its_idle_time_and_no_session_for_longer_than_its_own,
    rfc6749_6_only_a_refresh_token_refreshes,
    n40_a_caller_that_hangs_up_stops_no_refresh_half_way,
);
