//! Sessions with a server that says in `/api/v1/auth/discovery` who issues its tokens.

use bitrouter_gateway::ports::AccountSource;
use bitrouter_proto::{account::credential::Credential, codes::Reason};
use serde_json::json;

use super::{issuer::Answer, *};
use crate::credentials::{Dialect, Place, SignIn};

/// The document of `server`, whose tokens `issuer` issues.
fn document(server: &str, issuer: &str) -> Value {
    json!({
        "issuer": issuer, "client_id": "far-cli", "resource": format!("{server}/"), "scopes": ["openid", "me:all"],
        "device_authorization_endpoint": format!("{issuer}/device"), "token_endpoint": format!("{issuer}/token"),
    })
}

/// What the tokens for `server` are for, as it is sent.
fn resource(server: &TestIssuer) -> String {
    format!("resource={}%2F", server.url().replace(':', "%3A").replace('/', "%2F"))
}

fn at(api_url: &str) -> SignIn {
    SignIn::Discovered {
        api_url: api_url.to_owned(),
        client_id: None,
        scope: None,
        otherwise: ("bitrouter-cli".to_owned(), "usage:read".to_owned()),
    }
}

async fn sign_in(rig: &Rig, how: SignIn) -> Result<SignedIn, AccountError> {
    let (tell, mut told) = mpsc::channel(16);
    let reading = async { while told.recv().await.is_some() {} };
    let (signed_in, ()) = tokio::join!(rig.keeper.sign_in(how, tell), reading);
    signed_in
}

/// Signed in at `far`, whose tokens the rig's issuer issues.
async fn signed_in() -> (Rig, TestIssuer) {
    let (rig, far) = (Rig::new().await, TestIssuer::start().await);
    far.discovery(200, document(&far.url(), &rig.issuer.url()));
    sign_in(&rig, at(&format!("{}/", far.url()))).await.unwrap();
    (rig, far)
}

