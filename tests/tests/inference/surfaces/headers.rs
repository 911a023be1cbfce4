//! Which headers go up and come back in every dialect; what a caller sends as a key goes nowhere.

use super::{
    cast::{Cast, head, headers_with},
    listed::LIST,
};

#[test]
fn what_belongs_to_the_dialect_goes_up() {
    let cast = Cast::new();
    let kept = [
        ("anthropic-beta", "context-1m-2026-08-07,fine-grained-tool-streaming-2025-05-14"),
        ("anthropic-dangerous-direct-browser-access", "true"),
        ("openai-organization", "org-x"),
        ("openai-project", "proj-x"),
        ("openai-beta", "responses=v1"),
        ("x-goog-api-client", "genai-py/3.4"),
        ("x-goog-user-project", "billing-project"),
        ("x-goog-request-params", "model=x"),
        ("x-server-timeout", "600"),
        ("x-stainless-retry-count", "0"),
        ("session-id", "s-1"),
        ("x-codex-turn-state", "t"),
        ("originator", "codex_cli_rs"),
        ("x-session-affinity", "a"),
        ("idempotency-key", "k-1"),
        ("user-agent", "claude-cli/2.1.329 (external, cli)"),
        ("accept", "text/event-stream"),
        ("x-unknown", "Ä; b=\"c\""),
    ];
    for line in &LIST {
        let call = kept.iter().fold(cast.call(line), |call, (name, value)| call.header(name, value));
        let (exchange, _) = cast.arrives(line, call.header("x-twice", "1").header("x-twice", "2"));
        for (name, value) in kept {
            assert_eq!(exchange.request.header(name), Some(value), "{} {}", line.method, line.path);
        }
        let twice: Vec<_> = exchange.request.headers.iter().filter(|(name, _)| name == "x-twice").collect();
        assert_eq!(twice.len(), 2, "{}", line.path);
    }
}

#[test]
fn a_callers_version_wins_over_the_manifests() {
    let cast = Cast::new();
    for line in LIST.iter().filter(|line| line.path.starts_with("/v1/messages")) {
        let versions = |exchange: &bitrouter_tests::provider::Exchange| {
            let named = exchange.request.headers.iter().filter(|(name, _)| name == "anthropic-version");
            named.map(|(_, value)| value.clone()).collect::<Vec<_>>()
        };
        let (exchange, _) = cast.arrives(line, cast.call(line));
        assert_eq!(versions(&exchange), ["2023-06-01"]);
        for version in ["2026-10-21", "2023-01-01", "2099-12-31"] {
            let (exchange, _) = cast.arrives(line, cast.call(line).header("Anthropic-Version", version));
            assert_eq!(versions(&exchange), [version]);
        }
    }
}

#[test]
fn p03_no_key_of_the_callers_goes_up_wherever_it_stands() {
    // What is logged at the lowest level is searched for secrets at the end, too.
    let cast = Cast::with("[log]\nlevel = \"trace\"\n");
    let places = [
        "authorization",
        "x-api-key",
        "x-goog-api-key",
        "api-key",
        "x-auth-token",
        "ocp-apim-subscription-key",
        "x-amz-security-token",
        "proxy-authorization",
        "cookie",
    ];
    for line in &LIST {
        let secret = cast.world.canary("caller");
        let before = cast.arrivals();
        let mut calls: Vec<_> = places.iter().map(|name| cast.call(line).header(name, &secret)).collect();
        calls.push(cast.call(line).bearer(&secret));
        calls.push(cast.call(line).header("authorization", &format!("bearer  {secret} ")));
        calls.push(cast.call(line).header("authorization", &format!("Basic {secret}")));
        for query in
            ["?key=@", "?alt=sse&key=@", "?key=@&beta=true", "?KEY=@", "?%6bey=@", "?k%65y=@&key=@", "?api_key=@"]
        {
            calls.push(cast.call_at(line, &query.replace('@', &secret)));
        }
        let all = places[..4]
            .iter()
            .fold(cast.call_at(line, &format!("?key={secret}")), |call, name| call.header(name, &secret));
        calls.push(all);
        let sent = calls.len();
        for call in calls {
            let (exchange, answer) = cast.arrives(line, call);
            let request = &exchange.request;
            let arrived = [head(request), String::from_utf8_lossy(&request.body).into_owned()].concat();
            assert!(!arrived.contains(&secret), "{} {}: {arrived}", line.method, line.path);
            assert!(!answer.text().contains(&secret));
            let ours = headers_with(request, cast.key(line.vendor));
            assert_eq!(ours.len(), 1, "{} {}", line.method, line.path);
        }
        assert_eq!(cast.arrivals(), before + sent);
    }
}

