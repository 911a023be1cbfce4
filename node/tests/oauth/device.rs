//! The device grant (RFC 8628): what a device and a person see of it.

use std::time::Duration;

use bitrouter_node::{
    oauth::approval::{CodeRefused, Decision},
    store::CodeState,
};
use bitrouter_proto::account::{NamespaceId, Scope, ScopeSet};

use crate::support::{DEVICE_GRANT, TestNode, neighbour, user_code, visitor};

const INTERVAL: Duration = Duration::from_secs(5);

#[tokio::test]
async fn p07_a_device_signs_in_and_its_token_is_of_the_chosen_namespace() {
    let node = TestNode::new().await;
    let code = node.start(None).await;
    assert_eq!(node.poll(&code).await.refusal(), (400, "authorization_pending".to_owned()));
    let shown = node.node.find_code(user_code(&code), node.node.owner(), &neighbour()).await.unwrap();
    let client = shown.client.id.to_string();
    assert_eq!((&*client, shown.scopes, shown.needs_own_device), ("bitrouter-cli", ScopeSet::DEFAULT, false));
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
    let principal = node.node.judge_token(reply.pair().access.as_bytes()).unwrap();
    assert_eq!(principal.namespace, node.node.first_namespace());
    assert_eq!((principal.person, principal.scopes), (node.node.owner(), ScopeSet::DEFAULT));
    node.advance(Duration::from_hours(1));
    assert!(!node.opens(&reply.pair().access));
}

#[tokio::test]
async fn p08_only_what_was_ticked_and_asked_for_is_granted() {
    let node = TestNode::new().await;
    let code = node.start(Some("usage:read keys:* billing:write")).await;
    let ticked = ScopeSet::of(&[Scope::UsageRead, Scope::KeysRead, Scope::ByokWrite, Scope::NamespaceWrite]);
    let granted = node.approve_with(&code, ticked).await.unwrap();
    assert_eq!(granted, ScopeSet::of(&[Scope::UsageRead, Scope::KeysRead]));
    assert_eq!(node.poll(&code).await.ok()["scope"], "usage:read keys:read");

    let code = node.start(Some("usage:read")).await;
    let refused = node.approve_with(&code, ScopeSet::of(&[Scope::KeysRead])).await;
    assert!(matches!(refused, Err(CodeRefused::NothingGranted)));
    assert_eq!(node.poll(&code).await.refusal().1, "authorization_pending");
}

#[tokio::test]
async fn p08_a_code_is_approved_only_into_a_namespace_of_ones_own() {
    let node = TestNode::new().await;
    let code = node.start(None).await;
    let elsewhere: NamespaceId = "ns_00000000000000000000000001".parse().unwrap();
    let decision = Decision { namespace: elsewhere, scopes: ScopeSet::DEFAULT, own_device: true };
    let refused = node.node.approve_code(user_code(&code), node.node.owner(), &neighbour(), decision).await;
    assert!(matches!(refused, Err(CodeRefused::NoNamespace)));
    assert_eq!(node.poll(&code).await.refusal().1, "authorization_pending");
}

#[tokio::test]
async fn rfc8628_3_2_the_reply_to_a_device() {
    let node = TestNode::new().await;
    let code = node.start(None).await;
    assert_eq!((code["expires_in"].as_u64(), code["interval"].as_u64()), (Some(600), Some(5)));
    let uri = "http://127.0.0.1:4356/oauth/device";
    assert_eq!(code["verification_uri"], uri);
    assert_eq!(code["verification_uri_complete"], format!("{uri}?user_code={}", user_code(&code)));
    let shape = user_code(&code).as_bytes();
    assert!(shape.len() == 9 && shape[4] == b'-');
    // n07: the one is no piece of the other.
    assert!(!code["device_code"].as_str().unwrap().to_uppercase().contains(&user_code(&code).replace('-', "")));
    node.set(|settings| settings.oauth.complete_uri = false);
    assert!(node.start(None).await.get("verification_uri_complete").is_none());
}

