//! The session of the daemon with its own node, made, refreshed and ended without a request.

use std::{sync::Arc, time::Duration};

use bitrouter_node::{
    OwnRefreshError, OwnSignInError, OwnTokens,
    people::{Password, namespaces},
    secret::TokenKind,
};
use bitrouter_proto::account::{Scope, ScopeSet};
use secrecy::{ExposeSecret as _, SecretString};

use crate::support::{Pair, TestNode};

const CLIENT: &str = "bitrouter-cli";

async fn signed_in(node: &TestNode) -> OwnTokens {
    node.node.sign_in_owner(CLIENT, None, ScopeSet::DEFAULT).await.unwrap()
}

fn pair(tokens: &OwnTokens) -> Pair {
    Pair {
        access: tokens.access_token.expose_secret().to_owned(),
        refresh: tokens.refresh_token.expose_secret().to_owned(),
    }
}

#[tokio::test]
async fn the_owner_is_signed_in_as_any_device_is() {
    let node = TestNode::new().await;
    let device = node.sign_in(None).await;
    let own = signed_in(&node).await;
    assert_eq!((own.namespace, own.person), (node.node.first_namespace(), node.node.owner()));
    assert_eq!((own.expires_in, own.scope), (Duration::from_hours(1), ScopeSet::DEFAULT));
    assert_eq!(own.refresh_token_expires_in, Duration::from_hours(24 * 90));
    let principal = |token: &str| node.node.judge_token(token.as_bytes()).unwrap();
    let (ours, theirs) = (principal(&pair(&own).access), principal(&device.access));
    assert_eq!((ours.namespace, ours.scopes), (theirs.namespace, theirs.scopes));
    assert_eq!(node.sessions().await.len(), 2);
    let node = node.reopened().await;
    assert!(node.opens(&pair(&own).access));
}

#[tokio::test]
async fn the_namespace_is_told_by_name_or_id() {
    let node = TestNode::new().await;
    let owner = node.node.owner();
    let made = namespaces::create(&node.node, owner, "work").await.unwrap();
    for which in ["work", &made.id.to_string(), &made.id.to_string().to_uppercase()] {
        let own = node.node.sign_in_owner(CLIENT, Some(which), ScopeSet::DEFAULT).await.unwrap();
        assert_eq!(own.namespace, made.id, "{which}");
    }
    let stranger =
        node.node.add_user("bob".parse().unwrap(), Password::new("0123456789".into()).unwrap()).await.unwrap();
    let theirs = namespaces::create(&node.node, stranger.id, "theirs").await.unwrap();
    namespaces::delete(&node.node, owner, "work").await.unwrap();
    for which in ["work", "theirs", &theirs.id.to_string(), "", "nonsense\u{7}"] {
        let refused = node.node.sign_in_owner(CLIENT, Some(which), ScopeSet::DEFAULT).await;
        assert!(matches!(refused, Err(OwnSignInError::UnknownNamespace(_))), "{which}: {refused:?}");
    }
}

#[tokio::test]
async fn p08_sensitive_scopes_are_granted_where_they_are_asked_for_and_namespace_write_never() {
    let node = TestNode::new().await;
    let sign_in = async |scope: &str| {
        let scope = ScopeSet::parse(scope).unwrap();
        node.node.sign_in_owner(CLIENT, None, scope).await
    };
    let sensitive = "usage:read billing:write account:write clients:read clients:write";
    assert_eq!(sign_in(sensitive).await.unwrap().scope, ScopeSet::parse(sensitive).unwrap());
    assert_eq!(sign_in("").await.unwrap().scope, ScopeSet::DEFAULT);
    for scope in ["namespace:write", "usage:read namespace:write"] {
        let refused = sign_in(scope).await.unwrap_err();
        assert!(refused.to_string().starts_with("`namespace:write` is never given to a token"), "{refused}");
    }
    assert_eq!(node.sessions().await.len(), 2);
    let unknown = node.node.sign_in_owner("nobody", None, ScopeSet::DEFAULT).await;
    assert_eq!(unknown.unwrap_err().to_string(), "there is no client `nobody` here");
}

#[tokio::test]
async fn the_longest_idle_session_makes_room() {
    let node = TestNode::new().await;
    let first = signed_in(&node).await;
    for _ in 1..100 {
        node.advance(Duration::from_millis(1));
        signed_in(&node).await;
    }
    assert!(node.opens(&pair(&first).access));
    // It was used just now, so that the second one is idle for longest.
    let last = signed_in(&node).await;
    assert_eq!(node.sessions().await.len(), 100);
    assert!(node.opens(&pair(&first).access) && node.opens(&pair(&last).access));
}

