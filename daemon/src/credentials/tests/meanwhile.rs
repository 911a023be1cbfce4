//! P2: what others do to the file while the server is asked, and what becomes of the reply.

use std::sync::Arc;

use bitrouter_gateway::ports::AccountRefused;
use serde_json::json;
use tokio::{sync::Notify, time::timeout};

use super::{issuer::Answer, *};

/// An exchange that has been asked for, and whose reply waits.
struct Waiting {
    rig: Rig,
    attempt: watch::Receiver<Option<Outcome>>,
    gate: Arc<Notify>,
    before: Value,
}

impl Waiting {
    async fn new() -> Self {
        let rig = Rig::signed_in(30).await;
        let gate = Arc::new(Notify::new());
        rig.issuer.next(Answer::Late(Arc::clone(&gate)));
        let attempt = rig.keeper.0.attempt(Why::Due);
        while rig.issuer.shown().is_empty() {
            tokio::task::yield_now().await;
        }
        let before = rig.file();
        Self { rig, attempt, gate, before }
    }

    /// Lets the reply go, and waits for all that it causes.
    async fn end(&self) {
        self.gate.notify_one();
        Inner::wait_for(self.attempt.clone(), PATIENCE).await.expect("the attempt ends");
        timeout(PATIENCE, self.rig.keeper.0.tasks.wait()).await.expect("nothing runs on");
    }
}

#[tokio::test]
async fn p02_a_late_reply_ends_no_session_that_somebody_may_hold() {
    for (what, members, is_ended) in [
        ("the same session, renewed by another program", json!({}), false),
        ("another namespace", json!({"namespace_id": "ns_2"}), true),
        ("another person", json!({"subject": "usr_2"}), true),
        ("another client", json!({"client_id": "other"}), true),
        ("another server", json!({"authorization_server": "https://other.example"}), true),
        ("the reply's tokens elsewhere", json!({"namespace_id": "ns_2", "refresh_token": "brr_1.2"}), false),
    ] {
        let waiting = Waiting::new().await;
        let rig = &waiting.rig;
        let mut content = rig.content(3600);
        for (name, value) in members.as_object().unwrap() {
            content[name] = value.clone();
        }
        rig.write(&content);
        waiting.end().await;
        assert_eq!(rig.file(), content, "{what}");
        let revoked: &[&str] = if is_ended { &["brr_1.2", "bra_1.2"] } else { &[] };
        assert_eq!(rig.issuer.revoked(), revoked, "{what}");
        assert_eq!(rig.token().await.unwrap(), content["access_token"], "{what}");
    }
}

#[tokio::test]
async fn p02_the_tokens_of_a_removed_session_are_ended() {
    let waiting = Waiting::new().await;
    std::fs::remove_file(waiting.rig.path()).unwrap();
    waiting.end().await;
    assert_eq!(waiting.rig.issuer.revoked(), ["brr_1.2", "bra_1.2"]);
    assert!(!waiting.rig.path().exists());
}

#[tokio::test]
async fn p02_what_others_changed_beside_the_spent_token_survives_the_reply() {
    for access_token in [None, Some("bra_theirs")] {
        let waiting = Waiting::new().await;
        let rig = &waiting.rig;
        let mut content = waiting.before.clone();
        content["subject"] = json!("usr_renamed");
        content["later"] = json!({"b": [2]});
        if let Some(access_token) = access_token {
            content["access_token"] = json!(access_token);
        }
        rig.write(&content);
        waiting.end().await;
        let file = rig.file();
        assert_eq!((&file["access_token"], &file["refresh_token"]), (&json!("bra_1.2"), &json!("brr_1.2")));
        assert_eq!((&file["subject"], &file["later"]), (&json!("usr_renamed"), &json!({"b": [2]})));
        assert_eq!(rig.token().await.unwrap(), "bra_1.2");
        assert!(rig.issuer.revoked().is_empty());
    }
}

#[tokio::test]
async fn a_sign_out_during_an_exchange_revokes_what_comes_of_it() {
    let waiting = Waiting::new().await;
    let (out, ()) = tokio::join!(waiting.rig.keeper.sign_out(), async {
        tokio::task::yield_now().await;
        waiting.gate.notify_one();
    });
    assert_eq!(out.unwrap().not_revoked, None);
    assert_eq!(waiting.rig.issuer.revoked(), ["brr_1.2", "bra_1.2"]);
    assert!(!waiting.rig.path().exists());
}

#[tokio::test]
async fn a_sign_out_says_that_a_renewed_session_may_live_on_and_ends_it_when_the_answer_comes() {
    let waiting = Waiting::new().await;
    let out = waiting.rig.keeper.sign_out().await.unwrap();
    assert!(out.not_revoked.unwrap().contains("may live on"));
    assert!(!waiting.rig.path().exists());
    waiting.end().await;
    assert_eq!(waiting.rig.issuer.revoked()[2..], ["brr_1.2", "bra_1.2"]);
    assert!(matches!(waiting.rig.token().await, Err(AccountRefused::SignedOut)));
}
