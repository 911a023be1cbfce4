//! Signing in and out.

use bitrouter_proto::{account::ScopeSet, codes::Reason};
use serde_json::json;

use super::{issuer::Answer, *};
use crate::credentials::{SignIn, SignInEvent};

fn device(rig: &Rig, scope: &str) -> SignIn {
    SignIn::Device {
        oauth_as: format!("{}/", rig.issuer.url()),
        client_id: "brc_x".to_owned(),
        scope: scope.to_owned(),
    }
}

async fn sign_in(rig: &Rig, how: SignIn) -> Result<SignedIn, AccountError> {
    let (tell, mut told) = mpsc::channel(16);
    let reading = async { while told.recv().await.is_some() {} };
    let (signed_in, ()) = tokio::join!(rig.keeper.sign_in(how, tell), reading);
    signed_in
}

#[tokio::test]
async fn p02_a_sign_in_with_a_code_is_stored_whole() {
    let rig = Rig::new().await;
    let (tell, mut told) = mpsc::channel(16);
    let signing = rig.keeper.sign_in(device(&rig, "usage:read"), tell);
    let reading = async {
        let first = told.recv().await;
        while told.recv().await.is_some() {}
        first
    };
    let (signed_in, first) = tokio::join!(signing, reading);
    assert!(matches!(first, Some(SignInEvent::Code { user_code, expires_in: 60, .. }) if user_code == "BCDF-GHJK"));
    let signed_in = signed_in.unwrap();
    assert_eq!(signed_in.session.state, SessionState::Active);
    let file = rig.file();
    assert_eq!(file["authorization_server"], rig.issuer.url());
    assert_eq!(file["issuer_uid"], rustix::process::geteuid().as_raw());
    assert_eq!(
        (&file["node_id"], &file["namespace_id"], &file["client_id"]),
        (&json!("node_far"), &json!("ns_1"), &json!("brc_x"))
    );
    assert!(file["issued_at"].is_string() && file["refresh_token_expires_at"].is_string());
    assert!(rig.issuer.sent_to("/device")[0].contains("scope=usage%3Aread"));
    assert_eq!(rig.token().await.unwrap(), file["access_token"]);
}

