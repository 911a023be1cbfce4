//! Namespaces that are shared: how their owner does it on the page, and what others see of them.

use http::StatusCode;
use secrecy::ExposeSecret as _;

use super::{Browser, Fixture, Page};

const PASSWORD: &str = "correct horse";

/// The owner, and ada, who is a member of the owner's `default` as soon as the owner says so.
struct Cast {
    fixture: Fixture,
    owner: Browser,
    ada: Browser,
    owner_csrf: String,
    ada_csrf: String,
    /// The page of the owner's namespace.
    home: String,
}

impl Cast {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        fixture.person("ada", PASSWORD).await;
        let (mut owner, mut ada) = (fixture.browser(Some(7)), fixture.browser(Some(8)));
        let link = fixture.node.console_link(Some(7)).path.expose_secret().to_owned();
        owner.get(&link).await;
        ada.sign_in("ada", PASSWORD).await;
        let owner_csrf = owner.get("/console").await.hidden("csrf");
        let ada_csrf = ada.get("/console").await.hidden("csrf");
        let home = format!("/console/namespaces/{}", fixture.node.first_namespace());
        Self { fixture, owner, ada, owner_csrf, ada_csrf, home }
    }

    async fn share(&mut self, name: &str, role: &str) -> Page {
        let fields = [("csrf", self.owner_csrf.as_str()), ("name", name), ("role", role)];
        self.owner.post(&format!("{}/members", self.home), &fields).await
    }
}

fn id(page: &Page) -> String {
    let from = page.text.find("usr_").unwrap();
    page.text[from..from + 30].to_owned()
}

#[tokio::test]
async fn the_owner_shares_a_namespace_and_takes_it_back_without_a_script() {
    let mut cast = Cast::new().await;
    assert!(cast.owner.get(&cast.home).await.text.contains("Nobody: it is yours alone."));
    let page = cast.share("ADA", "member").await;
    let done = format!("{}?done=shared", cast.home);
    assert_eq!((page.status, page.header("location")), (StatusCode::SEE_OTHER, done.as_str()), "{}", page.text);
    let page = cast.owner.get(&done).await;
    assert!(page.text.contains("role=\"status\">The namespace is shared so."), "{}", page.text);
    assert!(page.text.contains("<strong>ada</strong>, member"), "{}", page.text);
    let ada = id(&page);
    // Shared once more, what she may do changes.
    assert_eq!(cast.share(&ada, "viewer").await.status, StatusCode::SEE_OTHER);
    assert!(cast.owner.get(&cast.home).await.text.contains("<strong>ada</strong>, viewer"));
    let removed = cast.owner.post(&format!("{}/members/{ada}/remove", cast.home), &[("csrf", &cast.owner_csrf)]).await;
    assert_eq!(removed.header("location"), format!("{}?done=unshared", cast.home));
    let page = cast.owner.get(&cast.home).await;
    assert!(page.text.contains("Nobody: it is yours alone."));
    let log = cast.fixture.revoked();
    assert!(log.contains(" role ") && log.contains(" membership "), "{log}");
}

