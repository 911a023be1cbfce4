//! What becomes of a connection on which other dialects are spoken: bodies that nobody asked for, tries to speak something
//! else, pages that may call.

use bitrouter_tests::{dialects::Vendor, http::Call};

use super::{
    cast::Cast,
    listed::{LIST, of_each_dialect},
    voice::Voice,
};

#[test]
fn p13_a_websocket_is_told_at_once_that_there_is_none() {
    let cast = Cast::new();
    let upgrade = |call: Call| {
        call.header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    for path in ["/v1/responses", "/v1/responses?model=openai:m", "//v1//responses"] {
        let answer = upgrade(cast.http().get(path)).send();
        Voice::OpenAi.refused(&answer, 426, "upgrade_required");
        assert_eq!(answer.header("upgrade"), Some("HTTP/1.1"));
    }
    // An upgrade elsewhere is a request like any other.
    for line in of_each_dialect() {
        let (exchange, _) = cast.arrives(line, upgrade(cast.call(line)));
        assert_eq!((exchange.request.header("upgrade"), exchange.request.header("sec-websocket-key")), (None, None));
    }
}

#[test]
fn a_body_that_nobody_asked_for_goes_nowhere_and_spoils_no_connection() {
    let cast = Cast::new();
    let inner = "GET /v1/responses/resp_smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
    for line in LIST.iter().filter(|line| line.method != "POST") {
        for chunked in [false, true] {
            let call = cast.http().request(line.method, line.path).json(inner);
            let call = if chunked { call.chunked(5) } else { call };
            let before = cast.provider(Vendor::OpenAi).count();
            let (answer, stream) = call.on(cast.http().connect()).finish_keeping();
            assert_eq!(answer.status, 200, "{} {}: {}", line.method, line.path, answer.text());
            let request = &cast.provider(Vendor::OpenAi).exchange(before).request;
            assert!(request.body.is_empty() && request.target == line.target, "{}", request.target);
            assert_eq!((request.header("content-length"), request.header("transfer-encoding")), (None, None));
            if answer.header("connection") != Some("close") {
                cast.http().get("/health").on(stream).finish().ok();
            }
            assert_eq!(cast.provider(Vendor::OpenAi).count(), before + 1);
        }
    }
}

#[test]
fn one_connection_speaks_every_dialect_in_turn() {
    let cast = Cast::new();
    let mut stream = cast.http().connect();
    for _ in 0..3 {
        for line in &LIST {
            let before = cast.provider(line.vendor).count();
            let (answer, same) = cast.call(line).on(stream).finish_keeping();
            stream = same;
            assert_eq!(answer.ok().text(), "{}", "{} {}", line.method, line.path);
            assert_eq!(cast.provider(line.vendor).exchange(before).request.target, line.target);
        }
        let (answer, same) = cast.http().get("/v1/messages/nowhere").on(stream).finish_keeping();
        stream = same;
        Voice::Anthropic.refused(&answer, 404, "not_found");
    }
}

#[test]
fn p06_a_page_that_may_call_may_call_every_line() {
    let cast = Cast::with("[server]\nallow_origins = [\"https://app.example\"]\n");
    for line in &LIST {
        let ask = |origin: &str| {
            let call = cast.http().request("OPTIONS", line.path).header("origin", origin);
            let wanted = "content-type, x-api-key, anthropic-version, x-goog-api-key, authorization";
            call.header("access-control-request-method", line.method)
                .header("access-control-request-headers", wanted)
                .send()
        };
        let answer = ask("https://app.example");
        assert_eq!((answer.status, answer.text().as_str()), (204, ""), "{}", line.path);
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
        let methods = answer.header("access-control-allow-methods").unwrap_or_default().to_owned();
        assert!(methods.split(", ").any(|method| method == line.method), "{}: {methods}", line.method);
        let answer = ask("https://evil.example");
        line.voice.refused(&answer, 403, "origin_not_allowed");
        assert!(!answer.headers.iter().any(|(name, _)| name.starts_with("access-control-")), "{:?}", answer.headers);
        // The page reads replies and refusals alike.
        for call in [cast.call(line), cast.http().request("PUT", line.path).json("{}")] {
            let answer = call.header("origin", "https://app.example").header("sec-fetch-site", "cross-site").send();
            assert!(matches!(answer.status, 200 | 405), "{}", answer.text());
            assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"), "{}", line.path);
        }
    }
}

/// A request may name its server in its first line (RFC 9112 §3.2.2), as long as that is the one of its `Host`.
#[test]
fn p06_the_absolute_form_is_the_same_request() {
    let cast = Cast::new();
    let addr = cast.daemon.addr();
    for line in of_each_dialect() {
        let ask = |authority: &str| {
            let head = format!(
                "POST http://{authority}{} HTTP/1.1\r\nhost: {addr}\r\ncontent-type: application/json\r\n",
                line.path
            );
            cast.http().raw(format!("{head}content-length: {}\r\n\r\n{}", line.body.len(), line.body))
        };
        let before = cast.provider(line.vendor).count();
        assert_eq!(ask(&addr.to_string()).ok().text(), "{}");
        assert_eq!(cast.provider(line.vendor).exchange(before).request.target, line.target);
        for other in ["evil.example", "127.0.0.1:1", "api.openai.com"] {
            line.voice.refused(&ask(other), 403, "host_not_allowed");
        }
        assert_eq!(cast.provider(line.vendor).count(), before + 1);
    }
}

/// HTTP/1.0 has no chunks, so that a caller who speaks it gets everything until the connection ends.
#[test]
fn a_caller_of_http_1_0_is_served_in_every_dialect() {
    let cast = Cast::new();
    for line in of_each_dialect() {
        let head = format!(
            "POST {} HTTP/1.0\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
            line.path,
            cast.daemon.addr(),
            line.body.len(),
            line.body
        );
        let before = cast.provider(line.vendor).count();
        let answer = cast.http().raw(head);
        assert_eq!((answer.status, answer.text().as_str()), (200, "{}"), "{}", line.path);
        let exchange = cast.provider(line.vendor).exchange(before);
        assert!(exchange.request.head.starts_with(format!("POST {} HTTP/1.1\r\n", line.target).as_bytes()));
    }
}