#[test]
fn what_says_who_and_where_a_caller_is_stays_here() {
    let cast = Cast::with("[node]\ntrusted_proxies = [\"127.0.0.1\", \"::1\"]\n");
    let own = format!("http://{}", cast.daemon.addr());
    let dropped = [
        ("cookie", "drop-me"),
        ("origin", own.as_str()),
        ("referer", "http://drop-me/"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "drop-me"),
        ("sec-ch-ua", "drop-me"),
        ("via", "1.1 drop-me"),
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
        ("x-original-host", "localhost"),
        ("x-goog-fieldmask", "drop-me"),
        ("connection", "keep-alive, x-hop, anthropic-beta"),
        ("x-hop", "drop-me"),
        ("anthropic-beta", "drop-me"),
        ("te", "trailers"),
        ("upgrade", "drop-me"),
        ("accept-encoding", "gzip, drop-me"),
    ];
    for line in &LIST {
        let call = dropped.iter().fold(cast.call(line), |call, (name, value)| call.header(name, value));
        let (exchange, _) = cast.arrives(line, call);
        let head = head(&exchange.request);
        assert!(!head.contains("drop-me"), "{head}");
        let passed_on = ["via", "x-forwarded-for", "forwarded", "x-original-host"];
        let others = ["origin", "referer", "cookie", "x-goog-fieldmask", "te", "upgrade", "x-hop", "sec-fetch-site"];
        for name in passed_on.into_iter().chain(others) {
            assert_eq!(exchange.request.header(name), None, "{name}\n{head}");
        }
        let addr = cast.provider(line.vendor).addr().to_string();
        assert_eq!(exchange.request.header("host"), Some(addr.as_str()));
        assert_eq!(exchange.request.header("accept-encoding"), Some("identity"));
    }
}

/// An address that the user named may lead back here: the call says through whose hands it went.
#[test]
fn a_call_says_through_whose_hands_it_went_in_every_line() {
    let cast = Cast::new();
    let hop = |exchange: &bitrouter_tests::provider::Exchange| {
        exchange.request.header("x-bitrouter-hop").map(str::to_owned).unwrap_or_default()
    };
    for line in &LIST {
        let (exchange, _) = cast.arrives(line, cast.call(line));
        let ours = hop(&exchange);
        assert!(!ours.is_empty(), "{} {}", line.method, line.path);
        let (exchange, _) = cast.arrives(line, cast.call(line).header("x-bitrouter-hop", "one, two"));
        let list: Vec<String> = hop(&exchange).split(',').map(|hop| hop.trim().to_owned()).collect();
        assert_eq!(list, ["one", "two", &ours], "{}", line.path);
        let answer = cast.call(line).header("x-bitrouter-hop", &format!("one, {ours}")).send();
        line.voice.refused(&answer, 508, "loop_detected");
    }
}

#[test]
fn what_the_provider_says_comes_back() {
    let cast = Cast::new();
    let kept = [
        ("request-id", "req_upstream"),
        ("x-request-id", "req_upstream"),
        ("anthropic-organization-id", "org"),
        ("anthropic-ratelimit-requests-remaining", "9"),
        ("anthropic-ratelimit-tokens-reset", "2026-12-01T00:00:00Z"),
        ("openai-processing-ms", "12"),
        ("openai-version", "2020-10-01"),
        ("openai-organization", "org"),
        ("x-ratelimit-limit-requests", "100"),
        ("x-ratelimit-remaining-tokens", "7"),
        ("x-goog-safety-encoding", "base64"),
        ("server-timing", "gfet4t7; dur=12"),
        ("retry-after", "3"),
        ("x-unknown", "a; b"),
    ];
    let dropped = [
        ("set-cookie", "drop-me=1"),
        ("access-control-allow-origin", "*"),
        ("access-control-expose-headers", "drop-me"),
        ("x-bitrouter-request-id", "drop-me"),
        ("x-bitrouter-anything", "drop-me"),
        ("keep-alive", "timeout=5; drop-me"),
        ("connection", "keep-alive, x-hop"),
        ("x-hop", "drop-me"),
    ];
    let error = r#"{"error":{"message":"x"}}"#;
    for line in &LIST {
        for (status, body) in [(200, "{}"), (429, error)] {
            let kind = [("content-type", "application/json; charset=utf-8")];
            let headers: Vec<_> = kind.into_iter().chain(kept).chain(dropped).collect();
            cast.provider(line.vendor).next(bitrouter_tests::Reply::with(status, &headers, body));
            let answer = cast.call(line).send();
            assert_eq!((answer.status, answer.text().as_str()), (status, body), "{} {}", line.method, line.path);
            for (name, value) in kind.into_iter().chain(kept) {
                assert_eq!(answer.header(name), Some(value), "{} {status} {name}", line.path);
            }
            assert!(!answer.headers.iter().any(|(_, value)| value.contains("drop-me")), "{:?}", answer.headers);
            assert_eq!(answer.header("access-control-allow-origin"), None, "{}", line.path);
        }
    }
}
