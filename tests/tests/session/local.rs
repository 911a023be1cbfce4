//! The own node: its credential is made, refreshed, used and ended in process, never over a socket.

use std::time::Duration;

use bitrouter_tests::{Daemon, World, issuer::Issuer, wait};
use serde_json::json;

use crate::far::{FILE, file, session};

fn signed_in(world: &World, settings: &str) -> Daemon {
    world.config(settings);
    let daemon = world.demo();
    world.cli(["auth", "login", "--local"]).expect_code(0);
    daemon
}

#[track_caller]
fn echo(daemon: &Daemon) {
    let answer = daemon.http().chat("bitrouter:demo/echo", "hello").send().ok();
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "hello");
}

#[test]
fn signing_in_locally_needs_no_browser_and_is_live_at_once() {
    let world = World::new();
    let daemon = signed_in(&world, "");
    let file = file(&world);
    assert_eq!(file["authorization_server"], format!("http://127.0.0.1:{}", daemon.port()).as_str());
    assert!(file["node_id"].is_string(), "{:?}", file.as_object().map(|o| o.keys().collect::<Vec<_>>()));
    let owned = world.cli(["node", "namespace", "list", "--json"]).with_code(0).json();
    assert_eq!(file["namespace_id"], owned["data"][0]["id"]);
    echo(&daemon);
    assert_eq!(session(&daemon)["state"], "active");
    let listed = world.cli(["cloud", "namespace", "list"]).with_code(0).stdout;
    assert!(listed.contains("(active)"), "{listed}");
    let who = world.cli(["auth", "whoami", "--json"]).with_code(0).json();
    assert_eq!(who["token_state"], "valid", "{who}");
    world.cli(["auth", "logout"]).expect_code(0);
    let access = file["access_token"].as_str().expect("a token");
    assert_eq!(daemon.http().get("/v1/namespaces").bearer(access).send().status, 401, "revoked");
    daemon.http().chat("bitrouter:demo/echo", "hello").send().refused(402, "provider_key_missing");
    world.watch(access);
    daemon.stop();
}

#[test]
fn the_namespace_and_the_scopes_are_as_asked_and_never_wider() {
    let world = World::new();
    let daemon = world.demo();
    let made = world.cli(["node", "namespace", "create", "staging", "--json"]).with_code(0).json();
    let unknown = world.cli(["auth", "login", "--local", "--namespace", "nowhere", "--json"]).with_code(1).error();
    assert!(unknown["message"].as_str().is_some_and(|text| text.contains("nowhere")), "{unknown}");
    for namespace in ["staging", made["id"].as_str().expect("an id")] {
        world.cli(["auth", "login", "--local", "--namespace", namespace]).expect_code(0);
        assert_eq!(file(&world)["namespace_id"], made["id"]);
    }
    world.cli(["auth", "login", "--local", "--scope", "billing:write inference:invoke"]).expect_code(0);
    assert_eq!(file(&world)["scope"], "inference:invoke billing:write");
    let refused = world.cli(["auth", "login", "--local", "--scope", "namespace:write"]);
    assert_ne!(refused.code, 0, "{}", refused.stderr);
    assert_eq!(file(&world)["scope"], "inference:invoke billing:write", "what was there stays");
    world.cli(["auth", "login", "--local", "--scope", "namespace:read"]).expect_code(0);
    daemon.http().chat("bitrouter:demo/echo", "hello").send().refused(403, "missing_scope");
    daemon.stop();
}

#[test]
fn its_credential_never_goes_over_tcp() {
    let world = World::new();
    let daemon = signed_in(&world, "[node.oauth]\naccess_token_ttl = \"2s\"\n");
    let port = daemon.port();
    daemon.stop();
    // The node answers elsewhere now; whoever listens where it was would like to have its tokens.
    let thief = Issuer::start_at(world.user(), port, 3_600);
    let daemon = world.demo();
    assert_ne!(daemon.port(), port);
    let first = file(&world)["access_token"].clone();
    wait::holds("a renewed token", || file(&world)["access_token"] != first);
    echo(&daemon);
    daemon.http().chat("bitrouter:bitrouter:demo/echo", "hello").send().refused(508, "loop_detected");
    world.cli(["cloud", "namespace", "list"]).expect_code(0);
    let access = file(&world)["access_token"].as_str().expect("a token").to_owned();
    world.cli(["auth", "logout"]).expect_code(0);
    assert_eq!(daemon.http().get("/v1/namespaces").bearer(&access).send().status, 401, "revoked");
    assert_eq!(thief.provider().connections(), 0);
    daemon.stop();
}

