//! P2: one exchange at a time, durable before it is used; what goes wrong on the way never costs the session.

use std::time::Duration;

use bitrouter_proto::clock;
use bitrouter_tests::{Gate, issuer::Fault, wait};
use serde_json::{Value, json};

use crate::far::{Far, call, mode, names, session, wait_state};

#[test]
fn p02_a_token_near_its_end_is_renewed_once_and_is_durable() {
    let far = Far::stored(3_600, 20);
    let daemon = far.start();
    far.issuer.wait_exchanges(1);
    let token = far.wait_renewed();
    call(&daemon).send().ok();
    assert_eq!(far.issuer.provider().last().request.key(), Some(token.as_str()));
    let file = far.file();
    assert_eq!(file["kind"], "oauth");
    assert!(file["refresh_token"] != far.pair.refresh.as_str(), "the rotated refresh token is stored");
    assert!(file["refresh_token_expires_at"].is_string() && file["issued_at"].is_string(), "{file}");
    assert_eq!(mode(&far.world), 0o600);
    assert_eq!(names(&far.world), ["account-credentials.json", "account-credentials.json.lock"]);
    let exchange = &far.issuer.exchanges()[0];
    assert_eq!(exchange.refresh_token, far.pair.refresh);
    assert_eq!(exchange.scope, "inference:invoke usage:read namespace:read");
    wait::stays("no second exchange", Duration::from_secs(2), || far.issuer.exchanges().len() == 1);
    let session = session(&daemon);
    assert_eq!((&session["state"], &session["namespace_id"]), (&"active".into(), &"ns_far".into()));
    assert_eq!(session["issuer"], far.issuer.url().as_str());
    assert_eq!(session["expires_at"], file["expires_at"]);
    daemon.stop();
    far.nothing_leaked();
}

#[test]
fn p02_what_a_reply_may_not_change_stays() {
    let far = Far::stored(3_600, 20);
    far.issuer.next(Fault::Members(json!({
        "namespace_id": "ns_evil", "sub": "usr_evil", "client_id": "evil", "refresh_token": null,
        "scope": "usage:read", "refresh_token_expires_in": null,
    })));
    let daemon = far.start();
    far.wait_renewed();
    let file = far.file();
    assert_eq!(
        (&file["namespace_id"], &file["subject"], &file["client_id"], &file["scope"]),
        (&json!("ns_far"), &json!("usr_far"), &json!("bitrouter-cli"), &json!("usage:read"))
    );
    assert_eq!(file["refresh_token"], far.pair.refresh.as_str(), "none in the reply: the old one is kept");
    daemon.stop();
}

/// Each of them costs nothing but a second try, and the token that still holds is used meanwhile.
#[test]
fn p02_a_server_that_fails_is_asked_again_and_the_old_token_serves() {
    let faults = [
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(429),
        Fault::RetryAfter(1),
        Fault::Html(200),
        Fault::Html(503),
        Fault::Refused("temporarily_unavailable"),
        Fault::Reset,
    ];
    for fault in faults {
        let far = Far::stored(3_600, 50);
        let shown = format!("{fault:?}");
        far.issuer.next(fault);
        let daemon = far.start();
        far.issuer.wait_exchanges(1);
        call(&daemon).send().ok();
        let token = far.wait_renewed();
        call(&daemon).send().ok();
        assert_eq!(far.issuer.provider().last().request.key(), Some(token.as_str()), "{shown}");
        assert!(!far.issuer.was_replayed(), "{shown}");
        assert_eq!(session(&daemon)["state"], "active", "{shown}");
        daemon.stop();
    }
}

/// Tokens were made and never arrived: a server that ends the session at the second try is told of in so many words.
#[test]
fn p02_a_reply_that_was_lost_ends_the_session_visibly_and_only_once() {
    for fault in [Fault::CutAfterRotating, Fault::HalfReply] {
        let far = Far::stored(3_600, 50);
        let shown = format!("{fault:?}");
        far.issuer.next(fault);
        let daemon = far.start();
        let ended = wait_state(&daemon, "ended");
        assert!(far.issuer.was_replayed(), "{shown}");
        assert!(ended["reason"].as_str().is_some_and(|reason| reason.contains("invalid_grant")), "{shown}: {ended}");
        let login = format!("bitrouter auth login --oauth-as {}", far.issuer.url());
        assert_eq!(ended["command"], login.as_str(), "{shown}");
        let warning = daemon.warned("session_ended");
        assert_eq!(warning["command"], login.as_str());
        let count = far.issuer.exchanges().len();
        let error = call(&daemon).send().refused(401, "session_ended");
        assert!(error["message"].as_str().is_some_and(|text| text.contains("bitrouter auth login")), "{error}");
        wait::stays("no further exchange", Duration::from_secs(3), || far.issuer.exchanges().len() == count);
        let who = far.world.cli(["auth", "whoami", "--json"]).with_code(0).json();
        assert_eq!(who["token_state"], "ended", "{who}");
        assert_eq!(far.file()["refresh_token"], far.pair.refresh.as_str(), "an ended session is not wiped");
        let lines = daemon.stderr().text();
        let said = lines.lines().filter(|line| line.contains("session") && line.contains("has ended")).count();
        assert_eq!(said, 1, "{lines}");
        daemon.stop();
        far.nothing_leaked();
    }
}

