//! OAuth clients on pages: registered, changed and deleted by who may, without a script.

use http::StatusCode;
use secrecy::ExposeSecret as _;

use super::{Browser, Fixture, Page};

const PASSWORD: &str = "correct horse";

/// The owner at the clients of the first namespace.
struct At {
    fixture: Fixture,
    owner: Browser,
    csrf: String,
    home: String,
}

impl At {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let mut owner = fixture.browser(Some(7));
        let link = fixture.node.console_link(Some(7)).path.expose_secret().to_owned();
        owner.get(&link).await;
        let csrf = owner.get("/console").await.hidden("csrf");
        let home = format!("/console/namespaces/{}/clients", fixture.node.first_namespace());
        Self { fixture, owner, csrf, home }
    }

    async fn register(&mut self, fields: &[(&str, &str)]) -> Page {
        let csrf = [("csrf", self.csrf.as_str())];
        let fields: Vec<_> = csrf.iter().chain(fields).copied().collect();
        self.owner.post(&self.home, &fields).await
    }
}

const AGENT: &[(&str, &str)] = &[
    ("name", "my agent"),
    ("type", "confidential"),
    ("redirect_uris", "https://a.example/cb\r\n  http://localhost:7/cb \r\n\r\n"),
    ("scope", "inference:invoke"),
    ("scope", "usage:read"),
    ("grant", "authorization_code"),
    ("grant", "refresh_token"),
];

fn client_id(page: &Page) -> String {
    let from = page.text.find("brc_").unwrap_or_else(|| panic!("{}", page.text));
    page.text[from..from + 30].to_owned()
}

#[tokio::test]
async fn a_client_is_registered_changed_and_deleted() {
    let mut at = At::new().await;
    let home = at.home.clone();
    assert!(at.owner.get(&home).await.text.contains("None is registered."));
    let page = at.register(AGENT).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let secret = page.text.split("id=\"client-secret\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(secret.len() >= 32 && page.header("cache-control") == "no-store", "{}", page.text);
    let id = client_id(&page);
    let page = at.owner.get(&home).await;
    for told in ["<strong>my agent</strong>, confidential", &id, "https://a.example/cb", "http://localhost:7/cb<"] {
        assert!(page.text.contains(told), "{told}: {}", page.text);
    }
    assert!(!page.text.contains(&secret), "the secret is shown once");
    let one = format!("{home}/{id}");
    let page = at.owner.get(&one).await;
    assert!(page.text.contains("https://a.example/cb\nhttp://localhost:7/cb</textarea>"), "{}", page.text);
    assert!(page.text.contains("value=\"usage:read\" checked") && !page.text.contains("value=\"keys:read\" checked"));
    let fields =
        [("csrf", at.csrf.as_str()), ("name", "another"), ("scope", "inference:invoke"), ("grant", "refresh_token")];
    let page = at.owner.post(&one, &fields).await;
    assert_eq!(page.header("location"), format!("{home}?done=client-changed"), "{}", page.text);
    let page = at.owner.get(&home).await;
    assert!(page.text.contains("<strong>another</strong>") && !page.text.contains("a.example"), "{}", page.text);
    let delete = format!("{one}/delete");
    let page = at.owner.post(&delete, &[("csrf", &at.csrf)]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.text.contains("Tick that you mean it") && at.owner.get(&one).await.status == StatusCode::OK);
    let page = at.owner.post(&delete, &[("csrf", &at.csrf), ("confirm", "yes")]).await;
    assert_eq!(page.header("location"), format!("{home}?done=client-deleted"));
    assert!(at.owner.get(&home).await.text.contains("None is registered."));
    assert_eq!(at.owner.get(&one).await.status, StatusCode::NOT_FOUND);
    assert!(at.fixture.revoked().contains(&id));
}

#[tokio::test]
async fn what_cannot_be_registered_is_said_with_what_was_filled_in() {
    let mut at = At::new().await;
    assert_eq!(at.register(AGENT).await.status, StatusCode::OK);
    let with = |name: &'static str, value: &'static str| -> Vec<(&str, &str)> {
        AGENT.iter().filter(|(field, _)| *field != name).copied().chain([(name, value)]).collect()
    };
    for (fields, status, words) in [
        (with("name", "MY AGENT"), StatusCode::CONFLICT, "looks as if it were"),
        (with("name", "a\u{202e}b"), StatusCode::BAD_REQUEST, "role=\"alert\""),
        (with("redirect_uris", "http://a.example/cb"), StatusCode::BAD_REQUEST, "role=\"alert\""),
        (with("redirect_uris", ""), StatusCode::BAD_REQUEST, "at least one redirect URI"),
        (with("scope", "byok:write"), StatusCode::FORBIDDEN, "byok:write"),
        (with("scope", "nothing"), StatusCode::BAD_REQUEST, "at least one scope"),
        (with("grant", "password"), StatusCode::BAD_REQUEST, "at least one grant type"),
    ] {
        let page = at.register(&fields).await;
        assert_eq!(page.status, status, "{fields:?}: {}", page.text);
        assert!(page.text.contains(words) && page.text.contains("<title>Error: "), "{words}: {}", page.text);
    }
    let page = at.register(&with("name", "<b>")).await;
    assert!(!page.text.contains("<b>"), "{}", page.text);
}

#[tokio::test]
async fn n47_whoever_may_not_change_clients_sees_them_and_no_form() {
    let mut at = At::new().await;
    at.fixture.person("ada", PASSWORD).await;
    let mut ada = at.fixture.browser(Some(8));
    ada.sign_in("ada", PASSWORD).await;
    let csrf = ada.get("/console").await.hidden("csrf");
    let id = client_id(&at.register(AGENT).await);
    let one = format!("{}/{id}", at.home);
    assert_eq!(ada.get(&at.home).await.status, StatusCode::NOT_FOUND);
    let share = format!("{}/members", at.home.trim_end_matches("/clients"));
    for (role, may) in [("viewer", false), ("admin", true)] {
        at.owner.post(&share, &[("csrf", &at.csrf), ("name", "ada"), ("role", role)]).await;
        let page = ada.get(&at.home).await;
        assert!(page.text.contains("my agent"), "{role}: {}", page.text);
        assert_eq!(page.text.contains("Register one"), may, "{role}");
        let status = if may { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(ada.get(&one).await.status, status, "{role}");
        if !may {
            let fields: Vec<_> = [("csrf", csrf.as_str())].iter().chain(AGENT).copied().collect();
            for path in [at.home.clone(), one.clone()] {
                assert_eq!(ada.post(&path, &fields).await.status, StatusCode::FORBIDDEN, "{path}");
            }
            let fields = [("csrf", csrf.as_str()), ("confirm", "yes")];
            assert_eq!(ada.post(&format!("{one}/delete"), &fields).await.status, StatusCode::FORBIDDEN);
        }
    }
    // A client of one namespace is none of another's.
    let other = ada.get("/console").await;
    let own = other.text.split("href=\"/console/namespaces/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(ada.get(&format!("/console/namespaces/{own}/clients/{id}")).await.status, StatusCode::NOT_FOUND);
    let page = at.owner.post(&at.home, AGENT).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "without its token");
}
