//! The approval page: what it shows, what decides, and what never does.

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use serde_json::Value;

use super::{Browser, Fixture};

const PASSWORD: &str = "correct horse";

struct Cast {
    fixture: Fixture,
    ada: Browser,
}

/// Ada, signed in, of user 7.
async fn cast() -> Cast {
    let fixture = Fixture::new().await;
    fixture.person("ada", PASSWORD).await;
    let mut ada = fixture.browser(Some(7));
    assert_eq!(ada.sign_in("ada", PASSWORD).await.status, StatusCode::SEE_OTHER);
    Cast { fixture, ada }
}

/// What a device of user `uid` gets.
async fn start(fixture: &Fixture, uid: Option<u32>, scope: &str) -> Value {
    let fields = [("client_id", "bitrouter-cli"), ("scope", scope)];
    let page = fixture.browser(uid).post("/oauth/device_authorization", &fields).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    serde_json::from_str(&page.text).unwrap()
}

async fn poll(fixture: &Fixture, device: &Value) -> Value {
    fixture.clock.advance(Duration::from_secs(5));
    let fields = [
        ("client_id", "bitrouter-cli"),
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", device["device_code"].as_str().unwrap()),
    ];
    serde_json::from_str(&fixture.browser(Some(7)).post("/oauth/token", &fields).await.text).unwrap()
}

fn code(device: &Value) -> &str {
    device["user_code"].as_str().unwrap()
}

