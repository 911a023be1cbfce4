//! Revocation (RFC 7009), and everything else that ends a session.

use bitrouter_node::{
    oauth::approval::Decision,
    people::{Password, namespaces},
    store::EndReason,
};
use bitrouter_proto::account::ScopeSet;

use crate::support::{Pair, TestNode, neighbour, user_code};

#[tokio::test]
async fn rfc7009_2_1_either_token_ends_the_session_from_the_next_request_on() {
    for (pick, hint) in [
        ((|pair: &Pair| pair.access.clone()) as fn(&Pair) -> String, "access_token"),
        (|pair: &Pair| pair.refresh.clone(), "refresh_token"),
        // A hint that is wrong or unknown is no more than a hint.
        (|pair: &Pair| pair.access.clone(), "refresh_token"),
        (|pair: &Pair| pair.refresh.clone(), "nonsense"),
    ] {
        let node = TestNode::new().await;
        let (pair, other) = (node.sign_in(None).await, node.sign_in(None).await);
        let fields = [("client_id", "bitrouter-cli"), ("token", &*pick(&pair)), ("token_type_hint", hint)];
        node.post("/oauth/revoke", &fields).await.ok();
        assert!(!node.opens(&pair.access));
        assert_eq!(node.refresh(&pair.refresh).await.refusal(), (400, "invalid_grant".to_owned()));
        let node = node.reopened().await;
        assert!(!node.opens(&pair.access) && node.opens(&other.access));
    }
}

#[tokio::test]
async fn rfc7009_2_2_an_unknown_token_is_no_error_and_another_clients_is_left_alone() {
    let node = TestNode::new().await;
    let pair = node.sign_in(None).await;
    for (client, token) in
        [("bitrouter-cli", "unknown"), ("tokenroute-cli", &*pair.access), ("tokenroute-cli", &*pair.refresh)]
    {
        node.post("/oauth/revoke", &[("client_id", client), ("token", token)]).await.ok();
        assert!(node.opens(&pair.access));
    }
    let unnamed = node.post("/oauth/revoke", &[("token", &*pair.access)]).await;
    assert_eq!(unnamed.refusal(), (400, "invalid_request".to_owned()));
    let unknown = node.post("/oauth/revoke", &[("client_id", "nobody"), ("token", &*pair.access)]).await;
    assert_eq!(unknown.refusal(), (401, "invalid_client".to_owned()));
    assert_eq!(node.post("/oauth/revoke", &[("client_id", "bitrouter-cli")]).await.refusal().1, "invalid_request");
    node.refresh(&pair.refresh).await.ok();
}

#[tokio::test]
async fn an_old_token_of_the_session_ends_it_too() {
    let node = TestNode::new().await;
    let first = node.sign_in(None).await;
    let second = node.refresh(&first.refresh).await.pair();
    node.revoke(&first.refresh).await.ok();
    assert!(!node.opens(&second.access));
}

#[tokio::test]
async fn p08_a_person_ends_a_session_by_its_id() {
    let node = TestNode::new().await;
    let pair = node.sign_in(None).await;
    let session = node.sessions().await.remove(0);
    assert!(node.node.end_grant(session.id, EndReason::RevokedByPerson).await.unwrap());
    assert!(!node.opens(&pair.access));
    assert!(!node.node.end_grant(session.id, EndReason::RevokedByPerson).await.unwrap());
    assert_eq!(node.refresh(&pair.refresh).await.refusal().1, "invalid_grant");
}

#[tokio::test]
async fn n03_what_a_person_lost_between_approval_and_poll_is_not_given_out() {
    let node = TestNode::new().await;
    let owner = node.node.owner();
    let staging = namespaces::create(&node.node, owner, "staging").await.unwrap();
    let bea = node.node.add_user("bea".parse().unwrap(), password()).await.unwrap().id;
    let hers = namespaces::create(&node.node, bea, "hers").await.unwrap();

    let (deleted, removed) = (node.start(None).await, node.start(None).await);
    for (code, person, namespace) in [(&deleted, owner, staging.id), (&removed, bea, hers.id)] {
        let decision = Decision { namespace, scopes: ScopeSet::DEFAULT, own_device: false };
        node.node.approve_code(user_code(code), person, &neighbour(), decision).await.unwrap();
    }
    namespaces::delete(&node.node, owner, "staging").await.unwrap();
    node.node.remove_user("bea").await.unwrap();
    for code in [&deleted, &removed] {
        for _ in 0..2 {
            assert_eq!(node.poll(code).await.refusal(), (400, "invalid_grant".to_owned()));
        }
    }
    assert!(node.sessions().await.is_empty());
}

#[tokio::test]
async fn p08_a_deleted_namespace_and_a_removed_person_take_their_tokens_along() {
    let mut node = TestNode::new().await;
    let owner = node.node.owner();
    let staging = namespaces::create(&node.node, owner, "staging").await.unwrap();
    let bea = node.node.add_user("bea".parse().unwrap(), password()).await.unwrap().id;
    let hers = namespaces::create(&node.node, bea, "hers").await.unwrap();
    let kept = node.sign_in(None).await;
    let ended = [node.sign_in_as(owner, staging.id).await, node.sign_in_as(bea, hers.id).await];
    assert!(ended.iter().all(|pair| node.opens(&pair.access)));

    namespaces::delete(&node.node, owner, "staging").await.unwrap();
    node.node.remove_user("bea").await.unwrap();
    for reopened in [false, true] {
        if reopened {
            node = node.reopened().await;
        }
        for pair in &ended {
            assert!(!node.opens(&pair.access));
            assert_eq!(node.refresh(&pair.refresh).await.refusal(), (400, "invalid_grant".to_owned()));
        }
        assert!(node.opens(&kept.access));
    }
}

fn password() -> Password {
    Password::new("a long enough one".into()).unwrap()
}

bitrouter_test_postgres::once_more_on_postgres!(
    rfc7009_2_1_either_token_ends_the_session_from_the_next_request_on,
    rfc7009_2_2_an_unknown_token_is_no_error_and_another_clients_is_left_alone,
    an_old_token_of_the_session_ends_it_too,
    p08_a_person_ends_a_session_by_its_id,
    n03_what_a_person_lost_between_approval_and_poll_is_not_given_out,
    p08_a_deleted_namespace_and_a_removed_person_take_their_tokens_along,
);
