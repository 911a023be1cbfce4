//! Which headers go up and which come back.

use bitrouter_tests::{InferenceFixture, MODEL, Reply};

#[test]
fn what_identifies_the_caller_stays_here_and_the_rest_goes_up() {
    // A web page's own server on this machine, which passes on what it was sent.
    let fixture = InferenceFixture::with("[node]\ntrusted_proxies = [\"127.0.0.1\", \"::1\"]\n");
    let own = format!("http://{}", fixture.daemon.addr());
    let kept = [
        ("user-agent", "OpenAI/Python 9"),
        ("accept", "application/json"),
        ("openai-organization", "org-x"),
        ("openai-beta", "assistants=v2"),
        ("x-stainless-lang", "python"),
        ("idempotency-key", "abc"),
        ("x-custom", "ä b"),
    ];
    let dropped = [
        ("cookie", "drop-cookie"),
        ("authorization", "Bearer drop-authorization"),
        ("x-api-key", "drop-authorization"),
        ("x-goog-api-key", "drop-authorization"),
        ("origin", own.as_str()),
        ("referer", "http://drop-referer/"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "drop-mode"),
        ("sec-ch-ua", "drop-ua"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "drop-proto"),
        ("accept-encoding", "gzip, drop-encoding"),
        ("connection", "keep-alive, x-hop"),
        ("x-hop", "drop-hop"),
        ("keep-alive", "timeout=drop-keep"),
        ("te", "trailers"),
        ("proxy-authorization", "drop-proxy"),
        ("proxy-connection", "drop-proxy"),
    ];
    let call = fixture.http().chat(MODEL, "x");
    let call = kept.iter().chain(&dropped).fold(call, |call, (name, value)| call.header(name, value));
    call.send().ok();

    let exchange = fixture.provider.exchange(0);
    let head = String::from_utf8_lossy(&exchange.request.head).into_owned();
    for (name, value) in kept {
        assert_eq!(exchange.request.header(name), Some(value), "{name}\n{head}");
    }
    assert!(!head.contains("drop-"), "{head}");
    for name in [
        "cookie",
        "origin",
        "referer",
        "x-api-key",
        "x-goog-api-key",
        "x-hop",
        "keep-alive",
        "te",
        "x-forwarded-for",
        "x-forwarded-proto",
    ] {
        assert_eq!(exchange.request.header(name), None, "{name}\n{head}");
    }
    assert!(!exchange.request.headers.iter().any(|(name, _)| name.starts_with("sec-")), "{head}");
    let addr = fixture.provider.addr().to_string();
    assert_eq!(exchange.request.header("host"), Some(addr.as_str()));
    assert_eq!(exchange.request.key(), Some(fixture.key.as_str()));
    assert_eq!(exchange.request.headers.iter().filter(|(name, _)| name == "authorization").count(), 1);
}

#[test]
fn p03_a_key_in_the_query_is_dropped_and_other_parameters_are_not() {
    let fixture = InferenceFixture::new();
    let body = r#"{"model":"openai:m","messages":[]}"#;
    fixture.http().post("/v1/chat/completions?key=drop-me&beta=true").json(body).send().ok();
    let target = fixture.provider.exchange(0).request.target.clone();
    assert!(target.starts_with("/v1/chat/completions") && !target.contains("drop-me"), "{target}");
    assert!(target.contains("beta=true"), "{target}");
    for (number, name) in ["k%65y", "%6b%65%79", "%6B%65%79", "KEY", "%4bey", "key%"].into_iter().enumerate() {
        let path = format!("/v1/chat/completions?a=1&{name}=drop-me&b=%2F");
        fixture.http().post(&path).json(body).send().ok();
        let target = fixture.provider.exchange(number + 1).request.target.clone();
        let expected = if name == "key%" { "?a=1&key%=drop-me&b=%2F" } else { "?a=1&b=%2F" };
        assert_eq!(target, format!("/v1/chat/completions{expected}"), "{name}");
    }
}

#[test]
fn what_the_provider_says_comes_back_but_for_cookies_and_hops() {
    let fixture = InferenceFixture::new();
    let headers = [
        ("content-type", "application/json"),
        ("x-ratelimit-remaining-requests", "9"),
        ("openai-processing-ms", "12"),
        ("x-request-id", "req_upstream"),
        ("set-cookie", "a=drop-cookie"),
        ("connection", "keep-alive, x-hop"),
        ("x-hop", "drop-hop"),
        ("keep-alive", "timeout=drop-keep"),
        ("proxy-authenticate", "drop-proxy"),
    ];
    fixture.provider.next(Reply::with(200, &headers, "{}"));
    let answer = fixture.http().chat(MODEL, "x").send().ok();
    for (name, value) in &headers[..4] {
        assert_eq!(answer.header(name), Some(*value), "{:?}", answer.headers);
    }
    assert!(!answer.headers.iter().any(|(_, value)| value.contains("drop-")), "{:?}", answer.headers);
    let id = answer.header("x-bitrouter-request-id").expect("a request id");
    assert!(id.starts_with("req_"), "{id}");
}

#[test]
fn every_answer_has_a_request_id_and_a_good_one_of_the_caller_is_kept() {
    let fixture = InferenceFixture::new();
    let mut seen = std::collections::BTreeSet::new();
    let calls = [
        fixture.http().chat(MODEL, "x"),
        fixture.http().chat("nope", "x"),
        fixture.http().get("/v1/models"),
        fixture.http().get("/nowhere"),
        fixture.http().chat(MODEL, "x").host("evil.example"),
        fixture.http().chat(MODEL, "x").header("x-bitrouter-request-id", "not good!"),
    ];
    for call in calls {
        let answer = call.send();
        let id = answer.header("x-bitrouter-request-id").map(str::to_owned);
        let id = id.unwrap_or_else(|| panic!("no request id: {} {}", answer.status, answer.text()));
        assert!(id.starts_with("req_") && seen.insert(id.clone()), "{id}");
    }
    let answer = fixture.http().chat(MODEL, "x").header("x-bitrouter-request-id", "mine_1-2").send().ok();
    assert_eq!(answer.header("x-bitrouter-request-id"), Some("mine_1-2"));
}

#[test]
fn our_own_answers_are_not_to_be_cached_or_sniffed() {
    let fixture = InferenceFixture::new();
    for path in ["/health", "/ping", "/v1/models", "/v1/models/nope", "/metrics", "/nowhere"] {
        let answer = fixture.http().get(path).send();
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        let policy = answer.header("content-security-policy");
        assert_eq!(policy, Some("default-src 'none'; frame-ancestors 'none'"), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
        assert_eq!(answer.header("server"), None, "{path}");
    }
}

#[test]
fn a_reply_with_many_headers_comes_back_whole() {
    let fixture = InferenceFixture::new();
    let names: Vec<String> = (0..200).map(|number| format!("x-header-{number}")).collect();
    let mut headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
    headers.push(("content-type", "application/json"));
    fixture.provider.next(Reply::with(200, &headers, "{}"));
    let answer = fixture.http().chat(MODEL, "x").send().ok();
    assert!(names.iter().all(|name| answer.header(name) == Some("v")), "{} headers", answer.headers.len());
}