/// The fields that the consent page sends when nothing on it is changed.
async fn filled_in(ada: &mut Browser, code: &str) -> Vec<(&'static str, String)> {
    let page = ada.get(&format!("/oauth/device?user_code={code}")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let namespace = page.text.split("<option value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let mut fields =
        vec![("csrf", page.hidden("csrf")), ("user_code", page.hidden("user_code")), ("namespace", namespace)];
    for tick in page.text.split("name=\"scope\" value=\"").skip(1) {
        let (scope, rest) = tick.split_once('"').unwrap();
        if rest.starts_with(" checked") {
            fields.push(("scope", scope.to_owned()));
        }
    }
    fields
}

async fn post(ada: &mut Browser, fields: &[(&'static str, String)], more: &[(&'static str, &str)]) -> super::Page {
    let all = fields.iter().map(|(name, value)| (*name, value.as_str())).chain(more.iter().copied());
    ada.post("/oauth/device", &all.collect::<Vec<_>>()).await
}

#[tokio::test]
async fn p07_what_was_ticked_is_granted_and_what_is_sensitive_is_not_ticked() {
    let Cast { fixture, mut ada } = cast().await;
    let device = start(&fixture, Some(7), "usage:read billing:write").await;
    let page = ada.get(&format!("/oauth/device?user_code={}", code(&device))).await;
    for part in [
        &format!("id=\"code\">{}<", code(&device)),
        "bitrouter-cli",
        "user 7 on this machine (127.0.0.1)",
        "just now",
        "name=\"scope\" value=\"usage:read\" checked",
        "name=\"scope\" value=\"billing:write\">",
        "See usage and the list of requests",
    ] {
        assert!(page.text.contains(part), "{part} in {}", page.text);
    }
    assert!(!page.text.contains("own_device"), "the same user asks");
    assert_eq!(poll(&fixture, &device).await["error"], "authorization_pending", "looking approves nothing");
    let fields = filled_in(&mut ada, code(&device)).await;
    let page = post(&mut ada, &fields, &[("decision", "approve")]).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("the terminal goes on"), "{}", page.text);
    assert!(page.text.contains("See usage") && !page.text.contains("Add credit"), "{}", page.text);
    let tokens = poll(&fixture, &device).await;
    assert_eq!(tokens["scope"], "usage:read", "{tokens}");
    let console = ada.get("/console").await;
    assert!(console.text.contains("<strong>bitrouter (command line)</strong> in default"), "{}", console.text);
}

#[tokio::test]
async fn n02_denied_is_for_ever() {
    let Cast { fixture, mut ada } = cast().await;
    let device = start(&fixture, Some(7), "usage:read").await;
    let fields = filled_in(&mut ada, code(&device)).await;
    let page = post(&mut ada, &fields, &[("decision", "deny")]).await;
    assert!(page.status == StatusCode::OK && page.text.contains("<h1>Denied</h1>"), "{}", page.text);
    assert_eq!(poll(&fixture, &device).await["error"], "access_denied");
    let page = post(&mut ada, &fields, &[("decision", "approve")]).await;
    assert_eq!(page.status, StatusCode::CONFLICT, "Back, then Approve");
    assert!(page.text.contains("was denied, which is final"), "{}", page.text);
    assert_ne!(poll(&fixture, &device).await["error"], "authorization_pending");
}

#[tokio::test]
async fn n06_another_ones_device_is_approved_only_with_the_tick() {
    let Cast { fixture, mut ada } = cast().await;
    for asker in [Some(8), None] {
        let device = start(&fixture, asker, "usage:read").await;
        let page = ada.get(&format!("/oauth/device?user_code={}", code(&device))).await;
        assert!(page.text.contains("name=\"own_device\" value=\"yes\""), "{}", page.text);
        let fields = filled_in(&mut ada, code(&device)).await;
        let page = post(&mut ada, &fields, &[("decision", "approve")]).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{asker:?}");
        assert!(page.text.contains("<title>Error: "), "{}", page.text);
        assert_eq!(poll(&fixture, &device).await["error"], "authorization_pending", "{asker:?}");
        let page = post(&mut ada, &fields, &[("decision", "approve"), ("own_device", "yes")]).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    }
}

#[tokio::test]
async fn n05_signing_in_comes_before_the_code_is_looked_up() {
    let Cast { fixture, mut ada } = cast().await;
    let device = start(&fixture, Some(7), "usage:read").await;
    let mut stranger = fixture.browser(Some(7));
    for _ in 0..20 {
        let page = stranger.get("/oauth/device?user_code=BBBB-BBBB").await;
        assert_eq!(page.header("location"), "/login?next=/oauth/device%3Fuser_code%3DBBBB-BBBB");
    }
    let page = stranger.get("/oauth/device?user_code=evil%22%3E").await;
    assert_eq!(page.header("location"), "/login?next=/oauth/device");
    let fields = filled_in(&mut ada, code(&device)).await;
    let page = post(&mut stranger, &fields, &[("decision", "approve")]).await;
    assert_eq!((page.status, page.header("location").starts_with("/login?")), (StatusCode::SEE_OTHER, true));
    assert_eq!(poll(&fixture, &device).await["error"], "authorization_pending");
}

#[tokio::test]
async fn n05_wrong_codes_are_counted_however_sent_but_not_when_another_site_sends_them() {
    let Cast { fixture, mut ada } = cast().await;
    let device = start(&fixture, Some(7), "usage:read").await;
    let mut led = ada.clone();
    for (name, value) in [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")] {
        led.more.insert(name, HeaderValue::from_static(value));
    }
    for _ in 0..20 {
        let page = led.get("/oauth/device?user_code=bbbbbbbb").await;
        assert!(page.status == StatusCode::OK && page.text.contains("value=\"BBBB-BBBB\""), "{}", page.text);
    }
    let csrf = ada.get("/oauth/device").await.hidden("csrf");
    for round in 0..5 {
        let page = ada.post("/oauth/device", &[("csrf", &csrf), ("user_code", "BBBB-BBBB")]).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{round}");
        assert!(page.text.contains("<title>Error: ") && page.text.contains("aria-describedby=\"hint error\""));
        assert_eq!(ada.get("/oauth/device?user_code=BBBB-BBBB").await.status, StatusCode::NOT_FOUND, "{round}");
    }
    let page = ada.post("/oauth/device", &[("csrf", &csrf), ("user_code", code(&device))]).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS, "the right one too");
    assert_eq!(page.header("retry-after"), "600");
}

