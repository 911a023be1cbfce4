//! Refresh (RFC 6749 §6, RFC 9700 §4.14.2) and revocation (RFC 7009).

use crate::support::{Pair, TestNode};

#[tokio::test]
async fn n08_a_lost_reply_is_answered_with_the_same_successor() {
    let node = TestNode::new().await;
    let first = node.sign_in(None).await;
    let second = node.refresh(&first.refresh).await.pair();
    let again = node.refresh(&first.refresh).await.pair();
    assert_eq!(again.refresh, second.refresh);
    assert_ne!(again.access, second.access);
    assert!(node.opens(&first.access) && node.opens(&second.access));
}

#[tokio::test]
async fn n11_a_replay_ends_the_session_before_it_is_answered() {
    let node = TestNode::new().await;
    let first = node.sign_in(None).await;
    let second = node.refresh(&first.refresh).await.pair();
    let third = node.refresh(&second.refresh).await.pair();
    assert_eq!(node.refresh(&first.refresh).await.refusal(), (400, "invalid_grant".to_owned()));
    for access in [&first.access, &second.access, &third.access] {
        assert!(!node.opens(access));
    }
    let node = node.reopened().await;
    assert_eq!(node.refresh(&third.refresh).await.refusal(), (400, "invalid_grant".to_owned()));
    assert!(!node.opens(&third.access));
}

#[tokio::test]
async fn rfc7009_2_1_either_token_ends_the_session() {
    for pick in [|pair: &Pair| pair.access.clone(), |pair: &Pair| pair.refresh.clone()] {
        let node = TestNode::new().await;
        let pair = node.sign_in(None).await;
        node.revoke(&pick(&pair)).await.ok();
        assert!(!node.opens(&pair.access));
        assert_eq!(node.refresh(&pair.refresh).await.refusal(), (400, "invalid_grant".to_owned()));
    }
}
