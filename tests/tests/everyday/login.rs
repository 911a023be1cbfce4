//! Signing in under the name `tokenroute`, with its own lines; the daemon keeps the credential, and there is no other file.

use bitrouter_tests::{Provider, Reply, World, sign_in::Owner};
use serde_json::json;

use crate::named::at;

const SCOPES: [&str; 6] = ["inference:invoke", "usage:read", "keys:read", "keys:write", "billing:read", "account:read"];

#[test]
fn the_lines_are_those_of_the_reference() {
    let world = World::new();
    let daemon = world.demo();
    let server = format!("http://{}", daemon.addr());
    let login = at(&world, &server, &["login", "--no-browser"]).spawn();
    let text = login.stdout().until_contains("Waiting for authorization...");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], format!("Visit: {server}/oauth/device"));
    let code = lines[1].strip_prefix("And enter code: ").expect("a code");
    assert_eq!(lines[2], "Waiting for authorization...");
    Owner::sign_in(&world, &daemon).approve(code, &SCOPES, None);
    login.stdout().until_contains("OK logged in");
    let me = at(&world, &server, &["whoami", "--json"]).run().with_code(0).json();
    assert!(me["id"].as_str().is_some_and(|id| id.starts_with("usr_")), "{me}");
    assert!(world.path("data/bitrouter/account-credentials.json").exists());
    assert!(!world.path("home/.tokenroute").exists() && !world.path("home/.paradigx").exists(), "no second file");
    // What is signed in is for that server only.
    let elsewhere = Provider::start_as(world.user(), 0);
    elsewhere.always(|_| Reply::json(404, "{}"));
    let other_server = format!("http://{}", elsewhere.addr());
    let other = at(&world, &other_server, &["balance", "--json"]).run().with_code(1).error();
    let message = other["message"].as_str().expect("a message");
    assert!(message.contains(&other_server) && message.contains(&server), "{message}");
    for number in 0..elsewhere.count() {
        let request = &elsewhere.exchange(number).request;
        assert_eq!((request.key(), request.header("authorization")), (None, None), "{}", request.target);
    }
    let kept = at(&world, &other_server, &["logout", "--json"]).run().with_code(1).error();
    let message = kept["message"].as_str().expect("a message");
    assert!(message.contains(&other_server) && message.contains(&server), "{message}");
    let out = at(&world, &server, &["logout", "--json"]).run().with_code(0).json();
    assert_eq!(out["was_signed_in"], json!(true), "{out}");
    at(&world, &server, &["balance"]).run().expect_code(1);
    daemon.stop();
}

#[test]
fn under_json_the_events_are_the_same_as_ever() {
    let world = World::new();
    let daemon = world.demo();
    let server = format!("http://{}", daemon.addr());
    let login = at(&world, &server, &["--json", "login"]).spawn();
    let text = login.stdout().until_contains("\"event\":\"code\"");
    let line = text.lines().next().expect("a line");
    let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
    let code = event["user_code"].as_str().expect("a code");
    Owner::sign_in(&world, &daemon).approve(code, &SCOPES, None);
    let text = login.stdout().until_contains("\"event\":\"done\"");
    assert!(!text.contains("Visit:") && !text.contains("OK logged in"), "{text}");
    daemon.stop();
}