#[test]
fn p02_a_reply_that_comes_twice_is_read_once() {
    let far = Far::stored(3_600, 20);
    far.issuer.next(Fault::Twice);
    let daemon = far.start();
    far.wait_renewed();
    call(&daemon).send().ok();
    assert_eq!(far.issuer.exchanges().len(), 1);
    daemon.stop();
}

/// The caller's patience is over before the reply comes; the tokens in it are not lost.
#[test]
fn p02_a_late_reply_is_stored_though_nobody_waits_for_it_any_more() {
    let far = Far::stored(3_600, -30);
    let gate = Gate::new();
    far.issuer.next(Fault::Late(gate.clone()));
    let daemon = far.start();
    far.issuer.wait_exchanges(1);
    let asked = clock::monotonic_now();
    let answer = call(&daemon).send();
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert!(answer.text().contains("upstream_unavailable"), "{}", answer.text());
    assert!(
        clock::monotonic_now() - asked < Duration::from_secs(25),
        "a caller waits 5 s, and 5 times that on a slow machine"
    );
    assert_eq!(session(&daemon)["state"], "active", "a server that is slow has ended nothing");
    gate.open();
    let token = far.wait_renewed();
    call(&daemon).send().ok();
    assert_eq!(far.issuer.provider().last().request.key(), Some(token.as_str()));
    assert_eq!(far.issuer.exchanges().len(), 1);
    daemon.stop();
}

/// A call whose token is dead waits for the exchange, and goes on with what it brings.
#[test]
fn p02_a_dead_token_waits_for_one_attempt() {
    let far = Far::stored(3_600, -30);
    let daemon = far.start();
    call(&daemon).send().ok();
    assert_eq!(far.issuer.exchanges().len(), 1);
    daemon.stop();
}

#[test]
fn p02_a_server_out_of_reach_never_looks_like_signed_out() {
    let far = Far::stored(3_600, -30);
    let port = far.issuer.port();
    let (world, content) = (far.world.clone(), far.file());
    drop(far);
    world.config("[node]\nenabled = false\n");
    let daemon = world.demo();
    let answer = call(&daemon).send();
    assert_eq!(answer.status, 502, "{}", answer.text());
    let session = session(&daemon);
    assert_eq!(session["state"], "active", "{session}");
    let who = world.cli(["auth", "whoami", "--json"]).with_code(0).json();
    assert_eq!((&who["signed_in"], &who["token_state"]), (&Value::Bool(true), &json!("expired")), "{who}");
    assert_eq!(crate::far::file(&world), content, "nothing was written");
    assert!(port > 0);
    daemon.stop();
}

#[test]
fn a_token_never_leaves_for_another_issuer() {
    let far = Far::stored(3_600, 20);
    far.issuer.metadata("issuer", json!("https://elsewhere.example"));
    let daemon = far.start();
    let answer = call(&daemon).send();
    // It holds for another while and goes to the server in the file, and to no endpoint of the other one.
    assert!(matches!(answer.status, 200 | 502), "{}", answer.text());
    wait::stays("no exchange", Duration::from_secs(3), || far.issuer.exchanges().is_empty());
    // Whatever is configured later.
    let other = bitrouter_tests::issuer::Issuer::start(far.world.user(), 60);
    far.world.config(&format!("[node]\nenabled = false\n[account]\noauth_as = \"{}\"\n", other.url()));
    daemon.reload();
    call(&daemon).send();
    assert_eq!(other.provider().count(), 0);
    far.issuer.metadata("issuer", json!(far.issuer.url()));
    far.wait_renewed();
    daemon.stop();
}

#[test]
fn a_401_renews_once_and_is_tried_once_more() {
    let far = Far::stored(3_600, 3_600);
    let daemon = far.start();
    call(&daemon).send().ok();
    assert!(far.issuer.exchanges().is_empty());
    far.issuer.forget_access_tokens();
    call(&daemon).send().ok();
    assert_eq!(far.issuer.exchanges().len(), 1);
    // A server that always says no is not flooded, and its answer is passed on.
    far.issuer.refuse_all(true);
    for _ in 0..5 {
        let answer = call(&daemon).send();
        assert_eq!(answer.status, 401, "{}", answer.text());
        assert!(answer.text().contains("no such token"), "{}", answer.text());
    }
    assert!(far.issuer.exchanges().len() <= 3, "{:?}", far.issuer.exchanges());
    far.issuer.refuse_all(false);
    call(&daemon).send().ok();
    assert_eq!(session(&daemon)["state"], "active");
    daemon.stop();
}
