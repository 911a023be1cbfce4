//! P2: what one attempt does, whatever the server makes of it.

use std::sync::Arc;

use bitrouter_gateway::ports::{AccountRefused, AccountToken};
use serde_json::json;
use tokio::sync::Notify;

use super::{issuer::Answer, *};

#[tokio::test]
async fn p02_a_due_token_is_renewed_once_for_all_who_wait_and_is_stored_before_it_is_used() {
    let rig = Rig::signed_in(30).await;
    let before = rig.file();
    let waiting: Vec<_> = (0..20).map(|_| rig.keeper.0.attempt(Why::Due)).collect();
    // One that goes away cancels nothing.
    drop(rig.keeper.0.attempt(Why::Due));
    for one in waiting {
        assert!(matches!(Inner::wait_for(one, PATIENCE).await, Some(Outcome::Settled)));
    }
    assert_eq!(rig.issuer.shown(), [before["refresh_token"].as_str().unwrap()]);
    let file = rig.file();
    assert_eq!(rig.token().await.unwrap(), file["access_token"]);
    assert_ne!(file["access_token"], before["access_token"]);
    assert_eq!(file["kept"], json!({"a": [1]}));
    assert_eq!(rig.names(), ["account-credentials.json", "account-credentials.json.lock"]);
    let asked = &rig.issuer.sent_to("/token")[0];
    assert!(
        asked.contains("client_id=bitrouter-cli") && asked.contains("scope=inference%3Ainvoke+usage%3Aread"),
        "{asked}"
    );
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Settled), "nothing is due");
    assert_eq!(rig.issuer.shown().len(), 1);
}

#[tokio::test]
async fn p02_of_two_keepers_one_exchanges_and_the_other_adopts() {
    let one = Rig::signed_in(30).await;
    let other = one.beside();
    other.keeper.look().await;
    let gate = Arc::new(Notify::new());
    one.issuer.next(Answer::Late(Arc::clone(&gate)));
    let first = one.keeper.0.attempt(Why::Due);
    while one.issuer.shown().is_empty() {
        tokio::task::yield_now().await;
    }
    let second = other.keeper.0.attempt(Why::Due);
    gate.notify_one();
    assert!(matches!(Inner::wait_for(first, PATIENCE).await, Some(Outcome::Settled)));
    assert!(matches!(Inner::wait_for(second, PATIENCE).await, Some(Outcome::Settled)));
    assert_eq!(one.issuer.shown().len(), 1);
    assert_eq!(one.token().await, other.token().await);
}

