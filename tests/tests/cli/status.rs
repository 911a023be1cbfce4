//! `status --json`: every member is there, running and stopped, because others build on it.

use bitrouter_tests::{World, wait};
use serde_json::Value;

/// Each member and whether it may be null while the daemon runs.
const MEMBERS: [(&str, bool); 14] = [
    ("state", false),
    ("pid", false),
    ("version", false),
    ("protocol", false),
    ("started_at", false),
    ("uptime_s", false),
    ("listen", false),
    ("socket", false),
    ("config", true),
    ("providers", false),
    ("session", false),
    ("node", false),
    ("reloads", false),
    ("warnings", false),
];

#[track_caller]
fn check_members(status: &Value, running: bool) {
    for (name, nullable) in MEMBERS {
        let member = status.get(name).unwrap_or_else(|| panic!("`{name}` is missing in {status:#}"));
        assert!(!running || nullable || !member.is_null(), "`{name}` is null in {status:#}");
    }
}

#[test]
fn every_member_is_there_while_it_runs() {
    let world = World::new();
    let key = world.canary("openai");
    let config = world.config("[log]\nlevel = \"info\"\n");
    let daemon = world.serve().arg("--demo").env("OPENAI_API_KEY", &key).start();
    wait::holds("the node to be on", || daemon.status()["node"]["state"] == "on");
    let status = daemon.status();
    check_members(&status, true);
    assert_eq!((&status["state"], &status["pid"]), (&"running".into(), &daemon.pid().into()));
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["protocol"], bitrouter_proto::PROTOCOL);
    assert!(status["uptime_s"].is_u64() && status["started_at"].as_str().is_some_and(|at| at.ends_with('Z')));
    assert_eq!(status["listen"][0], format!("127.0.0.1:{}", daemon.port()));
    assert_eq!(status["socket"], world.socket().to_string_lossy().as_ref());
    assert_eq!(status["config"], config.to_string_lossy().as_ref());
    assert_eq!((&status["session"]["state"], &status["node"]["database"]), (&"none".into(), &"sqlite".into()));
    let reloads = &status["reloads"];
    assert_eq!((&reloads["count"], &reloads["last_error"]), (&0.into(), &Value::Null));
    assert!(reloads.get("last_at").is_some());

    let openai = daemon.provider("openai");
    assert_eq!((&openai["active"], &openai["key_source"]), (&true.into(), &"environment".into()));
    assert_eq!(openai["variable"], "OPENAI_API_KEY");
    for provider in status["providers"].as_array().expect("providers") {
        for member in ["id", "active", "key_source", "variable", "key_suffix", "detail"] {
            assert!(provider.get(member).is_some(), "`{member}` is missing in {provider}");
        }
    }
    let ids: Vec<&str> =
        status["providers"].as_array().expect("providers").iter().filter_map(|one| one["id"].as_str()).collect();
    for id in [
        "openai",
        "anthropic",
        "google",
        "openrouter",
        "groq",
        "mistral",
        "deepseek",
        "xai",
        "together",
        "fireworks",
        "demo",
    ] {
        assert!(ids.contains(&id), "{id} is missing in {ids:?}");
    }
}

#[test]
fn every_member_is_there_while_none_runs() {
    let world = World::new();
    let output = world.cli(["status", "--json"]).with_code(1);
    let status = output.json();
    check_members(&status, false);
    assert_eq!(status["state"], "stopped");
    assert_eq!((&status["pid"], &status["started_at"]), (&Value::Null, &Value::Null));
    let text = world.cli(["status"]).with_code(1);
    assert!(text.text().contains("stopped") && text.text().contains("bitrouter start"), "{}", text.text());
}

#[test]
fn the_text_names_what_a_person_needs() {
    let world = World::new();
    let key = world.canary("openai");
    let daemon = world.serve().arg("--demo").env("OPENAI_API_KEY", &key).start();
    let text = world.cli(["status"]).with_code(0).stdout;
    for word in ["running", &daemon.pid().to_string(), &daemon.port().to_string(), "openai", "OPENAI_API_KEY"] {
        assert!(text.contains(word), "`{word}` is missing in\n{text}");
    }
}

#[test]
fn daemon_json_says_where_it_listens() {
    let world = World::new();
    let daemon = world.demo();
    let file = world.daemon_file().expect("daemon.json");
    assert_eq!((&file["pid"], &file["version"]), (&daemon.pid().into(), &env!("CARGO_PKG_VERSION").into()));
    assert_eq!(file["socket"], world.socket().to_string_lossy().as_ref());
    assert!(!file["http"].is_null(), "{file}");
}
