//! CVE-2025-66414 (the TypeScript SDK of the Model Context Protocol): protection against rebinding existed and was off
//! by default. Ours has no switch: without a word in the settings it holds, and what a user allows is exact.

use bitrouter_tests::{InferenceFixture, MODEL};

#[test]
fn cve_2025_66414_the_protection_needs_no_setting() {
    let fixture = InferenceFixture::new();
    fixture.http().chat(MODEL, "x").host("evil.test").send().refused(403, "host_not_allowed");
    fixture
        .http()
        .chat(MODEL, "x")
        .host(&format!("evil.test:{}", fixture.daemon.port()))
        .send()
        .refused(403, "host_not_allowed");
    assert_eq!(fixture.provider.count(), 0);
}

#[test]
fn cve_2025_66414_an_allowed_host_allows_itself_only() {
    let fixture = InferenceFixture::with("[server]\nallow_hosts = [\"proxy.test\"]\n");
    let port = fixture.daemon.port();
    fixture.http().get("/health").host(&format!("proxy.test:{port}")).send().ok();
    // Whoever comes by that name is a stranger.
    let stranger = fixture.http().chat(MODEL, "x").host(&format!("proxy.test:{port}"));
    stranger.send().refused(401, "api_key_required");
    for host in [
        format!("x.proxy.test:{port}"),
        format!("proxy.test.evil:{port}"),
        format!("proxy.test:{}", port ^ 1),
        format!("xproxy.test:{port}"),
    ] {
        fixture.http().chat(MODEL, "x").host(&host).send().refused(403, "host_not_allowed");
    }
    // A name that may be a host is no origin that may call.
    let foreign = fixture.http().chat(MODEL, "x").header("origin", &format!("http://proxy.test:{}", port ^ 1)).send();
    foreign.refused(403, "origin_not_allowed");
    assert_eq!(fixture.provider.count(), 0);
}

#[test]
fn cve_2025_66414_no_setting_opens_every_host() {
    for all in ["*", "*:*", "", "0.0.0.0/0", "http://evil.test"] {
        let world = bitrouter_tests::World::new();
        world.config(&format!("[server]\nlisten = \"127.0.0.1:0\"\nallow_hosts = [\"{all}\"]\n"));
        let mut process = world.serve().arg("--demo").listen_as_configured().spawn();
        bitrouter_tests::wait::holds("an end or an answer", || {
            process.status().is_some() || world.daemon_file().is_some()
        });
        if process.status().is_some() {
            process.stderr().ends_within(bitrouter_tests::wait::PATIENCE);
            assert!(process.stderr().text().contains("allow_hosts"), "`{all}`: {}", process.stderr().text());
            continue;
        }
        let daemon = world.detached();
        daemon
            .http()
            .chat("demo/echo", "x")
            .host(&format!("evil.test:{}", daemon.port()))
            .send()
            .refused(403, "host_not_allowed");
    }
}
