//! The page of a person's provider keys. That its script seals what is pasted is tested in a browser (`tests/tests/browser`).

use std::time::Duration;

use bitrouter_proto::account::{byok::EncryptionKey, seal::sealed};
use http::StatusCode;

use super::{Browser, Fixture, Page};
use crate::{Settings, settings::ByokSettings};

const PASSWORD: &str = "correct horse";
const KEYS: &str = "/console/keys";

async fn fixture() -> Fixture {
    let byok = ByokSettings { providers: ["acme".to_owned(), "zeta".to_owned()].into(), ..ByokSettings::default() };
    let fixture = Fixture::with(Settings { byok, ..Settings::default() }).await;
    fixture.person("ada", PASSWORD).await;
    fixture.person("bob", PASSWORD).await;
    fixture
}

/// A person at the page.
struct At {
    browser: Browser,
    csrf: String,
}

impl At {
    async fn new(fixture: &Fixture, name: &str) -> Self {
        let mut browser = fixture.browser(Some(7));
        browser.sign_in(name, PASSWORD).await;
        let csrf = browser.get(KEYS).await.hidden("csrf");
        Self { browser, csrf }
    }

    /// Does what the page's script does.
    async fn paste(&mut self, provider: &str, key: &str, more: &[(&str, &str)]) -> Page {
        let page = self.browser.get(KEYS).await;
        let public_key = page.text.split("data-public-key=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let kek_id = page.hidden("kek_id");
        let new = sealed(&EncryptionKey { kek_id, public_key }, provider, &key.to_owned().into(), None).unwrap();
        let mut fields = vec![
            ("csrf", self.csrf.as_str()),
            ("kek_id", &new.kek_id),
            ("provider_name", provider),
            ("ciphertext_b64", &new.ciphertext_b64),
        ];
        fields.extend(more);
        self.browser.post(KEYS, &fields).await
    }

    async fn revoke(&mut self, provider: &str) -> Page {
        self.browser.post(&format!("{KEYS}/{provider}/delete"), &[("csrf", &self.csrf)]).await
    }
}

#[tokio::test]
async fn a_key_is_set_seen_and_revoked_by_its_person() {
    let fixture = fixture().await;
    let (mut ada, mut bob) = (At::new(&fixture, "ada").await, At::new(&fixture, "bob").await);
    let page = ada.paste("acme", "sk-canary-of-ada", &[]).await;
    let done = format!("{KEYS}?done=key-stored");
    assert_eq!((page.status, page.header("location")), (StatusCode::SEE_OTHER, done.as_str()), "{}", page.text);
    ada.paste("zeta", "sk-canary-of-ada", &[("api_base", " https://api.example/v1/ ")]).await;
    let page = ada.browser.get(&done).await;
    let kek_id = page.hidden("kek_id");
    for told in
        ["<strong>acme</strong> <code>sk-…</code>", "https://api.example/v1<", "submitted", "in a browser", &kek_id]
    {
        assert!(page.text.contains(told), "{told}: {}", page.text);
    }
    assert!(!page.text.contains("canary"), "{}", page.text);
    assert!(ada.browser.get("/console").await.text.contains("You have stored 2."));
    // Another person sees nothing of it, and revokes nothing.
    let page = bob.browser.get(KEYS).await;
    assert!(!page.text.contains("sk-…") && page.text.contains("Nothing yet."), "{}", page.text);
    assert_eq!(bob.revoke("acme").await.status, StatusCode::SEE_OTHER);
    let before = fixture.revoked().matches(" byok ").count();
    assert!(ada.browser.get(KEYS).await.text.contains("Revoke the key for acme"));
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(ada.revoke("acme").await.header("location"), format!("{KEYS}?done=key-revoked"));
    let page = ada.browser.get(KEYS).await;
    assert!(
        !page.text.contains("Revoke the key for acme") && page.text.contains("deleted <strong>acme"),
        "{}",
        page.text
    );
    assert!(page.text.contains("Revoke the key for zeta"));
    assert_eq!(before, 0, "{}", fixture.revoked());
    // Gone already: what was wanted.
    assert_eq!(ada.revoke("acme").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn what_is_not_stored_is_said_on_the_page() {
    let fixture = fixture().await;
    let mut ada = At::new(&fixture, "ada").await;
    for (provider, key, base, words) in [
        ("nobody", "sk-x", "", "no provider “nobody”"),
        ("acme", "brk_x", "", "a token of bitrouter"),
        ("acme", "sk-x", "http://api.example", "“api_base” must be https"),
        ("acme", "sk-x", "https://127.0.0.1", "“api_base” must be a public address"),
    ] {
        let page = ada.paste(provider, key, &[("api_base", base)]).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{provider} {key} {base}: {}", page.text);
        assert!(page.text.contains(words) && page.text.contains("<title>Error: "), "{words}: {}", page.text);
    }
    let fields =
        [("csrf", ada.csrf.as_str()), ("provider_name", "acme"), ("kek_id", "kek_0"), ("ciphertext_b64", "AA==")];
    let page = ada.browser.post(KEYS, &fields).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(page.text.contains("paste the key again"), "{}", page.text);
    assert!(page.text.contains("None."), "{}", page.text);
}

#[tokio::test]
async fn p06_nothing_is_set_or_revoked_but_from_the_page_itself() {
    let fixture = fixture().await;
    let mut ada = At::new(&fixture, "ada").await;
    ada.paste("acme", "sk-x", &[]).await;
    let mut stranger = fixture.browser(Some(7));
    assert_eq!(stranger.get(KEYS).await.header("location"), format!("/login?next={KEYS}"));
    for path in [KEYS, "/console/keys/acme/delete"] {
        let page = ada.browser.post(path, &[("csrf", "wrong")]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        ada.browser.origin = Some("http://attacker.test".to_owned());
        let page = ada.browser.post(path, &[("csrf", &ada.csrf)]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        ada.browser.origin = Some("http://127.0.0.1:4356".to_owned());
    }
    assert!(ada.browser.get(KEYS).await.text.contains("Revoke the key for acme"));
}

#[tokio::test]
async fn the_page_loads_its_own_script_alone_and_can_call_nobody() {
    let fixture = fixture().await;
    let mut ada = At::new(&fixture, "ada").await;
    let page = ada.browser.get(KEYS).await;
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("script-src 'self'; default-src 'none'; "), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("connect-src"), "{policy}");
    // What holds the key has no name: no browser sends it.
    let field = page.text.split("<input id=\"key\"").nth(1).unwrap().split('>').next().unwrap();
    assert!(!field.contains("name=") && page.text.contains("<noscript>"), "{field}");
    let script = page.text.split("<script src=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let script = ada.browser.get(&script).await;
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
    assert!(script.header("cache-control").contains("immutable"));
    assert!(script.text.contains("Blakejs contributors"), "the license goes with it");
    let other = ada.browser.get("/console").await;
    assert!(!other.header("content-security-policy").contains("script-src") && !other.text.contains("<script"));
}