#[tokio::test(start_paused = true)]
async fn rfc8628_3_5_trouble_on_the_way_is_tried_again_and_an_answer_is_final() {
    let html = || "<html>".to_owned();
    let rig = Rig::new().await;
    rig.issuer.next(Answer::Tokens(json!({})));
    for answer in [
        Answer::Text(502, "text/html", html()),
        Answer::Text(200, "text/html", html()),
        Answer::Text(429, "application/json", r#"{"error":"slow"}"#.to_owned()),
        Answer::Gone,
        Answer::error("authorization_pending"),
        Answer::error("slow_down"),
        Answer::Text(200, "application/json", r#"{"error":"authorization_pending"}"#.to_owned()),
        Answer::Text(400, "application/json", "{}".to_owned()),
    ] {
        rig.issuer.next(answer);
    }
    sign_in(&rig, device(&rig, "")).await.unwrap();
    assert_eq!(rig.issuer.sent_to("/token").len(), 9);
    assert!(!rig.issuer.sent_to("/device")[0].contains("scope"), "none asked for, none named");
    let before = rig.file();
    for (code, word) in
        [("access_denied", "denied"), ("expired_token", "expired"), ("invalid_grant", "said invalid_grant")]
    {
        rig.issuer.next(Answer::Tokens(json!({})));
        rig.issuer.next(Answer::error(code));
        let error = sign_in(&rig, device(&rig, "")).await.unwrap_err();
        assert_eq!(error.reason, Reason::ServerFailed);
        assert!(error.message.contains(word), "{}", error.message);
        assert_eq!(error.command, Some(format!("bitrouter auth login --oauth-as {}", rig.issuer.url())));
        assert_eq!(rig.file(), before, "what was there stays");
    }
    rig.issuer.next(Answer::Text(429, "application/json", "{}".to_owned()));
    let error = sign_in(&rig, device(&rig, "")).await.unwrap_err();
    assert_eq!((error.reason, error.status), (Reason::ServerRefused, Some(429)));
    assert!(error.message.contains(rig.issuer.url().trim_start_matches("http://")), "{}", error.message);
}

#[tokio::test]
async fn an_older_server_is_asked_for_what_it_knows() {
    let rig = Rig::new().await;
    rig.issuer.metadata("scopes_supported", json!(null));
    rig.issuer.next(Answer::error("invalid_scope"));
    sign_in(&rig, device(&rig, "usage:read account:read")).await.unwrap();
    let asked = rig.issuer.sent_to("/device");
    assert!(asked[0].contains("scope=usage%3Aread&") || asked[0].ends_with("scope=usage%3Aread"), "{asked:?}");
    assert!(asked[1].contains("scope=usage%3Aread&") || asked[1].ends_with("scope=usage%3Aread"), "{asked:?}");
    // The usual set becomes the older one, once; another one is never added to.
    for _ in 0..2 {
        rig.issuer.next(Answer::error("invalid_scope"));
    }
    let usual = ScopeSet::DEFAULT.to_string();
    let error = sign_in(&rig, device(&rig, &usual)).await.unwrap_err();
    assert_eq!((error.reason, error.status), (Reason::ServerRefused, Some(400)));
    let asked = rig.issuer.sent_to("/device");
    assert_eq!(asked.len(), 4, "once");
    assert!(asked[3].contains("inference%3Ainvoke") && !asked[3].contains("account%3Aread"), "{asked:?}");
    rig.issuer.next(Answer::error("invalid_scope"));
    sign_in(&rig, device(&rig, "x")).await.unwrap_err();
    assert_eq!(rig.issuer.sent_to("/device").len(), 5);
}

#[tokio::test]
async fn signing_in_again_replaces_and_then_revokes_and_a_bad_file_is_put_aside() {
    let rig = Rig::signed_in(3600).await;
    let before = rig.file();
    sign_in(&rig, device(&rig, "")).await.unwrap();
    let old: Vec<_> = ["refresh_token", "access_token"].iter().map(|member| before[member].as_str().unwrap()).collect();
    assert_eq!(rig.issuer.revoked(), old, "the refresh token first");
    rig.write_text("half a cred");
    let key = SignIn::ApiKey { api_key: "brk_a.b".to_owned().into(), base_url: rig.issuer.url() };
    let signed_in = sign_in(&rig, key).await.unwrap();
    let aside = signed_in.put_aside.unwrap();
    assert!(aside.contains("account-credentials.json.aside-2"), "{aside}");
    assert_eq!(std::fs::read_to_string(aside).unwrap(), "half a cred");
    assert_eq!(rig.file(), json!({"kind": "api_key", "api_key": "brk_a.b", "base_url": rig.issuer.url()}));
    assert_eq!(rig.token().await.unwrap(), "brk_a.b");
    assert_eq!(rig.keeper.status().state, "api_key");
    assert_eq!(rig.issuer.revoked().len(), 2, "of a file that cannot be read nothing can be revoked");
}

#[tokio::test]
async fn a_sign_in_does_not_wait_for_a_server_that_hangs_and_nothing_comes_back_from_it() {
    let rig = Rig::signed_in(30).await;
    let gate = Arc::new(Notify::new());
    rig.issuer.next(Answer::Late(Arc::clone(&gate)));
    drop(rig.keeper.0.attempt(Why::Due));
    while rig.issuer.shown().is_empty() {
        tokio::task::yield_now().await;
    }
    let key = SignIn::ApiKey { api_key: "brk_a.b".to_owned().into(), base_url: rig.issuer.url() };
    tokio::time::timeout(PATIENCE, sign_in(&rig, key)).await.expect("in time").unwrap();
    gate.notify_one();
    assert_eq!(rig.file()["kind"], "api_key");
    rig.keeper.look().await;
    assert_eq!(rig.token().await.unwrap(), "brk_a.b");
}

#[tokio::test]
async fn signing_out_revokes_and_deletes_and_says_what_it_could_not() {
    let rig = Rig::signed_in(3600).await;
    let out = rig.keeper.sign_out().await.unwrap();
    assert!(out.was_signed_in && out.not_revoked.is_none());
    assert_eq!(rig.issuer.revoked().len(), 2);
    assert!(!rig.path().exists());
    assert_eq!(rig.keeper.session().state, SessionState::None);
    assert!(!rig.keeper.sign_out().await.unwrap().was_signed_in);
    rig.write_text("half a cred");
    let out = rig.keeper.sign_out().await.unwrap();
    assert!(out.was_signed_in && out.not_revoked.unwrap().contains("could not be read"));
    assert!(!rig.path().exists());
    let mut far = rig.content(3600);
    far["authorization_server"] = json!("http://127.0.0.1:1");
    rig.write(&far);
    let out = rig.keeper.sign_out().await.unwrap();
    assert!(out.not_revoked.unwrap().contains("nothing listens"));
    assert!(!rig.path().exists());
}

#[tokio::test]
async fn p03_what_may_not_be_sent_or_is_no_key_is_refused_before_any_request() {
    let rig = Rig::new().await;
    for url in ["http://far.example", "https://", "x", "https://u:p@far.example"] {
        let how = SignIn::Device { oauth_as: url.to_owned(), client_id: "c".to_owned(), scope: String::new() };
        assert_eq!(sign_in(&rig, how).await.unwrap_err().reason, Reason::InvalidArgument);
        let how = SignIn::ApiKey { api_key: "brk_a.b".to_owned().into(), base_url: url.to_owned() };
        assert_eq!(sign_in(&rig, how).await.unwrap_err().reason, Reason::InvalidArgument);
    }
    let how = SignIn::ApiKey { api_key: "sk-canary".to_owned().into(), base_url: rig.issuer.url() };
    let error = sign_in(&rig, how).await.unwrap_err();
    assert!(error.reason == Reason::InvalidArgument && !error.message.contains("canary"));
    let how = SignIn::Local { namespace: None, scope: String::new(), client_id: "bitrouter-cli".to_owned() };
    let error = sign_in(&rig, how).await.unwrap_err();
    assert!(error.reason == Reason::NodeOff && error.message.contains("switched off"), "{error:?}");
    assert!(!rig.path().exists());
}

#[tokio::test]
async fn what_the_account_answers_passes_as_it_is_and_its_errors_keep_what_they_say() {
    let rig = Rig::new().await;
    let error = rig.keeper.json(&RestCall::get(RestPath::new("/v1/namespaces"))).await.unwrap_err();
    assert_eq!((error.reason, error.command.as_deref()), (Reason::NotSignedIn, Some("bitrouter auth login")));
    rig.write(&rig.content(3600));
    let odd = r#"{ "data" : [ {"id":"ns_1","later":1.50} ] }"#;
    rig.issuer.next_rest(200, odd);
    assert_eq!(rig.keeper.json(&RestCall::get(RestPath::new("/v1/namespaces"))).await.unwrap(), odd);
    // One 401, one renewal, one more try.
    rig.issuer.next_rest(401, r#"{"error":"unauthorized"}"#);
    rig.issuer.next_rest(200, "[]");
    assert_eq!(rig.keeper.json(&RestCall::get(RestPath::new("/x"))).await.unwrap(), "[]");
    assert_eq!(rig.issuer.shown().len(), 1);
    for (status, body, reason, message, field) in [
        (
            403,
            r#"{"error":"forbidden","error_description":"missing required scope: x"}"#,
            Reason::ServerRefused,
            "missing required scope: x",
            None,
        ),
        (
            400,
            r#"{"error":"bad_request","error_description":"no","field":"spec.x"}"#,
            Reason::ServerRefused,
            "no",
            Some("spec.x"),
        ),
        (
            404,
            r#"{"error":{"message":"gone","code":"not_found","param":"id"}}"#,
            Reason::ServerRefused,
            "gone",
            Some("id"),
        ),
        (409, r#"{"error":"conflict"}"#, Reason::ServerRefused, "conflict", None),
        (
            401,
            r#"{"error":{"message":"no \u001b[31mtoken","code":null}}"#,
            Reason::ServerRefused,
            "no  [31mtoken",
            None,
        ),
        (500, r#"{"error":"internal","error_description":"oh"}"#, Reason::ServerFailed, "oh", None),
        (502, "<html>", Reason::ServerFailed, "no JSON", None),
        (200, "<html>", Reason::ServerFailed, "no JSON", None),
    ] {
        rig.issuer.next_rest(status, body);
        let error = rig.keeper.json(&RestCall::get(RestPath::new("/x"))).await.unwrap_err();
        assert_eq!((error.reason, error.status), (reason, Some(status)), "{body}");
        assert!(error.message.contains(message), "{}", error.message);
        assert_eq!(error.field.as_deref(), field);
        assert_eq!(error.request_id.as_deref(), Some("r1"));
    }
    rig.issuer.next_rest(200, "{}");
    let key = "brk_k.v".to_owned().into();
    assert_eq!(
        rig.keeper.json_with_key(&rig.issuer.url(), &key, &RestCall::get(RestPath::new("/y"))).await.unwrap(),
        "{}"
    );
    let error =
        rig.keeper.json_with_key("http://127.0.0.1:1", &key, &RestCall::get(RestPath::new("/y"))).await.unwrap_err();
    assert_eq!(error.reason, Reason::ServerUnreachable);
}
