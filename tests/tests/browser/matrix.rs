//! Everything a page can try from its own origin: fetches of every mode, forms, images, scripts, frames, sockets,
//! workers, opaque origins. First against a server that permits everything, so that it is known what the page can do.

use std::collections::BTreeSet;

use bitrouter_tests::{
    InferenceFixture, Provider, Reply, World,
    browser::{ATTACKER, Browser},
};
use serde_json::Value;

use super::{Attacker, refusals};

const PAGE: &str = include_str!("matrix.html");

/// Lets the page loose on `host:port` and returns its report.
#[track_caller]
fn attack(world: &World, host: &str, port: u16) -> Value {
    let attacker = Attacker::serving(PAGE, |_| None);
    let url = format!("http://{ATTACKER}:{}/?host={host}&port={port}", attacker.port());
    let browser = Browser::open(world, &url);
    let report = attacker.report();
    drop(browser);
    report
}

/// A server that permits everything.
fn permissive() -> Provider {
    let server = Provider::start();
    server.always(|request| {
        let origin = request.header("origin").unwrap_or("*").to_owned();
        let asked = request.header("access-control-request-headers").unwrap_or("content-type").to_owned();
        let kind = if request.target.starts_with("/v1/models") { "text/javascript" } else { "text/event-stream" };
        let headers = [
            ("content-type", kind),
            ("access-control-allow-origin", origin.as_str()),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-headers", asked.as_str()),
            ("access-control-allow-methods", "GET, POST"),
            ("access-control-allow-private-network", "true"),
        ];
        Reply::with(200, &headers, "/* read me */\n\n")
    });
    server
}

/// The names of the tries that arrived.
fn arrived(server: &Provider) -> BTreeSet<String> {
    let targets = (0..server.count()).map(|number| server.exchange(number).request.target.clone());
    targets.filter_map(|target| Some(target.split("attack=").nth(1)?.split('&').next()?.to_owned())).collect()
}

#[test]
fn p06_the_page_can_do_to_a_permissive_server_what_it_tries() {
    let world = World::new();
    let server = permissive();
    let report = attack(&world, "127.0.0.1", server.addr().port());
    let tried: BTreeSet<String> = report.as_object().expect("a report").keys().cloned().collect();
    let arrived = arrived(&server);
    let missing: Vec<_> = tried.difference(&arrived).collect();
    assert!(tried.len() >= 25 && missing.is_empty(), "these never arrived: {missing:?}\n{report:#}");
    for name in [
        "cors-post-text",
        "cors-post-json",
        "cors-get",
        "credentials",
        "metrics",
        "other-name-get",
        "xhr",
        "script",
        "event-source",
        "null-origin",
    ] {
        assert_eq!(report[name]["read"], true, "{name} could not read even here: {report:#}");
    }
}

#[test]
fn p06_the_same_page_reads_nothing_of_the_daemon_and_spends_nothing() {
    let fixture = InferenceFixture::new();
    let before = (refusals(&fixture.daemon, "origin_not_allowed"), refusals(&fixture.daemon, "host_not_allowed"));
    let report = attack(&fixture.world, "127.0.0.1", fixture.daemon.port());
    let tried = report.as_object().expect("a report");
    let read: Vec<_> = tried.iter().filter(|(_, found)| found["read"] != false).collect();
    assert!(tried.len() >= 25 && read.is_empty(), "the page read: {read:?}\n{report:#}");
    assert_eq!(fixture.provider.count(), 0, "the page spent something: {report:#}");
    // All but the three under another name, and the one under the zero address, have a correct `Host`.
    let origin = refusals(&fixture.daemon, "origin_not_allowed") - before.0;
    let host = refusals(&fixture.daemon, "host_not_allowed") - before.1;
    assert!(origin >= 20, "{origin} refusals for the origin: {report:#}");
    assert!(host >= 2, "{host} refusals for the host: {report:#}");
    // And whoever sits at the machine is served as before.
    fixture.http().chat(bitrouter_tests::MODEL, "x").send().ok();
}

#[test]
fn p06_an_allowed_origin_is_the_only_one_that_reads() {
    // The page's own origin is allowed here: that it can read proves that the refusals above were ours.
    let attacker = Attacker::serving(PAGE, |_| None);
    let origin = format!("http://{ATTACKER}:{}", attacker.port());
    let fixture = InferenceFixture::with(&format!("[server]\nallow_origins = [\"{origin}\"]\n"));
    let url = format!("{origin}/?host=127.0.0.1&port={}", fixture.daemon.port());
    let browser = Browser::open(&fixture.world, &url);
    let report = attacker.report();
    drop(browser);
    assert_eq!(report["cors-get"]["read"], true, "{report:#}");
    assert_eq!(report["cors-post-json"]["read"], true, "{report:#}");
    assert!(fixture.provider.count() >= 1);
    // What is not that origin, or no JSON, still spends nothing.
    for name in
        ["null-origin", "other-name", "zero-address", "form-text", "no-cors-post", "beacon", "image", "websocket"]
    {
        assert_ne!(report[name]["read"], true, "{name}: {report:#}");
    }
    for number in 0..fixture.provider.count() {
        let request = fixture.provider.exchange(number).request.clone();
        assert_eq!(
            request.header("content-type"),
            Some("application/json"),
            "{}",
            String::from_utf8_lossy(&request.head)
        );
    }
}
