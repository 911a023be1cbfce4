//! The one-time link of the node's owner, and what a person does in the console.

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use secrecy::ExposeSecret as _;

use super::{Browser, Fixture};

fn link(fixture: &Fixture, uid: Option<u32>) -> String {
    fixture.node.console_link(uid).path.expose_secret().to_owned()
}

#[tokio::test]
async fn a_link_signs_the_owner_in_once() {
    let fixture = Fixture::new().await;
    let link = link(&fixture, Some(7));
    let mut browser = fixture.browser(Some(7));
    let page = browser.get(&link).await;
    assert_eq!((page.status, page.header("location")), (StatusCode::SEE_OTHER, "/console"), "{}", page.text);
    let page = browser.get("/console").await;
    assert!(page.status == StatusCode::OK && page.text.contains("<span>owner</span>"), "{}", page.text);
    let page = fixture.browser(Some(7)).get(&link).await;
    assert_eq!(page.status, StatusCode::GONE);
    assert!(page.headers.get("set-cookie").is_none());
    assert!(page.text.contains("Run <code>bitrouter console</code> again."), "{}", page.text);
}

#[tokio::test]
async fn n16_neither_a_scanner_nor_a_stranger_nor_time_leaves_a_link_that_works_for_others() {
    let fixture = Fixture::new().await;
    let link = link(&fixture, Some(7));
    let mut browser = fixture.browser(Some(7));
    assert!(browser.send("HEAD", &link, None).await.headers.get("set-cookie").is_none());
    browser.more.insert("sec-purpose", HeaderValue::from_static("prefetch"));
    browser.more.insert("sec-fetch-mode", HeaderValue::from_static("navigate"));
    let page = browser.get(&link).await;
    assert!(page.status == StatusCode::OK && page.headers.get("set-cookie").is_none());
    assert!(page.text.contains("Nothing has happened yet"));
    assert_eq!(fixture.browser(Some(8)).get(&link).await.status, StatusCode::GONE);
    fixture.clock.advance(Duration::from_secs(59));
    browser.more.remove("sec-purpose");
    assert_eq!(browser.get(&link).await.status, StatusCode::SEE_OTHER, "none of them has spent it");
    let late = self::link(&fixture, Some(7));
    fixture.clock.advance(Duration::from_mins(1));
    assert_eq!(fixture.browser(Some(7)).get(&late).await.status, StatusCode::GONE);
}

const PASSWORD: &str = "correct horse";

async fn ada(fixture: &Fixture) -> (Browser, String) {
    fixture.person("ada", PASSWORD).await;
    let mut ada = fixture.browser(Some(7));
    ada.sign_in("ada", PASSWORD).await;
    let csrf = ada.get("/console").await.hidden("csrf");
    (ada, csrf)
}