#[tokio::test]
async fn what_is_approved_can_be_taken_back_until_the_device_has_come() {
    let Cast { fixture, mut ada } = cast().await;
    fixture.person("bob", PASSWORD).await;
    let mut bob = fixture.browser(Some(7));
    bob.sign_in("bob", PASSWORD).await;
    let of_bob = bob.get("/console").await.hidden("csrf");
    let device = start(&fixture, Some(7), "usage:read").await;
    let fields = filled_in(&mut ada, code(&device)).await;
    post(&mut ada, &fields, &[("decision", "approve")]).await;
    let page = ada.get("/console").await;
    assert!(page.text.contains("Approved, not collected yet") && page.text.contains(code(&device)), "{}", page.text);
    let end = format!("/console/approvals/{}/end", code(&device));
    assert!(!bob.get("/console").await.text.contains("not collected"));
    assert_eq!(bob.post(&end, &[("csrf", &of_bob)]).await.header("location"), "/console", "nothing of bob's");
    let page = ada.post(&end, &[("csrf", &fields[0].1)]).await;
    assert_eq!(page.header("location"), "/console?done=withdrawn");
    assert_eq!(poll(&fixture, &device).await["error"], "access_denied");
    assert!(!ada.get("/console").await.text.contains("not collected"));
    // Too late: the program is signed in, and stands in the list.
    let device = start(&fixture, Some(7), "usage:read").await;
    let fields = filled_in(&mut ada, code(&device)).await;
    post(&mut ada, &fields, &[("decision", "approve")]).await;
    assert!(poll(&fixture, &device).await["access_token"].is_string());
    let end = format!("/console/approvals/{}/end", code(&device));
    assert_eq!(ada.post(&end, &[("csrf", &fields[0].1)]).await.header("location"), "/console");
    assert!(poll(&fixture, &device).await["access_token"].is_string(), "the first poll was lost");
}

#[tokio::test]
async fn a_typed_code_leads_to_a_page_with_an_address() {
    let Cast { fixture, mut ada } = cast().await;
    let device = start(&fixture, Some(7), "usage:read").await;
    let csrf = ada.get("/oauth/device").await.hidden("csrf");
    let typed = code(&device).to_lowercase().replace('-', " ");
    let page = ada.post("/oauth/device", &[("csrf", &csrf), ("user_code", &typed)]).await;
    let address = format!("/oauth/device?user_code={}", code(&device));
    assert_eq!((page.status, page.header("location")), (StatusCode::SEE_OTHER, &*address));
    let page = ada.post("/oauth/device", &[("csrf", &csrf), ("user_code", "BBBB-BBBB")]).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.text.contains("name=\"user_code\" type=\"text\" value=\"\""), "{}", page.text);
}

#[tokio::test]
async fn enter_on_a_tick_decides_nothing() {
    let Cast { fixture, mut ada } = cast().await;
    let device = start(&fixture, Some(8), "usage:read billing:write").await;
    let page = ada.get(&format!("/oauth/device?user_code={}", code(&device))).await;
    let form = page.text.split("<form").find(|form| form.contains("name=\"decision\"")).unwrap();
    let first = form.split("<button").nth(1).unwrap();
    assert!(first.contains("name=\"show\" value=\"again\"") && !first.contains("decision"), "{first}");
    let fields = filled_in(&mut ada, code(&device)).await;
    let more = [("show", "again"), ("own_device", "yes"), ("scope", "billing:write")];
    let page = post(&mut ada, &fields, &more).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.text.contains("value=\"billing:write\" checked")
            && page.text.contains("value=\"yes\" aria-describedby=\"warning\" checked")
    );
    assert_eq!(poll(&fixture, &device).await["error"], "authorization_pending");
}

#[tokio::test]
async fn what_is_only_sensitive_stands_under_its_own_words() {
    let Cast { fixture, mut ada } = cast().await;
    let device = start(&fixture, Some(7), "billing:write").await;
    let page = ada.get(&format!("/oauth/device?user_code={}", code(&device))).await;
    assert!(page.text.contains("<legend>It asks for this;") && !page.text.contains("It may<"), "{}", page.text);
}

