//! CVE-2024-28224 (Ollama): a page rebinds its own name to loopback and then reads and spends as if it were local. The
//! browser sends the page's name as `Host`; that is what gives it away. The same attack in a real browser: the
//! binary `browser`.

use bitrouter_tests::{InferenceFixture, MODEL};

#[test]
fn cve_2024_28224_a_rebound_name_reads_and_spends_nothing() {
    let fixture = InferenceFixture::new();
    let port = fixture.daemon.port();
    let before = super::refusals(&fixture.daemon, "host_not_allowed");
    let mut sent = 0;
    for host in [
        format!("evil.test:{port}"),
        format!("localhost.evil.test:{port}"),
        format!("127.0.0.1.evil.test:{port}"),
        format!("127.0.0.1:{port}.evil.test"),
        format!("evil.test@127.0.0.1:{port}"),
        format!("localhost.:{port}"),
        format!("0x7f000001:{port}"),
        format!("2130706433:{port}"),
        format!("127.1:{port}"),
        "evil.test".to_owned(),
    ] {
        for call in [
            fixture.http().chat(MODEL, "x"),
            fixture.http().get("/v1/models"),
            fixture.http().get("/metrics"),
            fixture.http().get("/health"),
            fixture.http().request("OPTIONS", "/v1/chat/completions"),
        ] {
            let answer = call.host(&host).send();
            assert_eq!(answer.status, 403, "{host}: {}", answer.text());
            assert!(!answer.headers.iter().any(|(name, _)| name.starts_with("access-control-")), "{host}");
            sent += 1;
        }
    }
    assert_eq!(fixture.provider.count(), 0);
    assert_eq!(super::refusals(&fixture.daemon, "host_not_allowed") - before, sent);
}