/// The address of the page of the namespace that stands at this place.
async fn namespace(browser: &mut Browser, place: usize) -> String {
    let page = browser.get("/console").await;
    page.text.split("<a class=\"button quiet\" href=\"").nth(place + 1).unwrap().split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn namespaces_are_made_renamed_and_deleted_with_confirmation() {
    let fixture = Fixture::new().await;
    let (mut ada, csrf) = ada(&fixture).await;
    let page = ada.post("/console/namespaces", &[("csrf", &csrf), ("name", " work ")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.text);
    let page = ada.post("/console/namespaces", &[("csrf", &csrf), ("name", "work")]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let page = ada.post("/console/namespaces", &[("csrf", &csrf), ("name", "work")]).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(page.text.contains("There is a namespace “work” already."), "{}", page.text);
    assert_eq!(ada.post("/console/namespaces", &[("csrf", &csrf), ("name", "\u{202e}")]).await.status, 400);
    let work = namespace(&mut ada, 1).await;
    let page = ada.post(&format!("{work}/rename"), &[("csrf", &csrf), ("name", "default")]).await;
    assert_eq!(page.status, StatusCode::CONFLICT, "{}", page.text);
    let page = ada.post(&format!("{work}/rename"), &[("csrf", &csrf), ("name", "<b>play</b>")]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    assert!(ada.get("/console").await.text.contains("&#60;b&#62;play&#60;/b&#62;"));
    let page = ada.post(&format!("{work}/delete"), &[("csrf", &csrf)]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "not confirmed");
    assert_eq!(ada.post(&format!("{work}/delete"), &[("confirm", "yes")]).await.status, StatusCode::FORBIDDEN);
    let page = ada.post(&format!("{work}/delete"), &[("csrf", &csrf), ("confirm", "yes")]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    assert_eq!(ada.get(&work).await.status, StatusCode::NOT_FOUND);
    let last = namespace(&mut ada, 0).await;
    assert!(ada.get(&last).await.text.contains("It is your only namespace"));
    let page = ada.post(&format!("{last}/delete"), &[("csrf", &csrf), ("confirm", "yes")]).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn n24_what_is_anothers_is_not_there() {
    let fixture = Fixture::new().await;
    let (mut ada, csrf) = ada(&fixture).await;
    let mut owner = fixture.browser(Some(7));
    owner.get(&link(&fixture, Some(7))).await;
    let theirs = namespace(&mut owner, 0).await;
    assert_eq!(ada.get(&theirs).await.status, StatusCode::NOT_FOUND);
    for (verb, field) in [("rename", ("name", "mine")), ("delete", ("confirm", "yes"))] {
        let page = ada.post(&format!("{theirs}/{verb}"), &[("csrf", &csrf), field]).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{verb}");
    }
    assert!(owner.get("/console").await.text.contains("<strong>default</strong>"));
    assert_eq!(ada.get("/console/namespaces/default").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn other_browsers_are_signed_out_and_this_one_stays() {
    let fixture = Fixture::new().await;
    let (mut ada, csrf) = ada(&fixture).await;
    assert!(!ada.get("/console").await.text.to_lowercase().contains("other browser"));
    let mut other = fixture.browser(Some(8));
    other.sign_in("ada", PASSWORD).await;
    let page = ada.get("/console").await;
    assert!(
        page.text.contains("<strong>This browser</strong>")
            && page.text.matches("<strong>Another browser<").count() == 1
    );
    let page = ada.post("/console/browsers/end", &[("csrf", &csrf)]).await;
    assert_eq!((page.status, page.header("location")), (StatusCode::SEE_OTHER, "/console?done=browsers"));
    assert!(
        ada.get("/console?done=browsers").await.text.contains("role=\"status\">All other browsers were signed out.")
    );
    assert!(ada.is_signed_in().await && !other.is_signed_in().await);
}

#[tokio::test]
async fn each_browser_that_is_signed_out_is_a_line_in_the_log_of_revocations() {
    let fixture = Fixture::new().await;
    let (mut ada, csrf) = ada(&fixture).await;
    let mut other = fixture.browser(Some(8));
    other.sign_in("ada", PASSWORD).await;
    ada.post("/console/browsers/end", &[("csrf", &csrf)]).await;
    ada.post("/logout", &[("csrf", &csrf)]).await;
    let log = fixture.revoked();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(" web_session ")).collect();
    assert_eq!(lines.len(), 2, "one for each: {log}");
}

#[tokio::test]
async fn only_fixed_sentences_say_what_was_done() {
    let fixture = Fixture::new().await;
    let (mut ada, _) = ada(&fixture).await;
    assert!(ada.get("/console?done=created").await.text.contains("role=\"status\">The namespace was created."));
    for other in ["", "evil", "%3Cb%3E", "created&done=created"] {
        let page = ada.get(&format!("/console?done={other}")).await;
        assert!(page.status == StatusCode::OK && !page.text.contains("role=\"status\""), "{other}: {}", page.text);
    }
}

#[tokio::test]
async fn there_is_a_page_also_where_there_is_none() {
    let fixture = Fixture::new().await;
    let mut browser = fixture.browser(Some(7));
    for path in ["/console/nowhere", "/login/x", "/logout/x", "/console/"] {
        let page = browser.get(path).await;
        assert_eq!((page.status, page.header("content-type")), (StatusCode::NOT_FOUND, "text/html; charset=utf-8"));
    }
    assert_eq!(browser.get("/consoles").await.header("content-type"), "application/json");
    assert_eq!(browser.get("/logout").await.header("location"), "/login");
    let (mut ada, csrf) = ada(&fixture).await;
    assert!(ada.get("/logout").await.text.contains("<h1>Sign out?</h1>"));
    assert!(ada.is_signed_in().await, "looking signs nobody out");
    let page = ada.post("/logout", &[("csrf", &csrf)]).await;
    assert!(ada.get(page.header("location")).await.text.contains("You are signed out"), "{page:?}");
}