#[tokio::test]
async fn p02_trouble_is_tried_again_and_the_token_serves_until_its_end() {
    let html = || "<!doctype html>".to_owned();
    for answer in [
        Answer::Text(500, "application/json", "{}".to_owned()),
        Answer::Text(503, "text/html", html()),
        Answer::Text(200, "text/html", html()),
        Answer::Text(200, "application/json", "{}".to_owned()),
        Answer::Text(200, "application/json", "[1]".to_owned()),
        Answer::Text(429, "application/json", r#"{"error":"slow"}"#.to_owned()),
        Answer::Text(302, "text/html", html()),
        Answer::Text(403, "text/html", html()),
        Answer::error("temporarily_unavailable"),
        Answer::Text(500, "application/json", r#"{"error":"invalid_grant"}"#.to_owned()),
        Answer::Gone,
    ] {
        let rig = Rig::signed_in(30).await;
        let before = rig.file();
        let shown = format!("{answer:?}");
        rig.issuer.next(answer);
        assert!(matches!(rig.attempt(Why::Due).await, Outcome::Later), "{shown}");
        assert_eq!(rig.file(), before, "{shown}");
        assert_eq!(rig.token().await.unwrap(), before["access_token"], "{shown}");
        assert_eq!(rig.keeper.session().state, SessionState::Active, "{shown}");
        assert!(rig.warned("account_unreachable").is_none(), "{shown}: it serves still");
        assert!(matches!(rig.attempt(Why::Due).await, Outcome::Settled), "{shown}");
        assert_ne!(rig.file()["access_token"], before["access_token"], "{shown}");
        assert_eq!(rig.issuer.replays(), 0, "{shown}");
    }
}

#[tokio::test]
async fn p02_retry_after_is_obeyed_also_by_callers_that_cannot_go_on() {
    let rig = Rig::signed_in(30).await;
    rig.clocks.pass(secs(60));
    rig.issuer.next(Answer::Text(503, "application/json", "{}".to_owned()));
    // It asks for 7 s, which is longer than a call waits.
    assert!(matches!(rig.token().await, Err(AccountRefused::OutOfReach(_))));
    assert!(matches!(rig.token().await, Err(AccountRefused::OutOfReach(_))));
    assert_eq!(rig.issuer.shown().len(), 1);
    assert!(rig.warned("account_unreachable").is_some());
    rig.clocks.pass(secs(7));
    assert_eq!(rig.token().await.unwrap(), rig.file()["access_token"]);
    assert!(rig.warned("account_unreachable").is_none());
}

#[tokio::test]
async fn p02_what_is_refused_for_good_ends_the_session_once_and_wipes_nothing() {
    for code in ["invalid_grant", "invalid_client"] {
        let rig = Rig::signed_in(30).await;
        let mut told = rig.events.watch();
        let before = rig.file();
        rig.issuer.next(Answer::error(code));
        assert!(matches!(rig.attempt(Why::Due).await, Outcome::Ended));
        let warning = rig.warned("session_ended").unwrap();
        let command = format!("bitrouter auth login --oauth-as {}", rig.issuer.url());
        assert_eq!(warning.command.as_deref(), Some(command.as_str()));
        assert!(warning.message.contains(code), "{}", warning.message);
        assert!(matches!(rig.token().await, Err(AccountRefused::Ended(reason)) if reason.contains(code)));
        assert_eq!(rig.file(), before);
        rig.clocks.pass(secs(86_400));
        assert!(matches!(rig.attempt(Why::Due).await, Outcome::Settled));
        rig.keeper.look().await;
        assert_eq!(rig.issuer.shown().len(), 1, "never tried again by itself");
        let mut kinds = Vec::new();
        while let Ok(event) = told.try_recv() {
            kinds.push(event.kind);
        }
        assert_eq!(kinds, ["warning_raised"], "said once");
        // A clock that was set: once more.
        rig.keeper.0.held().clock_was_set();
        assert!(matches!(rig.attempt(Why::Again).await, Outcome::Settled));
        assert_eq!(rig.issuer.shown().len(), 2);
        assert_eq!(rig.keeper.session().state, SessionState::Active);
        assert!(rig.warned("session_ended").is_none());
    }
}

#[tokio::test]
async fn p02_invalid_grant_for_a_token_that_others_renewed_is_adopted() {
    let rig = Rig::signed_in(30).await;
    let gate = Arc::new(Notify::new());
    rig.issuer.next(Answer::Late(Arc::clone(&gate)));
    let attempt = rig.keeper.0.attempt(Why::Due);
    while rig.issuer.shown().is_empty() {
        tokio::task::yield_now().await;
    }
    // A program that knows no lock wrote meanwhile: what it has stands, and may be of the same session.
    let other = rig.content(3600);
    rig.write(&other);
    gate.notify_one();
    assert!(matches!(Inner::wait_for(attempt, PATIENCE).await, Some(Outcome::Settled)));
    assert_eq!(rig.file(), other);
    assert_eq!(rig.token().await.unwrap(), other["access_token"]);

    let rig = Rig::signed_in(30).await;
    let stale = rig.file();
    let newer = rig.content(3600);
    rig.issuer.next(Answer::error("invalid_grant"));
    // It wrote before the server was asked, and after we looked.
    rig.write(&newer);
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Settled));
    assert!(rig.issuer.shown().is_empty(), "a newer token there is adopted, and nothing exchanged");
    assert_ne!(rig.token().await.unwrap(), stale["access_token"]);
}