#[tokio::test]
async fn rfc8628_3_5_early_polls_are_told_to_slow_down_and_the_interval() {
    let node = TestNode::new().await;
    let code = node.start(None).await;
    let pending = (400, "authorization_pending".to_owned());
    assert_eq!(node.poll(&code).await.refusal(), pending);
    for (wait, interval) in [(1, 10), (1, 15), (1, 20), (1, 25), (1, 30), (1, 30)] {
        node.advance(Duration::from_secs(wait));
        let reply = node.poll(&code).await;
        assert_eq!(reply.refusal(), (400, "slow_down".to_owned()));
        assert_eq!(reply.json()["interval"], interval);
    }
    // n04: refused polls do not move the clock: 22.5 s after the first one it is early no more.
    node.advance(Duration::from_millis(16_499));
    assert_eq!(node.poll(&code).await.refusal().1, "slow_down");
    node.advance(Duration::from_millis(1));
    assert_eq!(node.poll(&code).await.refusal(), pending);
    // An approved code is answered at any pace.
    node.approve(&code).await;
    node.poll(&code).await.ok();
}

#[tokio::test]
async fn n01_polls_write_nothing_and_lose_no_approval() {
    let node = TestNode::new().await;
    let code = node.start(None).await;
    let before = node.database_changes();
    for _ in 0..20 {
        node.poll(&code).await.refusal();
    }
    assert_eq!(node.database_changes(), before, "a poll of a pending code is no write");
    let ((), approved) = tokio::join!(
        async {
            for _ in 0..20 {
                node.poll(&code).await;
            }
        },
        node.approve(&code)
    );
    assert_eq!(approved, ScopeSet::DEFAULT);
    node.poll(&code).await.ok();
}

#[tokio::test]
async fn n02_a_decision_is_final() {
    let node = TestNode::new().await;
    let owner = node.node.owner();
    let code = node.start(None).await;
    node.node.deny_code(user_code(&code), owner, &neighbour()).await.unwrap();
    let again = node.approve_with(&code, ScopeSet::DEFAULT).await;
    assert!(matches!(again, Err(CodeRefused::Decided(CodeState::Denied))));
    for _ in 0..2 {
        assert_eq!(node.poll(&code).await.refusal(), (400, "access_denied".to_owned()));
    }
    let code = node.start(None).await;
    node.approve(&code).await;
    assert!(matches!(node.node.deny_code(user_code(&code), owner, &neighbour()).await, Err(CodeRefused::Decided(_))));
    node.poll(&code).await.ok();
    assert!(matches!(node.approve_with(&code, ScopeSet::DEFAULT).await, Err(CodeRefused::Decided(CodeState::Spent))));
}

#[tokio::test]
async fn rfc8628_3_5_expired_codes_are_told_so_for_ten_minutes_whatever_was_decided() {
    let node = TestNode::new().await;
    let (pending, approved) = (node.start(None).await, node.start(None).await);
    node.approve(&approved).await;
    node.advance(Duration::from_secs(599));
    assert_eq!(node.poll(&pending).await.refusal().1, "authorization_pending");
    node.advance(Duration::from_secs(1));
    for code in [&pending, &approved] {
        assert_eq!(node.poll(code).await.refusal(), (400, "expired_token".to_owned()));
    }
    assert!(matches!(node.approve_with(&pending, ScopeSet::DEFAULT).await, Err(CodeRefused::Expired)));
    node.advance(Duration::from_secs(599));
    assert_eq!(node.poll(&pending).await.refusal().1, "expired_token");
    node.advance(Duration::from_secs(1));
    assert_eq!(node.poll(&pending).await.refusal(), (400, "invalid_grant".to_owned()));
}

#[tokio::test]
async fn rfc8628_3_4_a_code_is_its_own_clients() {
    let node = TestNode::new().await;
    let code = node.start(None).await;
    node.approve(&code).await;
    let device_code = code["device_code"].as_str().unwrap();
    let invalid_grant = (400, "invalid_grant".to_owned());
    for (client, device_code) in [("tokenroute-cli", device_code), ("bitrouter-cli", "unknown")] {
        let fields = [("client_id", client), ("grant_type", DEVICE_GRANT), ("device_code", device_code)];
        assert_eq!(node.post("/oauth/token", &fields).await.refusal(), invalid_grant);
    }
    node.poll(&code).await.ok();
}

