//! RUSTSEC-2026-0140 (dynoxide): `Host` alone is not enough. A foreign page sends a "no-cors" request straight to
//! loopback, with a correct `Host`; what betrays it is `Origin`, `Sec-Fetch-Site`, and a content type that needs no
//! preflight.

use bitrouter_tests::{InferenceFixture, MODEL, http::Call};

/// The headers of a browser for a page elsewhere.
fn from_a_page(call: Call, origin: Option<&str>, site: &str, mode: &str) -> Call {
    let call = call.header("sec-fetch-site", site).header("sec-fetch-mode", mode).header("sec-fetch-dest", "empty");
    match origin {
        Some(origin) => call.header("origin", origin),
        None => call,
    }
}

#[test]
fn rustsec_2026_0140_a_cross_origin_request_with_the_right_host_spends_nothing() {
    let fixture = InferenceFixture::new();
    let body = r#"{"model":"openai:m","messages":[]}"#;
    let before = super::refusals(&fixture.daemon, "origin_not_allowed");
    let mut sent = 0;
    for kind in [
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b",
        "application/json",
    ] {
        for (origin, site) in [
            (Some("http://evil.test"), "cross-site"),
            (Some("null"), "cross-site"),
            (Some("http://localhost:1"), "same-site"),
            (None, "cross-site"),
            (None, "same-site"),
            (Some("http://evil.test"), "none"),
        ] {
            let call = fixture.http().post("/v1/chat/completions").header("content-type", kind).body(body);
            let answer = from_a_page(call, origin, site, "no-cors").send();
            answer.refused(403, "origin_not_allowed");
            assert!(answer.header("access-control-allow-origin").is_none(), "{kind} {origin:?} {site}");
            sent += 1;
        }
    }
    // Where a browser says nothing of itself, the content type still tells a form from a program.
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "application/jsonx", ""]
    {
        let call = fixture.http().post("/v1/chat/completions").header("content-type", kind).body(body);
        call.send().refused(415, "unsupported_media_type");
    }
    assert_eq!(super::refusals(&fixture.daemon, "origin_not_allowed") - before, sent);
    assert_eq!(fixture.provider.count(), 0);
    fixture.http().chat(MODEL, "x").send().ok();
}