#[tokio::test]
async fn p02_a_removed_file_is_not_brought_back_by_a_late_reply() {
    let rig = Rig::signed_in(30).await;
    let gate = Arc::new(Notify::new());
    rig.issuer.next(Answer::Late(Arc::clone(&gate)));
    let attempt = rig.keeper.0.attempt(Why::Due);
    while rig.issuer.shown().is_empty() {
        tokio::task::yield_now().await;
    }
    std::fs::remove_file(rig.path()).unwrap();
    gate.notify_one();
    Inner::wait_for(attempt, PATIENCE).await.unwrap();
    assert!(!rig.path().exists());
    assert!(matches!(rig.token().await, Err(AccountRefused::SignedOut)));
}

#[tokio::test]
async fn p02_a_reply_changes_what_it_may_and_nothing_else() {
    let rig = Rig::signed_in(30).await;
    let before = rig.file();
    rig.issuer.next(Answer::Tokens(json!({
        "refresh_token": null, "refresh_token_expires_in": null, "scope": "usage:read", "namespace_id": "ns_evil",
        "sub": "usr_evil", "client_id": "evil", "expires_in": "120", "issuer": "https://evil.example",
    })));
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Settled));
    let file = rig.file();
    for member in ["namespace_id", "subject", "client_id", "authorization_server", "refresh_token"] {
        assert_eq!(file[member], before[member], "{member}");
    }
    assert_eq!(file["scope"], "usage:read");
    assert_eq!(file["expires_at"], clock::rfc3339(rig.clocks.now().wall + secs(120)));
    // The scope that is asked for is the one that is stored.
    rig.clocks.pass(secs(70));
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Settled));
    assert!(rig.issuer.sent_to("/token")[1].contains("scope=usage%3Aread"));
}

#[tokio::test]
async fn p02_a_lost_reply_is_told_where_it_cost_the_session() {
    let rig = Rig::signed_in(30).await;
    rig.issuer.next(Answer::Cut);
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Later));
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Ended));
    assert_eq!(rig.issuer.replays(), 1);
    assert!(rig.warned("session_ended").unwrap().message.contains("had been lost"));
}

#[tokio::test]
async fn p02_a_dead_token_waits_for_one_attempt_and_not_for_ever() {
    let rig = Rig::signed_in(30).await;
    rig.clocks.pass(secs(31));
    let old = rig.file();
    let token = rig.token().await.unwrap();
    assert_eq!(token, rig.file()["access_token"]);
    assert_ne!(token, old["access_token"]);
    assert_eq!(rig.issuer.shown().len(), 1);
}

#[tokio::test]
async fn a_401_renews_once_for_all_and_at_most_once_a_minute_where_the_token_is_young() {
    let rig = Rig::signed_in(3600).await;
    let rejected = |token: &str| AccountToken { token: token.to_owned().into(), issuer: rig.issuer.url().into() };
    let first = rejected(rig.file()["access_token"].as_str().unwrap());
    let (one, two) = tokio::join!(rig.keeper.0.renewed(&first), rig.keeper.0.renewed(&first));
    let second = rig.file()["access_token"].as_str().unwrap().to_owned();
    for got in [one, two] {
        assert_eq!(got.unwrap().token.expose_secret(), second);
    }
    assert_eq!(rig.issuer.shown().len(), 1);
    // Whoever comes late with the old one gets the new one.
    assert_eq!(rig.keeper.0.renewed(&first).await.unwrap().token.expose_secret(), second);
    assert!(rig.keeper.0.renewed(&rejected(&second)).await.is_none(), "too soon");
    assert_eq!(rig.issuer.shown().len(), 1);
    rig.clocks.pass(secs(61));
    assert!(rig.keeper.0.renewed(&rejected(&second)).await.is_some());
    assert_eq!(rig.issuer.shown().len(), 2);
    // One of another server is none of ours.
    let foreign = AccountToken { token: "bra_x".to_owned().into(), issuer: "https://other.example".into() };
    assert!(rig.keeper.0.renewed(&foreign).await.is_none());
}

