//! Signing in with a password, being locked out, and what a form must show.

use std::time::Duration;

use http::{HeaderValue, StatusCode};

use super::Fixture;
use crate::{Settings, http::Entrance, people::Password};

const PASSWORD: &str = "correct horse";

async fn fixture() -> Fixture {
    let fixture = Fixture::new().await;
    fixture.person("Ada", PASSWORD).await;
    fixture
}

#[tokio::test]
async fn a_name_and_a_password_make_a_session_and_a_default_namespace() {
    let fixture = fixture().await;
    let mut browser = fixture.browser(Some(7));
    let page = browser.get("/console").await;
    assert_eq!((page.status, page.header("location")), (StatusCode::SEE_OTHER, "/login?next=/console"));
    let page = browser.sign_in("aDA", PASSWORD).await;
    assert_eq!((page.status, page.header("location")), (StatusCode::SEE_OTHER, "/console"), "{}", page.text);
    let cookie = page.headers.get_all("set-cookie").iter().next().unwrap().to_str().unwrap();
    assert!(cookie.starts_with("bitrouter_session_4356="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    let page = browser.get("/console").await;
    assert!(page.text.contains("<strong>default</strong>"), "{}", page.text);
    assert!(page.text.contains(&format!("<meta name=\"csrf-token\" content=\"{}\">", page.hidden("csrf"))));
    let page = browser.get("/login?next=/oauth/device").await;
    assert_eq!((page.status, page.header("location")), (StatusCode::SEE_OTHER, "/oauth/device"));
}

#[tokio::test]
async fn every_page_is_guarded() {
    let fixture = fixture().await;
    let page = fixture.browser(None).get("/login").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("referrer-policy"), "same-origin");
    assert_eq!(page.header("x-frame-options"), "DENY");
    let csp = page.header("content-security-policy");
    assert!(csp.starts_with("default-src 'none'; ") && csp.contains("frame-ancestors 'none'"), "{csp}");
    assert!(!csp.contains("unsafe") && !csp.contains("script-src"), "{csp}");
    assert!(!page.text.contains("<script") && !page.text.contains("style="), "{}", page.text);
    let style = page.text.split("<link rel=\"stylesheet\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let style = fixture.browser(None).get(&style.replace("&amp;", "&")).await;
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert_eq!(style.header("cache-control"), "public, max-age=31536000, immutable");
}

#[tokio::test]
async fn n18_what_was_typed_comes_back_escaped() {
    let fixture = fixture().await;
    let page = fixture.browser(None).sign_in("\"><script>alert(1)</script>", "x").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(!page.text.contains("<script>"), "{}", page.text);
    assert!(page.text.contains("<title>Error: "), "{}", page.text);
    assert!(page.text.contains("aria-describedby=\"error\""), "{}", page.text);
}

#[tokio::test]
async fn a_session_is_new_at_each_sign_in_and_ends_with_the_next() {
    let fixture = fixture().await;
    let mut browser = fixture.browser(Some(7));
    browser.sign_in("ada", PASSWORD).await;
    let mut old = browser.clone();
    // The sign-in form is not shown to whoever is signed in; another window may still have it open.
    let mut other = fixture.browser(Some(7));
    let csrf = other.get("/login").await.hidden("csrf");
    browser.jar.extend(other.jar);
    let fields = [("csrf", &*csrf), ("username", "ada"), ("password", PASSWORD)];
    assert_eq!(browser.post("/login", &fields).await.status, StatusCode::SEE_OTHER);
    assert_ne!(browser.jar["bitrouter_session_4356"], old.jar["bitrouter_session_4356"]);
    assert!(browser.is_signed_in().await && !old.is_signed_in().await);
}

#[tokio::test]
async fn n13_a_session_is_good_for_its_user_and_its_entrance_alone() {
    let settings = Settings { public_url: Some("https://node.example".to_owned()), ..Settings::default() };
    let fixture = Fixture::with(settings).await;
    fixture.person("ada", PASSWORD).await;
    let mut browser = fixture.browser(Some(7));
    browser.sign_in("ada", PASSWORD).await;
    let value = browser.jar["bitrouter_session_4356"].clone();
    let mut thief = browser.clone();
    thief.visitor.uid = Some(8);
    assert!(!thief.is_signed_in().await);
    thief.visitor.uid = None;
    assert!(!thief.is_signed_in().await);
    let mut outside = fixture.browser(None);
    outside.visitor.entrance = Entrance::Public;
    outside.authority = "node.example".to_owned();
    outside.origin = Some("https://node.example".to_owned());
    outside.jar.insert("__Host-bitrouter_session".to_owned(), value);
    assert!(!outside.is_signed_in().await);
    let page = outside.sign_in("ada", PASSWORD).await;
    let cookie = page.headers.get_all("set-cookie").iter().next().unwrap().to_str().unwrap();
    assert!(cookie.starts_with("__Host-bitrouter_session=") && cookie.contains("; Secure"), "{cookie}");
    assert!(outside.is_signed_in().await);
    assert!(browser.is_signed_in().await);
}

#[tokio::test]
async fn sessions_end_when_idle_and_at_last() {
    let fixture = fixture().await;
    let mut browser = fixture.browser(Some(7));
    browser.sign_in("ada", PASSWORD).await;
    for _ in 0..16 {
        assert!(browser.is_signed_in().await);
        fixture.clock.advance(Duration::from_hours(10));
    }
    fixture.clock.advance(Duration::from_hours(10));
    assert!(!browser.is_signed_in().await, "a week is over");
    browser.sign_in("ada", PASSWORD).await;
    fixture.clock.advance(Duration::from_hours(12));
    assert!(!browser.is_signed_in().await, "twelve idle hours");
    let mut unnamed = fixture.browser(None);
    unnamed.sign_in("ada", PASSWORD).await;
    fixture.clock.advance(Duration::from_mins(14));
    assert!(unnamed.is_signed_in().await);
    fixture.clock.advance(Duration::from_mins(15));
    assert!(!unnamed.is_signed_in().await, "the kernel did not say whose browser it is");
}

#[tokio::test]
async fn a_form_of_another_site_is_refused() {
    let fixture = fixture().await;
    let mut browser = fixture.browser(Some(7));
    let csrf = browser.get("/login").await.hidden("csrf");
    let fields = [("csrf", &*csrf), ("username", "ada"), ("password", PASSWORD)];
    for origin in
        [None, Some("http://evil.test"), Some("null"), Some("https://127.0.0.1:4356"), Some("http://127.0.0.1")]
    {
        browser.origin = origin.map(str::to_owned);
        let page = browser.post("/login", &fields).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{origin:?}");
        assert!(page.text.contains("<h1>Nothing was done</h1>"), "{}", page.text);
    }
    browser.origin = Some("http://127.0.0.1:4356".to_owned());
    let page = browser.post("/login", &fields[1..]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "no token");
    let mut other = fixture.browser(Some(7));
    other.get("/login").await;
    assert_eq!(other.post("/login", &fields).await.status, StatusCode::FORBIDDEN, "the token of another browser");
    assert_eq!(browser.post("/login", &fields).await.status, StatusCode::SEE_OTHER);
    let page = browser.post("/logout", &[("csrf", &csrf)]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "the token of the form is not the session's");
    assert!(browser.is_signed_in().await);
}

#[tokio::test]
async fn a_form_is_a_form() {
    let fixture = fixture().await;
    let mut browser = fixture.browser(Some(7));
    let page = browser.post("/login", &[("username", "a"), ("username", "b")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    browser.more.insert("content-type", HeaderValue::from_static("application/json"));
    browser.more.insert("origin", HeaderValue::from_static("http://127.0.0.1:4356"));
    let page = browser.send("POST", "/login", None).await;
    assert_eq!(page.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let fixture = fixture().await;
    let mut browser = fixture.browser(Some(7));
    browser.sign_in("ada", PASSWORD).await;
    let mut kept = browser.clone();
    let csrf = browser.get("/console").await.hidden("csrf");
    let page = browser.post("/logout", &[("csrf", &csrf), ("next", "/oauth/device?user_code=BCDF-GHJK")]).await;
    assert_eq!(page.header("location"), "/login?next=/oauth/device%3Fuser_code%3DBCDF-GHJK");
    assert!(!browser.jar.contains_key("bitrouter_session_4356"));
    assert!(!kept.is_signed_in().await, "not the cookie alone");
}

#[tokio::test]
async fn failures_lock_out_whoever_made_them_with_the_right_password_too() {
    let fixture = fixture().await;
    for name in ["ada", "nobody"] {
        let mut browser = fixture.browser(Some(7));
        for _ in 0..5 {
            assert_eq!(browser.sign_in(name, "wrong password").await.status, StatusCode::UNAUTHORIZED);
        }
        let page = browser.sign_in(name, PASSWORD).await;
        assert_eq!((page.status, page.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"), "{name}");
        let spelt = browser.sign_in(&format!(" {} ", name.to_uppercase()), PASSWORD).await;
        assert_eq!(spelt.status, StatusCode::TOO_MANY_REQUESTS, "{name}");
    }
    assert_eq!(fixture.browser(Some(8)).sign_in("ada", PASSWORD).await.status, StatusCode::SEE_OTHER, "another user");
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(fixture.browser(Some(7)).sign_in("ada", PASSWORD).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn who_has_no_password_cannot_sign_in_with_one() {
    let fixture = fixture().await;
    for password in ["x", "owner", "default password"] {
        assert_eq!(fixture.browser(Some(7)).sign_in("owner", password).await.status, StatusCode::UNAUTHORIZED);
    }
    let mut browser = fixture.browser(Some(7));
    let csrf = browser.get("/login").await.hidden("csrf");
    let page = browser.post("/login", &[("csrf", &csrf), ("username", "owner"), ("password", "")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn n19_another_password_ends_every_web_session() {
    let fixture = fixture().await;
    let mut browser = fixture.browser(Some(7));
    browser.sign_in("ada", PASSWORD).await;
    let new = Password::new("another password".into()).unwrap();
    fixture.node.set_password("ADA", new).await.unwrap();
    assert!(!browser.is_signed_in().await);
    assert_eq!(browser.sign_in("ada", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.sign_in("ada", "another password").await.status, StatusCode::SEE_OTHER);
}

bitrouter_test_postgres::once_more_on_postgres!(
    a_name_and_a_password_make_a_session_and_a_default_namespace,
    a_session_is_new_at_each_sign_in_and_ends_with_the_next,
    sessions_end_when_idle_and_at_last,
    n19_another_password_ends_every_web_session,
);