#[test]
fn p02_an_own_session_outlives_restarts_and_kills() {
    let world = World::new();
    let mut daemon = signed_in(&world, "[node.oauth]\naccess_token_ttl = \"5s\"\n");
    for _ in 0..3 {
        echo(&daemon);
        daemon.kill();
        daemon = world.demo();
        echo(&daemon);
    }
    wait::stays("it goes on", Duration::from_secs(6), || {
        daemon.http().chat("bitrouter:demo/echo", "hello").send().status == 200
    });
    daemon.stop();
}

#[test]
fn with_the_node_off_its_credential_waits_and_says_so() {
    let world = World::new();
    let daemon = signed_in(&world, "");
    echo(&daemon);
    daemon.stop();
    let before = file(&world);
    world.config("[node]\nenabled = false\n");
    let port = before["authorization_server"].as_str().and_then(|url| url.rsplit(':').next()).expect("a port");
    // Whoever listens where the node was gets nothing of it.
    let thief = Issuer::start_at(world.user(), port.parse().expect("a number"), 3_600);
    let daemon = world.demo();
    let error = daemon.http().chat("bitrouter:demo/echo", "hello").send().refused(503, "unavailable");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("enabled = false")), "{error}");
    assert_eq!(file(&world), before);
    assert!(world.path(FILE).exists());
    assert_eq!(json!("active"), session(&daemon)["state"]);
    let out = world.cli(["auth", "logout"]).with_code(0);
    assert!(out.stderr.contains("may live on"), "{}", out.stderr);
    assert_eq!(thief.provider().connections(), 0);
    daemon.stop();
}

#[test]
fn cloud_local_is_the_own_node_as_its_owner_whoever_is_signed_in() {
    let world = World::new();
    let daemon = world.demo();
    let made = world.cli(["node", "namespace", "create", "staging", "--json"]).with_code(0).json();
    let current = |words: &[&str]| {
        let words = ["cloud", "namespace", "current", "--local"].iter().chain(words).copied();
        world.command(words).run().with_code(0).stdout.trim().to_owned()
    };
    let first = current(&[]);
    assert!(first.starts_with("ns_") && made["id"] != first.as_str());
    assert_eq!(made["id"], current(&["--namespace", "staging"]).as_str());
    let listed = world.cli(["cloud", "namespace", "list", "--local", "--namespace", "staging"]).with_code(0).stdout;
    let active = listed.lines().find(|line| line.contains("(active)")).expect("one of them");
    assert!(active.contains("staging"), "{listed}");
    let who = world.cli(["cloud", "whoami", "--local", "--json"]).with_code(0).json();
    assert_eq!((&who["authentication"], &who["namespace_id"]), (&json!("local"), &json!(first)), "{who}");
    assert_eq!(who["base_url"], format!("http://127.0.0.1:{}", daemon.port()).as_str());
    let unknown = world.cli(["cloud", "namespace", "current", "--local", "--namespace", "nowhere", "--json"]);
    assert_eq!(unknown.with_code(1).error()["code"], "not_found");
    world.cli(["cloud", "namespace", "list", "--namespace", "staging"]).expect_code(1);
    assert!(!world.path(FILE).exists());
    daemon.stop();
}

bitrouter_test_postgres::once_more_on_postgres!(
    signing_in_locally_needs_no_browser_and_is_live_at_once,
    the_namespace_and_the_scopes_are_as_asked_and_never_wider,
    cloud_local_is_the_own_node_as_its_owner_whoever_is_signed_in,
);
