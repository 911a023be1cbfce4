//! P6: a web page that the user happens to open can neither spend nor read anything. (The class of RUSTSEC-2026-0140.)

use bitrouter_tests::{InferenceFixture, MODEL};

#[test]
fn p06_foreign_origins_are_refused() {
    let fixture = InferenceFixture::new();
    let port = fixture.daemon.port();
    let table = [
        (format!("http://127.0.0.1:{port}"), true),
        // Another spelling of this machine is another page to a browser.
        (format!("http://localhost:{port}"), false),
        (format!("http://[::1]:{port}"), false),
        ("null".to_owned(), false),
        ("http://evil.example".to_owned(), false),
        ("https://evil.example".to_owned(), false),
        ("http://127.0.0.1".to_owned(), false),
        ("http://127.0.0.1:1".to_owned(), false),
        (format!("https://localhost:{port}"), false),
        (format!("http://localhost.evil.example:{port}"), false),
        (format!("http://localhost:{port}/"), false),
        ("file://".to_owned(), false),
        ("chrome-extension://abcdef".to_owned(), false),
        (String::new(), false),
    ];
    for (origin, allowed) in table {
        let answer = fixture.http().chat(MODEL, "x").header("origin", &origin).send();
        if allowed {
            assert_eq!(answer.status, 200, "`{origin}`: {}", answer.text());
        } else {
            assert_eq!(answer.status, 403, "`{origin}`: {}", answer.text());
            answer.refused(403, "origin_not_allowed");
        }
        assert_ne!(answer.header("access-control-allow-origin"), Some("*"), "{origin}");
    }
    assert_eq!(fixture.provider.count(), 1);
}

#[test]
fn p06_sec_fetch_site_must_be_our_own() {
    let fixture = InferenceFixture::new();
    for (site, allowed) in [
        ("same-origin", true),
        ("none", true),
        ("cross-site", false),
        ("same-site", false),
        ("unheard-of", false),
        ("NONE", false),
        ("", false),
    ] {
        let answer = fixture.http().chat(MODEL, "x").header("sec-fetch-site", site).send();
        assert_eq!(answer.status == 200, allowed, "`{site}`: {} {}", answer.status, answer.text());
        if !allowed {
            answer.refused(403, "origin_not_allowed");
        }
    }
    // Node's clients send the mode alone.
    fixture.http().chat(MODEL, "x").header("sec-fetch-mode", "cors").send().ok();
    assert_eq!(fixture.provider.count(), 3);
}

#[test]
fn p06_what_a_page_can_send_without_asking_is_refused() {
    let fixture = InferenceFixture::new();
    let body = r#"{"model":"openai:m","messages":[]}"#;
    let post = || fixture.http().post("/v1/chat/completions");
    let evil = |call: bitrouter_tests::http::Call| {
        call.header("origin", "http://evil.example").header("sec-fetch-site", "cross-site")
    };
    // A no-cors post, a form post, a post of a file: the content types that need no preflight.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        evil(post().header("content-type", kind).body(body)).send().refused(403, "origin_not_allowed");
        post().header("content-type", kind).body(body).send().refused(415, "unsupported_media_type");
    }
    // An image, a script, a WebSocket.
    for path in ["/v1/models", "/v1/chat/completions", "/metrics"] {
        fixture.http().get(path).header("sec-fetch-site", "cross-site").send().refused(403, "origin_not_allowed");
    }
    let socket = fixture.http().get("/v1/responses").header("origin", "http://evil.example");
    let socket = socket.header("connection", "Upgrade").header("upgrade", "websocket");
    socket.send().refused(403, "origin_not_allowed");
    assert_eq!(fixture.provider.count(), 0);
}

#[test]
fn p06_a_preflight_from_elsewhere_gets_no_permission() {
    let fixture = InferenceFixture::new();
    let preflight = |origin: &str| {
        let call = fixture.http().request("OPTIONS", "/v1/chat/completions").header("origin", origin);
        call.header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type")
            .send()
    };
    let answer = preflight("http://evil.example");
    answer.refused(403, "origin_not_allowed");
    assert!(!answer.headers.iter().any(|(name, _)| name.starts_with("access-control-")), "{:?}", answer.headers);
}

#[test]
fn p06_an_allowed_origin_is_named_exactly() {
    let fixture = InferenceFixture::with("[server]\nallow_origins = [\"https://app.example\"]\n");
    let origin = "https://app.example";
    let call = fixture.http().chat(MODEL, "x").header("origin", origin).header("sec-fetch-site", "cross-site");
    let answer = call.send();
    if answer.status == 200 {
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_ne!(answer.header("access-control-allow-credentials"), Some("true"));
    }
    for (site, allowed) in [
        ("cross-site", true),
        ("same-site", true),
        ("same-origin", true),
        ("none", true),
        ("bogus", false),
        ("", false),
        ("NONE", false),
        ("none, cross-site", false),
    ] {
        let answer = fixture.http().chat(MODEL, "x").header("origin", origin).header("sec-fetch-site", site).send();
        if allowed {
            answer.ok();
        } else {
            answer.refused(403, "origin_not_allowed");
        }
    }
    let answer = fixture.http().chat(MODEL, "x").header("origin", origin).send().ok();
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    for other in ["https://app.example.evil", "http://app.example", "https://app.example:444", "https://APP.example."] {
        fixture.http().chat(MODEL, "x").header("origin", other).send().refused(403, "origin_not_allowed");
    }
}

#[test]
fn p06_nothing_on_this_port_changes_the_daemon() {
    let fixture = InferenceFixture::new();
    for path in
        ["/reload", "/stop", "/shutdown", "/quitquitquit", "/log", "/loglevel", "/env", "/debug/pprof/", "/config"]
    {
        for method in ["GET", "POST"] {
            let call = fixture.http().request(method, path);
            let call = if method == "POST" { call.json("{}") } else { call };
            call.send().refused(404, "not_found");
        }
    }
    fixture.http().get("/health").send().ok();
}