#[tokio::test]
async fn p02_a_refresh_in_process_follows_the_rules_of_the_token_endpoint() {
    let node = TestNode::new().await;
    let first = signed_in(&node).await;
    let refresh = async |token: &SecretString, scope: &str| node.node.refresh_own(CLIENT, token, scope).await;
    let second = refresh(&first.refresh_token, &first.scope.to_string()).await.unwrap();
    assert_eq!((second.scope, second.namespace, second.person), (first.scope, first.namespace, first.person));
    // A lost reply: the same successor, here and at the endpoint.
    let again = refresh(&first.refresh_token, "").await.unwrap();
    assert_eq!(pair(&again).refresh, pair(&second).refresh);
    assert_eq!(node.refresh(&pair(&first).refresh).await.pair().refresh, pair(&second).refresh);
    // Scopes and clients that are not the session's change nothing.
    for scope in ["billing:write", "namespace:write", "nonsense"] {
        let refused = refresh(&second.refresh_token, scope).await;
        assert!(matches!(refused, Err(OwnRefreshError::Later(_))), "{scope}: {refused:?}");
    }
    for client in ["tokenroute-cli", "nobody"] {
        let refused = node.node.refresh_own(client, &second.refresh_token, "").await;
        assert!(matches!(refused, Err(OwnRefreshError::Ended(_))), "{client}: {refused:?}");
    }
    // What a client may not do now it may do later: no session ends for that.
    let tool = crate::support::clients::registered(&node, "tool", "public", &["usage:read"]).await;
    let tool = tool["client_id"].as_str().unwrap();
    let others = SecretString::from(crate::support::clients::signed_in(&node, tool, &[], None).await.refresh);
    for (change, is_renewed) in [
        (serde_json::json!({"allowed_grant_types": ["urn:ietf:params:oauth:grant-type:device_code"]}), false),
        (serde_json::json!({"allowed_grant_types": ["refresh_token"]}), true),
    ] {
        crate::support::clients::changed(&node, tool, &change).await;
        match node.node.refresh_own(tool, &others, "").await {
            Ok(_) => assert!(is_renewed),
            refused => assert!(!is_renewed && matches!(refused, Err(OwnRefreshError::Later(_))), "{refused:?}"),
        }
    }
    let narrow = refresh(&second.refresh_token, Scope::UsageRead.as_str()).await.unwrap();
    assert_eq!(narrow.scope, ScopeSet::of(&[Scope::UsageRead]));
    // Used and out of grace: the first one is a replay, and the session ends.
    assert!(node.opens(&pair(&second).access));
    node.advance(Duration::from_secs(31));
    assert!(matches!(refresh(&first.refresh_token, "").await, Err(OwnRefreshError::Ended(_))));
    assert!(!node.opens(&pair(&narrow).access));
    assert!(matches!(refresh(&narrow.refresh_token, "").await, Err(OwnRefreshError::Ended(_))));
    for token in ["", "brr_nonsense", &pair(&narrow).access] {
        let refused = refresh(&token.into(), "").await;
        assert!(matches!(refused, Err(OwnRefreshError::Ended(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_revocation_in_process_ends_the_session_of_its_client() {
    for pick in [|pair: Pair| pair.access, |pair: Pair| pair.refresh] {
        let node = TestNode::new().await;
        let (own, other) = (signed_in(&node).await, signed_in(&node).await);
        let token = SecretString::from(pick(pair(&own)));
        node.node.revoke_own("tokenroute-cli", &token).await.unwrap();
        assert!(node.opens(&pair(&own).access));
        node.node.revoke_own(CLIENT, &token).await.unwrap();
        assert!(!node.opens(&pair(&own).access) && node.opens(&pair(&other).access));
        for token in ["", "brr_nonsense", token.expose_secret()] {
            node.node.revoke_own(CLIENT, &token.into()).await.unwrap();
        }
        let node = node.reopened().await;
        assert!(!node.opens(&pair(&own).access));
    }
}

#[tokio::test]
async fn a_token_is_known_by_id_and_hash_when_its_session_has_ended_too() {
    let node = TestNode::new().await;
    let own = signed_in(&node).await;
    let grant = node.sessions().await.remove(0).id;
    let issued = async |token: &SecretString| node.node.issued(token).await.unwrap();
    for token in [&own.access_token, &own.refresh_token] {
        assert_eq!(issued(token).await, Some(grant));
    }
    node.node.revoke_own(CLIENT, &own.access_token).await.unwrap();
    node.advance(Duration::from_hours(2));
    for token in [&own.access_token, &own.refresh_token] {
        assert_eq!(issued(token).await, Some(grant));
    }
    // The right id and form do not make it ours.
    for kind in [TokenKind::Access, TokenKind::Refresh] {
        let forged = bitrouter_node::secret::Token::of_seed(kind, grant.ulid(), &[7; 32]);
        assert_eq!(issued(forged.text()).await, None);
    }
    for token in ["", "bra_nonsense", "sk-ant-x"] {
        assert_eq!(issued(&token.into()).await, None);
    }
    let elsewhere = TestNode::new().await;
    assert_eq!(elsewhere.node.issued(&own.access_token).await.unwrap(), None);
}

#[tokio::test]
async fn a_change_runs_to_its_end_though_its_caller_goes_away() {
    let node = Arc::new(TestNode::new().await);
    let begun = node.node.sign_in_owner(CLIENT, None, ScopeSet::DEFAULT);
    // Dropped as soon as it waits.
    tokio::select! { biased; _ = begun => panic!("nothing waited"), () = std::future::ready(()) => {} }
    node.quiet().await;
    assert_eq!(node.sessions().await.len(), 1);
    let own = signed_in(&node).await;
    tokio::select! {
        biased;
        () = async { node.node.revoke_own(CLIENT, &own.access_token).await.unwrap() } => panic!("nothing waited"),
        () = std::future::ready(()) => {}
    }
    node.quiet().await;
    assert!(!node.opens(&pair(&own).access));
}

bitrouter_test_postgres::once_more_on_postgres!(
    the_owner_is_signed_in_as_any_device_is,
    the_namespace_is_told_by_name_or_id,
    p08_sensitive_scopes_are_granted_where_they_are_asked_for_and_namespace_write_never,
    the_longest_idle_session_makes_room,
    p02_a_refresh_in_process_follows_the_rules_of_the_token_endpoint,
    a_revocation_in_process_ends_the_session_of_its_client,
    a_token_is_known_by_id_and_hash_when_its_session_has_ended_too,
    a_change_runs_to_its_end_though_its_caller_goes_away,
);