#[tokio::test]
async fn what_cannot_be_shared_is_said_beside_the_form() {
    let mut cast = Cast::new().await;
    for (name, role, status, words) in [
        ("bob", "member", StatusCode::BAD_REQUEST, "There is no person called “bob”."),
        ("", "member", StatusCode::BAD_REQUEST, "There is no person called “”."),
        ("ada", "owner", StatusCode::BAD_REQUEST, "Choose what the person may do."),
        ("owner", "member", StatusCode::CONFLICT, "“owner” owns the namespace"),
    ] {
        let page = cast.share(name, role).await;
        assert_eq!(page.status, status, "{name}");
        assert!(page.text.contains(words) && page.text.contains("id=\"member-error\""), "{name}: {}", page.text);
        assert!(page.text.contains("<title>Error: "), "{}", page.text);
    }
    let page = cast.share("<b>", "member").await;
    assert!(!page.text.contains("<b>") && page.text.contains("value=\"&#60;b&#62;\""), "{}", page.text);
    let without = [("name", "ada"), ("role", "member")];
    let page = cast.owner.post(&format!("{}/members", cast.home), &without).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn n24_a_member_sees_what_is_shared_and_changes_nothing_of_it() {
    let mut cast = Cast::new().await;
    assert_eq!(cast.ada.get(&cast.home).await.status, StatusCode::NOT_FOUND);
    assert!(!cast.ada.get("/console").await.text.contains("Shared with you"));
    cast.share("ada", "admin").await;
    let page = cast.ada.get("/console").await;
    assert!(page.text.contains("<strong>default of owner</strong>, you are admin"), "{}", page.text);
    let page = cast.ada.get(&cast.home).await;
    assert!(page.text.contains("you are <strong>admin</strong> in it"), "{}", page.text);
    for absent in ["Rename", "Shared with<", "for good"] {
        assert!(!page.text.contains(absent), "{absent}");
    }
    let person = cast.fixture.node.owner();
    for (verb, field, status) in [
        ("rename", ("name", "mine"), StatusCode::NOT_FOUND),
        ("delete", ("confirm", "yes"), StatusCode::NOT_FOUND),
        ("members", ("name", "ada"), StatusCode::FORBIDDEN),
        (&format!("members/{person}/remove"), ("name", "ada"), StatusCode::FORBIDDEN),
    ] {
        let page = cast.ada.post(&format!("{}/{verb}", cast.home), &[("csrf", &cast.ada_csrf), field]).await;
        assert_eq!(page.status, status, "{verb}");
    }
    assert!(cast.owner.get("/console").await.text.contains("<strong>default</strong>"));
}

async fn start(cast: &Cast, uid: u32, scope: &str) -> serde_json::Value {
    let fields = [("client_id", "bitrouter-cli"), ("scope", scope)];
    let page = cast.fixture.browser(Some(uid)).post("/oauth/device_authorization", &fields).await;
    serde_json::from_str(&page.text).unwrap()
}

async fn poll(cast: &Cast, device: &serde_json::Value) -> serde_json::Value {
    cast.fixture.clock.advance(std::time::Duration::from_secs(5));
    let fields = [
        ("client_id", "bitrouter-cli"),
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", device["device_code"].as_str().unwrap()),
    ];
    serde_json::from_str(&cast.fixture.browser(Some(8)).post("/oauth/token", &fields).await.text).unwrap()
}

/// Ada approves all of `scope` for a program of her own, in the owner's namespace.
async fn approve(cast: &mut Cast, scope: &str) -> (Page, serde_json::Value) {
    let device = start(cast, 8, scope).await;
    let home = cast.fixture.node.first_namespace().to_string();
    let mut fields = vec![
        ("csrf", cast.ada_csrf.clone()),
        ("user_code", device["user_code"].as_str().unwrap().to_owned()),
        ("namespace", home),
        ("decision", "approve".to_owned()),
    ];
    fields.extend(scope.split(' ').map(|scope| ("scope", scope.to_owned())));
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    (cast.ada.post("/oauth/device", &fields).await, device)
}

#[tokio::test]
async fn p08_a_program_gets_no_more_of_a_shared_namespace_than_its_person() {
    let mut cast = Cast::new().await;
    let (page, _) = approve(&mut cast, "usage:read").await;
    assert!(page.status == StatusCode::BAD_REQUEST && page.text.contains("Choose one of your namespaces."));
    cast.share("ada", "viewer").await;
    let device = start(&cast, 8, "inference:invoke usage:read").await;
    let page = cast.ada.get(&format!("/oauth/device?user_code={}", device["user_code"].as_str().unwrap())).await;
    assert!(page.text.contains(">default of owner (viewer)</option>"), "{}", page.text);
    let own = page.text.split("<option value=\"").nth(1).unwrap();
    assert!(own.contains(">default</option>"), "the own ones stand first: {own}");
    assert!(page.text.contains("where you are viewer: <code>usage:read</code></li>"), "{}", page.text);
    let (page, _) = approve(&mut cast, "inference:invoke").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.text.contains("You are viewer in this namespace"), "{}", page.text);
    let (page, device) = approve(&mut cast, "inference:invoke usage:read").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("in the namespace default of owner"), "{}", page.text);
    assert!(page.text.contains("See usage") && !page.text.contains("Use models"), "{}", page.text);
    assert!(cast.ada.get("/console").await.text.contains("</strong> in default of owner<br>"), "not collected yet");
    let tokens = poll(&cast, &device).await;
    assert_eq!(tokens["scope"], "usage:read", "{tokens}");
}