#[tokio::test]
async fn a_lost_first_reply_is_given_again_while_nothing_of_it_was_used() {
    let node = TestNode::new().await;
    let code = node.start(None).await;
    node.approve(&code).await;
    let first = node.poll(&code).await.pair();
    let again = node.poll(&code).await.pair();
    assert_eq!(again.refresh, first.refresh);
    assert_ne!(again.access, first.access);
    assert_eq!(node.sessions().await.len(), 1);
    // After a restart too.
    let node = node.reopened().await;
    assert_eq!(node.poll(&code).await.pair().refresh, first.refresh);
    assert!(node.opens(&first.access));
    assert_eq!(node.poll(&code).await.refusal(), (400, "invalid_grant".to_owned()));
    // Nothing was ended by that.
    let second = node.refresh(&first.refresh).await.pair();

    let code = node.start(None).await;
    node.approve(&code).await;
    let pair = node.poll(&code).await.pair();
    node.refresh(&pair.refresh).await.ok();
    assert_eq!(node.poll(&code).await.refusal().1, "invalid_grant");
    node.refresh(&second.refresh).await.ok();
}

#[tokio::test]
async fn n05_guesses_are_counted_and_a_success_resets_nothing() {
    let node = TestNode::new().await;
    let code = node.start(None).await;
    let right = user_code(&code);
    let (owner, other_place) = (node.node.owner(), visitor(None, "192.0.2.1"));
    for guess in 0..10 {
        assert!(node.node.find_code(right, owner, &neighbour()).await.is_ok(), "{guess}");
        let typed = ["bcdf-ghjk", " BCDFGHJK", "no code at all"][guess % 3];
        let found = match guess % 2 {
            0 => node.node.find_code(typed, owner, &neighbour()).await.map(|_| ()),
            _ => node.node.deny_code(typed, owner, &neighbour()).await,
        };
        assert!(matches!(found, Err(CodeRefused::Unknown)), "{guess}");
    }
    // Counted by where they came from and by person.
    for from in [neighbour(), other_place.clone()] {
        let refused = node.node.find_code(right, owner, &from).await;
        assert!(matches!(refused, Err(CodeRefused::TooMany { wait }) if wait == Duration::from_mins(10)));
        assert!(matches!(node.node.deny_code(right, owner, &from).await, Err(CodeRefused::TooMany { .. })));
    }
    node.advance(Duration::from_mins(9));
    let code = node.start(None).await;
    assert!(node.node.find_code(user_code(&code), owner, &other_place).await.is_err());
    node.advance(Duration::from_mins(1));
    assert!(node.node.find_code(user_code(&code), owner, &other_place).await.is_ok());
}

#[tokio::test]
async fn n06_a_device_elsewhere_takes_a_tick_that_the_server_checks() {
    let node = TestNode::new().await;
    let owner = node.node.owner();
    let unknown = visitor(None, "127.0.0.1");
    for (asker, browser, needs_tick) in [
        (neighbour(), neighbour(), false),
        (neighbour(), visitor(Some(7), "127.0.0.1"), true),
        (neighbour(), unknown.clone(), true),
        (unknown.clone(), neighbour(), true),
        (unknown.clone(), unknown, true),
        (visitor(None, "192.0.2.1"), visitor(None, "192.0.2.1"), false),
        (visitor(None, "192.0.2.1"), visitor(None, "192.0.2.2"), true),
        (visitor(None, "2001:db8::1"), visitor(None, "2001:db8::2"), false),
        (visitor(None, "2001:db8::1"), visitor(None, "2001:db8:0:1::1"), true),
        (visitor(None, "192.0.2.1"), neighbour(), true),
    ] {
        let code = node.start_as(asker.clone(), None).await.ok();
        let shown = node.node.find_code(user_code(&code), owner, &browser).await.unwrap();
        assert_eq!(shown.needs_own_device, needs_tick, "{asker:?} {browser:?}");
        assert_eq!((shown.asker_address, shown.asker_uid), (asker.address, asker.uid));
        let namespace = node.node.first_namespace();
        let mut decision = Decision { namespace, scopes: ScopeSet::DEFAULT, own_device: false };
        if needs_tick {
            let refused = node.node.approve_code(user_code(&code), owner, &browser, decision).await;
            assert!(matches!(refused, Err(CodeRefused::OwnDevice)));
            decision.own_device = true;
        }
        node.node.approve_code(user_code(&code), owner, &browser, decision).await.unwrap();
    }
}