#[tokio::test]
async fn codes_expire_and_are_used_once() {
    let Cast { fixture, mut ada } = cast().await;
    let used = start(&fixture, Some(7), "usage:read").await;
    let fields = filled_in(&mut ada, code(&used)).await;
    post(&mut ada, &fields, &[("decision", "approve")]).await;
    let page = post(&mut ada, &fields, &[("decision", "approve")]).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(page.text.contains("was used already"), "{}", page.text);
    let old = start(&fixture, Some(7), "usage:read").await;
    let fields = filled_in(&mut ada, code(&old)).await;
    fixture.clock.advance(Duration::from_mins(10));
    for decision in ["approve", "deny"] {
        let page = post(&mut ada, &fields, &[("decision", decision)]).await;
        assert_eq!(page.status, StatusCode::GONE, "{decision}");
    }
}

#[tokio::test]
async fn a_decision_takes_the_page_of_this_session_and_what_stands_on_it() {
    let Cast { fixture, mut ada } = cast().await;
    fixture.person("bob", PASSWORD).await;
    let mut bob = fixture.browser(Some(7));
    bob.sign_in("bob", PASSWORD).await;
    let device = start(&fixture, Some(7), "usage:read").await;
    let fields = filled_in(&mut ada, code(&device)).await;
    let of_bob = filled_in(&mut bob, code(&device)).await;
    let with = |name: &str, value: &str| {
        let mut changed = fields.clone();
        changed.iter_mut().filter(|(found, _)| *found == name).for_each(|(_, old)| value.clone_into(old));
        changed
    };
    for (changed, status) in [
        (with("csrf", ""), StatusCode::FORBIDDEN),
        (with("csrf", &of_bob[0].1), StatusCode::FORBIDDEN),
        (with("namespace", &of_bob[2].1), StatusCode::BAD_REQUEST),
        (with("namespace", "nonsense"), StatusCode::BAD_REQUEST),
        (with("scope", "keys:write"), StatusCode::BAD_REQUEST),
        (with("scope", "namespace:write"), StatusCode::BAD_REQUEST),
        (with("scope", "nonsense"), StatusCode::BAD_REQUEST),
        (with("scope", ""), StatusCode::BAD_REQUEST),
        (with("user_code", "BBBB-BBBB"), StatusCode::NOT_FOUND),
        (with("user_code", ""), StatusCode::BAD_REQUEST),
    ] {
        let page = post(&mut ada, &changed, &[("decision", "approve")]).await;
        assert_eq!(page.status, status, "{changed:?}: {}", page.text);
    }
    assert_eq!(post(&mut ada, &fields, &[("decision", "maybe")]).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(poll(&fixture, &device).await["error"], "authorization_pending");
}

#[tokio::test]
async fn p07_removing_a_person_ends_tokens_sessions_and_what_is_pending_at_once() {
    let Cast { fixture, mut ada } = cast().await;
    let (used, waiting) = (start(&fixture, Some(7), "usage:read").await, start(&fixture, Some(7), "usage:read").await);
    for device in [&used, &waiting] {
        let fields = filled_in(&mut ada, code(device)).await;
        post(&mut ada, &fields, &[("decision", "approve")]).await;
    }
    let tokens = poll(&fixture, &used).await;
    let token = tokens["access_token"].as_str().unwrap().as_bytes();
    assert!(fixture.node.judge(token).is_ok());
    fixture.node.remove_user("ada").await.unwrap();
    assert!(fixture.node.judge(token).is_err());
    assert!(!ada.is_signed_in().await);
    assert_eq!(poll(&fixture, &waiting).await["error"], "invalid_grant", "approved, and not fetched yet");
    assert_eq!(ada.sign_in("ada", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
}

bitrouter_test_postgres::once_more_on_postgres!(
    p07_what_was_ticked_is_granted_and_what_is_sensitive_is_not_ticked,
    n02_denied_is_for_ever,
    codes_expire_and_are_used_once,
    p07_removing_a_person_ends_tokens_sessions_and_what_is_pending_at_once,
);