#[tokio::test]
async fn programs_in_a_shared_namespace_are_ended_by_their_person_an_admin_or_the_owner() {
    let mut cast = Cast::new().await;
    cast.fixture.person("kim", PASSWORD).await;
    let mut kim = cast.fixture.browser(Some(9));
    kim.sign_in("kim", PASSWORD).await;
    let kim_csrf = kim.get("/console").await.hidden("csrf");
    cast.share("ada", "member").await;
    cast.share("kim", "member").await;
    let home = cast.fixture.node.first_namespace();
    for (who, end) in [("ada", "own"), ("kim", "member"), ("kim", "admin"), ("owner", "owner")] {
        let (_, device) = approve(&mut cast, "usage:read").await;
        let tokens = poll(&cast, &device).await;
        let token = tokens["access_token"].as_str().unwrap();
        let id = cast.fixture.node.judge_token(token.as_bytes()).unwrap().credential;
        if end == "admin" {
            cast.share("kim", "admin").await;
        }
        let path = format!("/console/sessions/{id}/revoke");
        let (browser, csrf) = match who {
            "ada" => (&mut cast.ada, &cast.ada_csrf),
            "kim" => (&mut kim, &kim_csrf),
            _ => (&mut cast.owner, &cast.owner_csrf),
        };
        let shown = browser.get(&cast.home).await.text.contains("<h2 id=\"programs\">Programs of other people</h2>");
        assert_eq!(shown, matches!(end, "admin" | "owner"), "{end}");
        let fields = [("csrf", csrf.as_str()), ("namespace", &home.to_string())];
        let page = browser.post(&path, &fields).await;
        assert_eq!(page.header("location"), format!("{}?done=ended", cast.home));
        let opens = cast.fixture.node.judge_token(token.as_bytes()).is_ok();
        assert_eq!(opens, end == "member", "{end}");
    }
}

#[tokio::test]
async fn p08_keys_of_a_program_end_with_it_unless_they_are_ticked() {
    let mut cast = Cast::new().await;
    cast.share("ada", "member").await;
    for keeps in [false, true] {
        let (_, device) = approve(&mut cast, "usage:read keys:write").await;
        let tokens = poll(&cast, &device).await;
        let token = tokens["access_token"].as_str().unwrap().as_bytes().to_owned();
        let principal = cast.fixture.node.judge_token(&token).unwrap();
        assert!(!cast.ada.get("/console").await.text.contains("name=\"keys\""), "there is nothing to keep");
        let key = minted(&cast, principal).await;
        for (browser, page) in [(&mut cast.ada, "/console"), (&mut cast.owner, cast.home.as_str())] {
            let text = browser.get(page).await.text;
            assert!(text.contains("value=\"keep\"><span>Keep the key that was minted with it</span>"), "{text}");
        }
        let path = format!("/console/sessions/{}/revoke", principal.credential);
        let mut fields = vec![("csrf", cast.ada_csrf.as_str())];
        fields.extend(keeps.then_some(("keys", "keep")));
        let page = cast.ada.post(&path, &fields).await;
        let done = if keeps { "/console?done=ended-alone" } else { "/console?done=ended" };
        assert_eq!(page.header("location"), done);
        assert!(cast.fixture.node.judge_token(&token).is_err());
        assert_eq!(cast.fixture.node.judge(key.as_bytes()).is_ok(), keeps);
        let said = cast.ada.get(done).await.text;
        assert_eq!(said.contains("open what they did."), keeps, "{said}");
    }
}

/// A key that is minted with what `principal` holds.
async fn minted(cast: &Cast, principal: bitrouter_gateway::http::Principal) -> String {
    let request = http::Request::post("/v1/namespaces/me/keys").header("content-type", "application/json");
    let body = bytes::Bytes::from_static(br#"{"display_name":"k","scopes":["usage:read"]}"#);
    let caller = bitrouter_gateway::http::Caller::Credential(principal);
    let visitor = cast.ada.visitor.clone();
    let node = std::sync::Arc::clone(&cast.fixture.node);
    let page = super::page_of(node.answer_whole(request.body(body).unwrap(), caller, visitor).await).await;
    let reply: serde_json::Value = serde_json::from_str(&page.text).unwrap();
    reply["token"].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned()
}

bitrouter_test_postgres::once_more_on_postgres!(
    the_owner_shares_a_namespace_and_takes_it_back_without_a_script,
    n24_a_member_sees_what_is_shared_and_changes_nothing_of_it,
    p08_a_program_gets_no_more_of_a_shared_namespace_than_its_person,
    programs_in_a_shared_namespace_are_ended_by_their_person_an_admin_or_the_owner,
);