#[tokio::test]
async fn without_a_refresh_token_a_401_or_the_end_of_the_token_ends_the_session() {
    for by_401 in [true, false] {
        let rig = Rig::new().await;
        let mut content = rig.content(3600);
        content.as_object_mut().unwrap().remove("refresh_token");
        rig.write(&content);
        let token = rig.token().await.unwrap();
        assert!(matches!(rig.attempt(Why::Due).await, Outcome::Settled));
        if by_401 {
            let rejected = AccountToken { token: token.into(), issuer: rig.issuer.url().into() };
            assert!(rig.keeper.0.renewed(&rejected).await.is_none());
        } else {
            rig.clocks.pass(secs(3601));
        }
        assert!(matches!(rig.token().await, Err(AccountRefused::Ended(_))));
        assert!(rig.warned("session_ended").is_some() && rig.issuer.shown().is_empty());
    }
}

#[tokio::test]
async fn a_refresh_token_whose_time_is_over_is_not_sent_but_once_after_a_step() {
    let rig = Rig::new().await;
    let mut content = rig.content(30);
    content["refresh_token_expires_at"] = clock::rfc3339(rig.clocks.now().wall - secs(1)).into();
    rig.write(&content);
    rig.keeper.look().await;
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Ended));
    assert!(rig.issuer.shown().is_empty());
    rig.clocks.set_wall(rig.clocks.now().wall - secs(86_400));
    rig.keeper.0.held().clock_was_set();
    assert!(matches!(rig.attempt(Why::Again).await, Outcome::Settled));
    assert_eq!(rig.issuer.shown().len(), 1);
}

#[tokio::test]
async fn invalid_scope_at_a_refresh_is_asked_again_without_one() {
    let rig = Rig::signed_in(30).await;
    rig.issuer.next(Answer::error("invalid_scope"));
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Later));
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Settled));
    assert!(!rig.issuer.sent_to("/token")[1].contains("scope="));
}

#[tokio::test]
async fn another_issuer_gets_no_token() {
    let rig = Rig::signed_in(30).await;
    rig.issuer.metadata("issuer", json!("https://elsewhere.example"));
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Later));
    assert!(rig.issuer.shown().is_empty());
    assert!(rig.keeper.0.trouble().contains("https://elsewhere.example"));
    rig.issuer.metadata("issuer", json!(rig.issuer.url().replace("127.0.0.1", "localhost")));
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Settled));
    // A uid that is not the listener's.
    let mut content = rig.content(30);
    content["issuer_uid"] = json!(rustix::process::geteuid().as_raw() + 1);
    rig.write(&content);
    rig.keeper.look().await;
    let count = rig.issuer.shown().len();
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Later));
    assert!(matches!(rig.token().await, Err(AccountRefused::OutOfReach(reason)) if reason.contains("uid")));
    assert_eq!(rig.issuer.shown().len(), count);
}

#[tokio::test]
async fn the_end_of_the_daemon_waits_for_tokens_that_are_on_their_way() {
    let rig = Rig::signed_in(30).await;
    let gate = Arc::new(Notify::new());
    rig.issuer.next(Answer::Late(Arc::clone(&gate)));
    drop(rig.keeper.0.attempt(Why::Due));
    while rig.issuer.shown().is_empty() {
        tokio::task::yield_now().await;
    }
    let before = rig.file();
    let ((), ()) = tokio::join!(rig.keeper.close(), async { gate.notify_one() });
    assert_ne!(rig.file()["refresh_token"], before["refresh_token"]);
    rig.clocks.pass(secs(7200));
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Later), "nothing new is begun");
    assert_eq!(rig.issuer.shown().len(), 1);
}