#[tokio::test]
async fn n07_starts_are_limited_by_who_asks() {
    let node = TestNode::new().await;
    for _ in 0..20 {
        node.start(None).await;
    }
    let refused = node.start_as(neighbour(), None).await;
    assert_eq!(refused.refusal(), (429, "temporarily_unavailable".to_owned()));
    assert_eq!(refused.headers["retry-after"], "600");
    // Nobody else is concerned; one /64 is one asker.
    for host in 0..20 {
        node.start_as(visitor(None, &format!("2001:db8::{host}")), None).await.ok();
    }
    assert_eq!(node.start_as(visitor(None, "2001:db8::ffff"), None).await.status, 429);
    node.start_as(visitor(None, "2001:db8:0:1::1"), None).await.ok();
    // 30 in 10 minutes, though none of them is open any more.
    let asker = visitor(Some(8), "::1");
    for _ in 0..30 {
        let code = node.start_as(asker.clone(), None).await.ok();
        node.node.deny_code(user_code(&code), node.node.owner(), &asker).await.unwrap();
    }
    assert_eq!(node.start_as(asker.clone(), None).await.status, 429);
    node.advance(Duration::from_mins(10));
    node.start_as(asker, None).await.ok();
    node.start(None).await;
}

#[tokio::test]
async fn n07_a_flood_pushes_out_its_own_codes_and_never_a_newcomer() {
    let node = TestNode::new().await;
    let own = node.start(None).await;
    // 999 more: of one /48, which holds 65,536 askers.
    let mut flood = Vec::new();
    for asker in 0..999 {
        node.advance(Duration::from_millis(1));
        flood.push(node.start_as(visitor(None, &format!("2001:db8:1:{asker:x}::1")), None).await.ok());
    }
    let newcomer = node.start_as(visitor(None, "192.0.2.1"), None).await.ok();
    assert_eq!(node.poll(&flood[0]).await.refusal().1, "expired_token");
    for code in [&own, &flood[1], &newcomer] {
        assert_eq!(node.poll(code).await.refusal().1, "authorization_pending");
    }
}

#[tokio::test]
async fn the_longest_idle_session_makes_room_for_the_hundred_and_first() {
    let node = TestNode::new().await;
    let mut pairs = Vec::new();
    for _ in 0..100 {
        pairs.push(node.sign_in(Some("usage:read")).await);
        node.advance(Duration::from_secs(30));
    }
    // The oldest is used, so that the second is the longest idle one.
    assert!(node.opens(&pairs[0].access));
    let newest = node.sign_in(Some("usage:read")).await;
    assert_eq!(node.sessions().await.len(), 100);
    assert!(!node.opens(&pairs[1].access));
    for pair in [&pairs[0], &pairs[2], &newest] {
        assert!(node.opens(&pair.access));
    }
}

#[tokio::test]
async fn sessions_are_listed_with_their_last_use() {
    let node = TestNode::new().await;
    let pair = node.sign_in(Some("usage:read")).await;
    let began = node.sessions().await.remove(0);
    assert_eq!((began.client_id.as_str(), began.subject), ("bitrouter-cli", node.node.owner()));
    assert_eq!(began.last_used_at, began.created_at);
    node.advance(INTERVAL);
    assert!(node.opens(&pair.access));
    let used = node.sessions().await.remove(0);
    assert_eq!(used.last_used_at, began.created_at.after(INTERVAL));
    let node = node.reopened().await;
    let read = node.sessions().await.remove(0);
    assert_eq!(read, used, "n25: what memory knew was written at the end at the latest");
    assert_eq!(node.node.session(read.id).await.unwrap(), Some(read.clone()));
    node.revoke(&pair.access).await.ok();
    assert_eq!(node.node.session(read.id).await.unwrap(), None);
    assert!(node.sessions().await.is_empty());
}

bitrouter_test_postgres::once_more_on_postgres!(
    p07_a_device_signs_in_and_its_token_is_of_the_chosen_namespace,
    p08_only_what_was_ticked_and_asked_for_is_granted,
    p08_a_code_is_approved_only_into_a_namespace_of_ones_own,
    rfc8628_3_2_the_reply_to_a_device,
    rfc8628_3_5_early_polls_are_told_to_slow_down_and_the_interval,
    n01_polls_write_nothing_and_lose_no_approval,
    n02_a_decision_is_final,
    rfc8628_3_5_expired_codes_are_told_so_for_ten_minutes_whatever_was_decided,
    rfc8628_3_4_a_code_is_its_own_clients,
    a_lost_first_reply_is_given_again_while_nothing_of_it_was_used,
    n05_guesses_are_counted_and_a_success_resets_nothing,
    n06_a_device_elsewhere_takes_a_tick_that_the_server_checks,
    n07_starts_are_limited_by_who_asks,
    n07_a_flood_pushes_out_its_own_codes_and_never_a_newcomer,
    the_longest_idle_session_makes_room_for_the_hundred_and_first,
    sessions_are_listed_with_their_last_use,
);
