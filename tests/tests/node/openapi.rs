//! REST as `GET /openapi.json` describes it, tried by schemathesis, which believes every word of it.

use std::time::Duration;

use bitrouter_proto::account::{Scope, ScopeSet};
use bitrouter_tests::{World, sdk, sign_in::Owner};
use serde_json::{Value, json};

use crate::rest::Browser;

/// Runs it with these headers; nothing may be found.
fn tried(prepare: impl FnOnce(&World, &bitrouter_tests::Daemon) -> Value) {
    let world = World::new();
    let daemon = world.demo();
    let headers = prepare(&world, &daemon);
    let config = world.write("home/schemathesis.toml", include_str!("../../sdk/schemathesis.toml"));
    let (url, config) = (format!("http://{}", daemon.addr()), config.display().to_string());
    let run = sdk::script(&world, "rest_api.py", &[&url, &config]);
    let said = run.stdin(headers.to_string()).within(Duration::from_mins(4)).run();
    assert!(said.stdout.contains("No issues found"), "{}\n{}", said.stdout, said.stderr);
}

#[test]
fn a_token_with_every_scope_finds_what_is_described() {
    tried(|world, daemon| {
        let scopes: Vec<&str> = ScopeSet::GRANTABLE.iter().map(Scope::as_str).collect();
        let session = Owner::sign_in(world, daemon).program(&scopes, None);
        json!({"Authorization": format!("Bearer {}", session.access_token)})
    });
}

#[test]
fn a_browser_finds_what_is_described() {
    tried(|world, daemon| {
        let browser = Browser::new(world, daemon);
        json!({"Cookie": browser.cookie, "X-CSRF-Token": browser.csrf})
    });
}

#[test]
fn nobody_finds_what_is_described() {
    tried(|_, _| json!({}));
}

#[test]
fn the_document_is_open_to_every_caller() {
    let world = World::new();
    let daemon = world.demo();
    let document = daemon.http().get("/openapi.json").send().ok().json();
    assert_eq!(document["openapi"], "3.1.1");
    assert!(document["paths"]["/v1/namespaces"]["get"]["responses"]["200"].is_object(), "{document}");
}
