//! The one-time link of the node's owner.

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use secrecy::ExposeSecret as _;

use super::Fixture;

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
