//! Health: warnings with code, severity, message, since and the command that cures; one list, shown in four places.

use std::collections::BTreeSet;

use bitrouter_tests::{Daemon, World, notify_socket::NotifySocket, wait};
use serde_json::Value;

fn managed(world: &World) -> (NotifySocket, Daemon) {
    let notify = NotifySocket::open(world);
    let serve = world.serve().env("NOTIFY_SOCKET", notify.path()).env("XDG_RUNTIME_DIR", "/nonexistent/run");
    (notify, serve.env("BITROUTER_OPENIA_API_KEY", "x").start())
}

fn codes(daemon: &Daemon) -> BTreeSet<String> {
    let status = daemon.status();
    let warnings = status["warnings"].as_array().expect("warnings");
    warnings.iter().map(|one| one["code"].as_str().expect("a code").to_owned()).collect()
}

/// The codes that `/metrics` shows.
fn metrics(daemon: &Daemon) -> BTreeSet<String> {
    let text = daemon.http().get("/metrics").send().ok().text();
    let lines = text.lines().filter(|line| line.starts_with("bitrouter_warnings{") && line.trim_end().ends_with(" 1"));
    lines
        .map(|line| line.split("code=\"").nth(1).and_then(|rest| rest.split('"').next()).expect(line).to_owned())
        .collect()
}

/// Checks that every place shows the same list.
#[track_caller]
fn same_everywhere(world: &World, daemon: &Daemon, notify: &NotifySocket) -> BTreeSet<String> {
    let status = daemon.status();
    let list = status["warnings"].as_array().expect("warnings");
    let text = world.cli(["status"]).with_code(0).stdout;
    for warning in list {
        for field in ["code", "severity", "message", "since"] {
            assert!(warning[field].as_str().is_some_and(|text| !text.is_empty()), "{field} is missing in {warning}");
        }
        assert!(matches!(warning["severity"].as_str(), Some("info" | "warning" | "error")), "{warning}");
        let message = warning["message"].as_str().expect("a message");
        assert!(text.contains(message), "`{message}` is not in the text:\n{text}");
        if let Some(command) = warning["command"].as_str() {
            assert!(text.contains(command), "`{command}` is not in the text:\n{text}");
        }
    }
    let codes = codes(daemon);
    assert_eq!(metrics(daemon), codes, "the metrics show another list");
    notify.until("the list in STATUS=", 0, |one| {
        one.value("STATUS").is_some_and(|text| {
            list.iter().all(|warning| text.contains(warning["message"].as_str().expect("a message")))
        })
    });
    codes
}

#[test]
fn p15_the_list_is_the_same_in_status_json_the_status_line_and_the_metrics() {
    let world = World::new();
    let (notify, daemon) = managed(&world);
    let before = same_everywhere(&world, &daemon, &notify);
    assert!(before.contains("runtime_dir_unusable") && before.contains("unknown_key_variable"), "{before:?}");
    let heard = notify.heard().len();
    world.env_file("nonsense\n");
    wait::holds("the new warning", || codes(&daemon).contains("reload_refused"));
    notify.until("STATUS= to change", heard, |one| one.value("STATUS").is_some());
    same_everywhere(&world, &daemon, &notify);
    // Worst first.
    let first = daemon.status()["warnings"][0].clone();
    assert_eq!((&first["code"], &first["severity"]), (&"reload_refused".into(), &"error".into()), "{first}");
    // What it tells to run cures it, once its cause is gone.
    world.env_file("GROQ_API_KEY=x\n");
    let command = first["command"].as_str().expect("a command");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    world.cli(words).expect_code(0);
    let after = same_everywhere(&world, &daemon, &notify);
    assert!(!after.contains("reload_refused"), "{after:?}");
}

#[test]
fn p15_a_cause_suppresses_its_effects() {
    let world = World::new();
    let daemon = world.serve().start();
    assert!(codes(&daemon).contains("no_provider_key"), "{:?}", codes(&daemon));
    // While the env file is refused, nobody needs to hear that its keys are missing.
    world.env_file("GROQ_API_KEY='x\n");
    wait::holds("the cause", || codes(&daemon).contains("reload_refused"));
    assert!(!codes(&daemon).contains("no_provider_key"), "{:?}", codes(&daemon));
    world.env_file("# nothing\n");
    wait::holds("the effect alone", || codes(&daemon) == BTreeSet::from(["no_provider_key".to_owned()]));
    world.env_file("GROQ_API_KEY=x\n");
    wait::holds("nothing wrong", || codes(&daemon).is_empty());
}

#[test]
fn p15_since_stays_while_a_warning_stays() {
    let world = World::new();
    let daemon = world.serve().arg("--demo").start();
    let refused = |line: &str| {
        world.env_file(line);
        wait::until("the refusal", || {
            let warning = daemon.warning("reload_refused")?;
            let place = if line.starts_with('#') { "env:2" } else { "env:1" };
            warning["message"].as_str().is_some_and(|text| text.contains(place)).then_some(warning)
        })
    };
    let one: Value = refused("nonsense\n");
    let two: Value = refused("# longer\nnonsense\n");
    assert_eq!(one["since"], two["since"]);
    assert_ne!(one["message"], two["message"]);
}

#[test]
fn p15_a_healthy_daemon_warns_of_nothing() {
    let world = World::new();
    let daemon = world.serve().env("OPENAI_API_KEY", "x").start();
    assert_eq!(daemon.status()["warnings"], serde_json::json!([]));
    assert!(metrics(&daemon).is_empty());
    let text = world.cli(["status"]).with_code(0).stdout;
    assert!(!text.contains("warning") && !text.contains("run:"), "{text}");
}
