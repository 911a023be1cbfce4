//! What is judged by the members of the file, by a 401, and by the node that is off.

use bitrouter_gateway::ports::{AccountRefused, AccountToken};
use serde_json::json;

use super::{issuer::Answer, *};

#[tokio::test]
async fn what_the_own_node_issued_goes_over_no_socket_while_it_is_off() {
    let rig = Rig::new().await;
    let mut content = rig.content(30);
    content["node_id"] = json!("node_own");
    content["own_node"] = json!(true);
    content["issuer_uid"] = json!(rustix::process::geteuid().as_raw());
    rig.write(&content);
    assert!(rig.keeper.look().await.is_own_node);
    assert!(matches!(rig.token().await, Err(AccountRefused::Unavailable(reason)) if reason.contains("switched off")));
    rig.clocks.pass(secs(31));
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Later));
    assert!(matches!(rig.token().await, Err(AccountRefused::Unavailable(_))));
    let out = rig.keeper.sign_out().await.unwrap();
    assert!(out.not_revoked.unwrap().contains("the node is off"));
    assert!(!rig.path().exists());
    assert!(rig.issuer.sent_to("/.well-known/oauth-authorization-server").is_empty());
    assert!(rig.issuer.shown().is_empty() && rig.issuer.revoked().is_empty());
}

#[tokio::test]
async fn a_401_for_a_token_that_no_401_brought_always_has_it_renewed() {
    let rig = Rig::signed_in(3600).await;
    let rejected = |token: &str| AccountToken { token: token.to_owned().into(), issuer: rig.issuer.url().into() };
    let now = || rejected(rig.file()["access_token"].as_str().unwrap());
    assert!(rig.keeper.0.renewed(&now()).await.is_some());
    let brought = rig.file();
    // Another session, and the one before again.
    rig.write(&rig.content(3600));
    assert!(rig.keeper.0.renewed(&now()).await.is_some());
    assert_eq!(rig.issuer.shown().len(), 2);
    assert!(rig.keeper.0.renewed(&now()).await.is_none(), "this one came by a 401 just now");
    rig.write(&brought);
    assert!(rig.keeper.0.renewed(&now()).await.is_some());
    assert_eq!(rig.issuer.shown().len(), 3);
    // One that its time had renewed.
    rig.clocks.pass(secs(3600));
    rig.attempt(Why::Due).await;
    assert!(rig.keeper.0.renewed(&now()).await.is_some());
    assert_eq!(rig.issuer.shown().len(), 5);
}

#[tokio::test]
async fn another_end_of_the_same_tokens_counts() {
    let rig = Rig::signed_in(3600).await;
    let end_in = |seconds: i64| {
        let mut content = rig.file();
        let now = rig.clocks.now().wall;
        let at = if seconds < 0 { now - secs(seconds.unsigned_abs()) } else { now + secs(seconds.unsigned_abs()) };
        content["expires_at"] = clock::rfc3339(at).into();
        rig.write(&content);
    };
    let token = rig.token().await.unwrap();
    end_in(-1);
    rig.keeper.look().await;
    assert!(rig.keeper.0.held().is_over(rig.clocks.now()));
    rig.issuer.next(Answer::Text(500, "application/json", "{}".to_owned()));
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Later));
    assert!(rig.warned("account_unreachable").is_some());
    end_in(1800);
    assert_eq!(rig.token().await.unwrap(), token);
    assert!(rig.warned("account_unreachable").is_none());
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Settled));
    assert_eq!(rig.issuer.shown().len(), 1);
    end_in(-1);
    rig.keeper.look().await;
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Settled));
    assert_eq!(rig.issuer.shown().len(), 2);
    assert_ne!(rig.token().await.unwrap(), token);
}

#[tokio::test]
async fn a_lifetime_of_nothing_makes_no_loop_and_serves() {
    let rig = Rig::signed_in(30).await;
    rig.issuer.set_lifetime(0);
    rig.clocks.pass(secs(31));
    let first = rig.token().await.unwrap();
    assert_eq!(first, "bra_1.2");
    assert_eq!(rig.token().await.unwrap(), first);
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Settled));
    assert_eq!(rig.issuer.shown().len(), 1);
    rig.clocks.pass(secs(1));
    assert_eq!(rig.token().await.unwrap(), "bra_1.3");
    assert_eq!(rig.issuer.shown().len(), 2);
}
