//! CVE-2025-49596 (MCP Inspector): a local proxy listened on every address, asked nobody who they were, and ran
//! commands for any page in the browser; `0.0.0.0` reached it past other checks.

use bitrouter_tests::{InferenceFixture, MODEL};

#[test]
fn cve_2025_49596_the_zero_address_is_neither_listened_on_nor_a_name_of_ours() {
    let fixture = InferenceFixture::new();
    let port = fixture.daemon.port();
    for host in
        [format!("0.0.0.0:{port}"), format!("[::]:{port}"), format!("0:{port}"), format!("[::ffff:127.0.0.1]:{port}")]
    {
        fixture.http().chat(MODEL, "x").host(&host).send().refused(403, "host_not_allowed");
        fixture.http().get("/v1/models").host(&host).send().refused(403, "host_not_allowed");
    }
    for origin in [format!("http://0.0.0.0:{port}"), "http://0.0.0.0".to_owned()] {
        fixture.http().chat(MODEL, "x").header("origin", &origin).send().refused(403, "origin_not_allowed");
    }
    assert_eq!(fixture.provider.count(), 0);
    let listening = super::socket::listening(&fixture.daemon);
    assert!(!listening.is_empty());
    for one in listening {
        assert!(one.is_loopback(), "it listens on {}", one.address);
    }
}

#[test]
fn cve_2025_49596_no_route_runs_or_changes_anything() {
    let fixture = InferenceFixture::new();
    let before = fixture.daemon.status();
    for path in [
        "/sse?transportType=stdio&command=touch&args=/tmp/x",
        "/stdio?command=id",
        "/message",
        "/config",
        "/shutdown",
        "/stop",
        "/reload",
        "/restart",
        "/exec",
        "/debug/pprof/",
        "/log/level",
        "/api/create",
        "/api/push",
        "/api/pull",
    ] {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let call = fixture.http().request(method, path);
            let answer = if method == "GET" { call.send() } else { call.json("{}").send() };
            assert!(matches!(answer.status, 404 | 405), "{method} {path}: {} {}", answer.status, answer.text());
            answer.error();
        }
    }
    let after = fixture.daemon.status();
    assert_eq!((&after["pid"], &after["reloads"]), (&before["pid"], &before["reloads"]));
    assert_eq!(fixture.provider.count(), 0);
}
