//! The device grant (RFC 8628).

use std::time::Duration;

use bitrouter_node::oauth::approval::{CodeRefused, Decision};
use bitrouter_proto::account::{Scope, ScopeSet};

use crate::support::{TestNode, neighbour, visitor};

#[tokio::test]
async fn p07_a_device_signs_in_and_its_token_is_of_the_chosen_namespace() {
    let node = TestNode::new().await;
    let code = node.start(None).await;
    assert_eq!(node.poll(&code).await.refusal(), (400, "authorization_pending".to_owned()));
    let shown =
        node.node.find_code(code["user_code"].as_str().unwrap(), node.node.owner(), &neighbour()).await.unwrap();
    assert_eq!((shown.client.id, shown.scopes, shown.needs_own_device), ("bitrouter-cli", ScopeSet::DEFAULT, false));
    assert_eq!(node.approve(&code).await, ScopeSet::DEFAULT);
    let reply = node.poll(&code).await;
    let document = reply.ok();
    assert_eq!(document["token_type"], "Bearer");
    assert_eq!(document["expires_in"], 3600);
    assert_eq!(document["refresh_token_expires_in"], 90 * 24 * 3600);
    assert_eq!(document["scope"], ScopeSet::DEFAULT.to_string());
    assert_eq!(document["namespace_id"], node.node.first_namespace().to_string());
    assert_eq!(document["sub"], node.node.owner().to_string());
    assert_eq!(reply.headers["cache-control"], "no-store");
    let principal = node.node.judge(reply.pair().access.as_bytes()).unwrap();
    assert_eq!(principal.namespace, node.node.first_namespace());
    assert_eq!((principal.person, principal.scopes), (node.node.owner(), ScopeSet::DEFAULT));
    node.advance(Duration::from_hours(1));
    assert!(!node.opens(&reply.pair().access));
}

#[tokio::test]
async fn p08_only_what_was_ticked_and_asked_for_is_granted() {
    let node = TestNode::new().await;
    let code = node.start(Some("usage:read keys:* billing:write")).await;
    let decision = Decision {
        namespace: node.node.first_namespace(),
        scopes: ScopeSet::of(&[Scope::UsageRead, Scope::KeysRead, Scope::ByokWrite, Scope::NamespaceWrite]),
        own_device: false,
    };
    let typed = code["user_code"].as_str().unwrap();
    let granted = node.node.approve_code(typed, node.node.owner(), &neighbour(), decision).await.unwrap();
    assert_eq!(granted, ScopeSet::of(&[Scope::UsageRead, Scope::KeysRead]));
    assert_eq!(node.poll(&code).await.ok()["scope"], "usage:read keys:read");
}

#[tokio::test]
async fn n05_guesses_are_counted_and_a_success_resets_nothing() {
    let node = TestNode::new().await;
    let code = node.start(None).await;
    let right = code["user_code"].as_str().unwrap();
    let (owner, other_place) = (node.node.owner(), visitor(None, "192.0.2.1"));
    for guess in 0..10 {
        assert!(node.node.find_code(right, owner, &neighbour()).await.is_ok(), "{guess}");
        let typed = if guess % 2 == 0 { "bcdf-ghjk" } else { " BCDFGHJK" };
        assert!(matches!(node.node.find_code(typed, owner, &neighbour()).await, Err(CodeRefused::Unknown)), "{guess}");
    }
    for from in [neighbour(), other_place.clone()] {
        let refused = node.node.find_code(right, owner, &from).await;
        assert!(matches!(refused, Err(CodeRefused::TooMany { wait }) if wait == Duration::from_mins(10)));
        assert!(matches!(node.node.deny_code(right, owner, &from).await, Err(CodeRefused::TooMany { .. })));
    }
    node.advance(Duration::from_mins(9));
    assert!(node.node.find_code(right, owner, &other_place).await.is_err());
    node.advance(Duration::from_mins(1));
    assert!(matches!(node.node.find_code(right, owner, &other_place).await, Err(CodeRefused::Expired)));
}