#[tokio::test(start_paused = true)]
async fn the_document_says_how_and_the_session_goes_to_its_server() {
    let (rig, far) = signed_in().await;
    let asked = &rig.issuer.sent_to("/device")[0];
    let resource = resource(&far);
    for part in ["client_id=far-cli", "scope=openid+me%3Aall", &resource] {
        assert!(asked.contains(part), "{asked}");
    }
    let polled = &rig.issuer.sent_to("/token")[0];
    assert!(polled.contains(&resource) && polled.contains("device_code=dc"), "{polled}");
    assert!(rig.issuer.sent_to("/.well-known/oauth-authorization-server").is_empty());
    let file = rig.file();
    assert_eq!(
        (&file["authorization_server"], &file["api_url"], &file["resource"], &file["client_id"]),
        (&json!(rig.issuer.url()), &json!(far.url()), &json!(format!("{}/", far.url())), &json!("far-cli"))
    );
    // Calls go to the server, and not to the issuer.
    let Ok(AccountCredential::Token(token)) = rig.keeper.0.credential().await else { panic!("a token") };
    assert_eq!(*token.issuer, far.url());
    far.next_rest(200, r#"{"id":"x"}"#);
    rig.keeper.json(&RestCall::get(RestPath::new("/api/v1/me"))).await.unwrap();
    assert_eq!(far.sent_to("/api/v1/me").len(), 1);
    assert_eq!(rig.keeper.dialect().await.unwrap(), Dialect::Everyday);
    // A deletion that says nothing is one.
    far.next_rest(204, "");
    let gone = rig.keeper.json(&RestCall::delete(RestPath::new("/api/v1/me/keys/k"))).await.unwrap();
    assert_eq!(gone, "null");
}

#[tokio::test(start_paused = true)]
async fn tokens_are_renewed_as_the_document_says_and_at_no_other_issuer() {
    let (rig, far) = signed_in().await;
    rig.clocks.pass(secs(3600));
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Settled));
    let renewed = rig.issuer.sent_to("/token").pop().unwrap();
    assert!(renewed.contains("grant_type=refresh_token") && renewed.contains("client_id=far-cli"), "{renewed}");
    assert!(renewed.contains(&resource(&far)) && !renewed.contains("scope="), "{renewed}");
    let file = rig.file();
    assert_eq!((&file["api_url"], &file["resource"]), (&json!(far.url()), &json!(format!("{}/", far.url()))));
    // Nobody can sign in now; whoever is goes on, after a restart too.
    far.discovery(503, json!({"error": {"message": "off"}}));
    let restarted = rig.beside();
    restarted.keeper.look().await;
    rig.clocks.pass(secs(3600));
    assert!(matches!(restarted.attempt(Why::Due).await, Outcome::Settled));
    // Another daemon asks anew, and is told of another issuer.
    let mallory = TestIssuer::start().await;
    far.discovery(200, document(&far.url(), &mallory.url()));
    let other = rig.beside();
    other.keeper.look().await;
    rig.clocks.pass(secs(3600));
    assert!(matches!(other.attempt(Why::Due).await, Outcome::Later));
    let trouble = other.keeper.0.trouble();
    assert!(trouble.contains(&mallory.url()) && trouble.contains(&rig.issuer.url()), "{trouble}");
    assert!(mallory.sent_to("/token").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_model_that_such_tokens_do_not_open_ends_no_session() {
    for (scope, expected) in [("openid", 0), ("inference:invoke", 1)] {
        let (rig, far) = (Rig::new().await, TestIssuer::start().await);
        far.discovery(200, document(&far.url(), &rig.issuer.url()));
        rig.issuer.next(Answer::Tokens(json!({})));
        rig.issuer.next(Answer::Tokens(json!({"scope": scope})));
        sign_in(&rig, at(&far.url())).await.unwrap();
        let Ok(AccountCredential::Token(token)) = rig.keeper.0.credential().await else { panic!("a token") };
        let renewed = AccountSource::renewed(&rig.keeper, &token).await;
        assert_eq!((usize::from(renewed.is_some()), rig.issuer.shown().len()), (expected, expected), "{scope}");
        assert_eq!(rig.keeper.session().state, SessionState::Active);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_revokes_where_the_issuer_has_a_way_and_says_so_where_it_has_none() {
    let (rig, _far) = signed_in().await;
    let file = rig.file();
    let done = rig.keeper.sign_out().await.unwrap();
    assert_eq!((done.was_signed_in, done.not_revoked), (true, None));
    assert_eq!(rig.issuer.revoked(), [file["refresh_token"].as_str().unwrap(), file["access_token"].as_str().unwrap()]);
    let (rig, _far) = signed_in().await;
    rig.issuer.without_metadata();
    let done = rig.keeper.sign_out().await.unwrap();
    assert_eq!(done.not_revoked, Some(format!("`{}` names no way to revoke a session", rig.issuer.url())));
    assert!(!rig.path().exists());
}

#[tokio::test(start_paused = true)]
async fn without_the_document_it_is_the_authorization_server_and_with_a_503_nobody_can_sign_in() {
    let rig = Rig::new().await;
    sign_in(&rig, at(&rig.issuer.url())).await.unwrap();
    let asked = &rig.issuer.sent_to("/device")[0];
    assert!(asked.contains("client_id=bitrouter-cli") && !asked.contains("resource"), "{asked}");
    let file = rig.file();
    assert_eq!((&file["authorization_server"], file.get("api_url")), (&json!(rig.issuer.url()), None));
    assert_eq!(rig.keeper.dialect().await.unwrap(), Dialect::Management);
    let before = rig.file();
    rig.issuer.discovery(503, json!({"error": {"message": "off", "code": 503}}));
    let error = sign_in(&rig, at(&rig.issuer.url())).await.unwrap_err();
    assert_eq!((error.reason, error.status), (Reason::ServerFailed, Some(503)));
    assert!(error.message.contains("nobody can sign in there now: off"), "{}", error.message);
    rig.issuer.discovery(429, json!({"detail": "slower"}));
    let error = sign_in(&rig, at(&rig.issuer.url())).await.unwrap_err();
    assert_eq!((error.reason, error.message.as_str()), (Reason::ServerRefused, "slower"));
    // A document that is not whole, or leads astray, is no reason to try another way.
    let mut half = document(&rig.issuer.url(), &rig.issuer.url());
    half["token_endpoint"] = json!("http://far.example/token");
    for wrong in [json!({"issuer": rig.issuer.url()}), half] {
        rig.issuer.discovery(200, wrong);
        let error = sign_in(&rig, at(&rig.issuer.url())).await.unwrap_err();
        assert_eq!(error.reason, Reason::ServerFailed, "{}", error.message);
    }
    assert_eq!(rig.issuer.sent_to("/device").len(), 1);
    assert_eq!(rig.file(), before);
    let gone = at("http://127.0.0.1:1");
    assert_eq!(sign_in(&rig, gone).await.unwrap_err().reason, Reason::ServerUnreachable);
}

#[tokio::test(start_paused = true)]
async fn an_authorization_server_that_is_none_may_have_the_document() {
    let rig = Rig::new().await;
    rig.issuer.without_metadata();
    rig.issuer.discovery(200, document(&rig.issuer.url(), &rig.issuer.url()));
    let usual = SignIn::Device {
        oauth_as: rig.issuer.url(),
        client_id: "bitrouter-cli".to_owned(),
        scope: bitrouter_proto::account::ScopeSet::DEFAULT.to_string(),
    };
    sign_in(&rig, usual).await.unwrap();
    let asked = &rig.issuer.sent_to("/device")[0];
    assert!(asked.contains("client_id=far-cli") && asked.contains("scope=openid+me%3Aall"), "{asked}");
    let wanted =
        SignIn::Device { oauth_as: rig.issuer.url(), client_id: "mine".to_owned(), scope: "only:this".to_owned() };
    sign_in(&rig, wanted).await.unwrap();
    let asked = &rig.issuer.sent_to("/device")[1];
    assert!(asked.contains("client_id=mine") && asked.contains("scope=only%3Athis"), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn p04_a_server_that_says_its_tokens_are_for_another_one_is_not_signed_in_to() {
    let (rig, far) = (Rig::new().await, TestIssuer::start().await);
    let before = rig.path().exists();
    // By either way to its document.
    far.without_metadata();
    let usual = SignIn::Device {
        oauth_as: far.url(),
        client_id: "bitrouter-cli".to_owned(),
        scope: bitrouter_proto::account::ScopeSet::DEFAULT.to_string(),
    };
    for how in [at(&far.url()), usual] {
        far.discovery(200, document(&rig.issuer.url(), &rig.issuer.url()));
        let error = sign_in(&rig, how).await.unwrap_err();
        assert_eq!(error.reason, Reason::Conflict, "{}", error.message);
        assert!(error.message.contains(&far.url()) && error.message.contains(&rig.issuer.url()), "{}", error.message);
    }
    assert!(rig.issuer.sent_to("/device").is_empty() && rig.issuer.sent_to("/token").is_empty());
    assert!(far.sent_to("/device").is_empty());
    assert_eq!(rig.path().exists(), before);
}

#[tokio::test(start_paused = true)]
async fn p04_a_file_whose_tokens_are_for_another_server_sends_nothing() {
    let (rig, far) = signed_in().await;
    let mut file = rig.file();
    file["resource"] = json!(rig.issuer.url());
    rig.write(&file);
    let restarted = rig.beside();
    restarted.keeper.look().await;
    assert!(restarted.keeper.0.credential().await.is_err());
    assert!(restarted.keeper.json(&RestCall::get(RestPath::new("/api/v1/me"))).await.is_err());
    assert!(far.sent_to("/api/v1/me").is_empty());
}

#[tokio::test(start_paused = true)]
async fn whose_server_a_url_is() {
    let (rig, far) = signed_in().await;
    let session = rig.keeper.session();
    assert_eq!(session.credential.as_deref().map(Credential::server), Some(far.url().as_str()));
    let elsewhere = TestIssuer::start().await;
    let here = |url: &str| url.replace("127.0.0.1", "localhost");
    for same in [far.url(), format!("{}/", far.url()), here(&far.url()), rig.issuer.url()] {
        assert_eq!(rig.keeper.other_server(&same).await.unwrap(), None, "{same}");
    }
    let gone = "http://127.0.0.1:1".to_owned();
    for other in [elsewhere.url(), "https://far.invalid".to_owned(), gone] {
        assert_eq!(rig.keeper.other_server(&other).await.unwrap(), Some(far.url()), "{other}");
    }
    // Another address of the same server names the same issuer.
    let alias = TestIssuer::start().await;
    alias.discovery(200, document(&alias.url(), &rig.issuer.url()));
    assert_eq!(rig.keeper.other_server(&alias.url()).await.unwrap(), None);
    assert!(rig.keeper.other_server("http://far.example").await.is_err());
    for asked in [&elsewhere, &alias] {
        assert!(asked.rest_sent("authorization").is_empty());
    }
}

#[tokio::test]
async fn models_are_called_at_an_address_and_what_goes_wrong_never_shows_the_key() {
    let rig = Rig::new().await;
    let base = format!("{}/v1", rig.issuer.url());
    let key: SecretString = "sk-tr-canary".into();
    let call = async |place: Place<'_>, body: Option<&str>| {
        rig.keeper.model_call(place, Some(&key), "/x", body.map(str::to_owned), secs(5)).await
    };
    let own = rig.issuer.url();
    for place in [Place::At(&base), Place::Own(&own)] {
        rig.issuer.next_rest(200, "{}");
        assert_eq!(call(place, Some("{}")).await.unwrap().json, "{}");
        let sent = rig.issuer.rest_sent("authorization").pop().unwrap();
        assert_eq!((sent.0.as_str(), sent.1.as_deref()), ("POST /v1/x", Some("Bearer sk-tr-canary")));
        for (status, reason) in [(401, Reason::ServerRefused), (302, Reason::ServerFailed), (503, Reason::ServerFailed)]
        {
            let long = "x".repeat(290);
            rig.issuer
                .next_rest(status, &format!(r#"{{"error":{{"message":"{long}sk-tr-canary is none","code":1}}}}"#));
            let error = call(place, None).await.unwrap_err();
            assert_eq!((error.reason, error.status), (reason, Some(status)));
            assert!(error.message.starts_with("xxx") && !format!("{error:?}").contains("sk-tr-"), "{error:?}");
        }
    }
    let gone = call(Place::At("http://127.0.0.1:1/v1"), None).await.unwrap_err();
    assert_eq!(gone.reason, Reason::ServerUnreachable);
    for wrong in ["http://far.example/v1", "ftp://127.0.0.1", "v1"] {
        assert_eq!(call(Place::At(wrong), None).await.unwrap_err().reason, Reason::InvalidArgument, "{wrong}");
    }
}
