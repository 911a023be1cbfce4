//! A bad line changes nothing, says file and line, and is a warning until a good reload: the same wherever one looks.

use bitrouter_tests::{Daemon, World, openai, parked_provider::ParkedProvider, wait};
use rustix::process::Signal;

use super::{EFFECTIVE, Reloads, cast};

#[track_caller]
fn uses(daemon: &Daemon, key: &str) {
    let answer = daemon.http().chat("openai:m", "x").send().ok();
    assert_eq!(answer.header(openai::KEY_HEADER), Some(openai::fingerprint(key).as_str()));
}

/// Checks that the refusal is shown everywhere, with `place` in each text.
#[track_caller]
fn shown(daemon: &Daemon, place: &str) {
    let status = daemon.status();
    let error = status["reloads"]["last_error"].as_str().unwrap_or_default();
    assert!(error.contains(place), "`{place}` is not in {status:#}");
    let warning = daemon.warning("reload_refused").expect("a warning");
    assert_eq!((&warning["severity"], &warning["command"]), (&"error".into(), &"bitrouter reload".into()), "{warning}");
    assert!(warning["message"].as_str().is_some_and(|text| text.contains(place)), "{warning}");
    assert!(warning["since"].as_str().is_some_and(|text| text.ends_with('Z')), "{warning}");
    let metrics = daemon.http().get("/metrics").send().ok().text();
    assert!(metrics.contains("code=\"reload_refused\""), "{metrics}");
    let text = daemon.world().cli(["status"]).with_code(0).stdout;
    assert!(text.contains(place) && text.contains("bitrouter reload"), "{text}");
}

#[track_caller]
fn clear(daemon: &Daemon) {
    wait::until_within("the warning to go", EFFECTIVE, || daemon.warning("reload_refused").is_none().then_some(()));
    assert!(daemon.status()["reloads"]["last_error"].is_null());
    let metrics = daemon.http().get("/metrics").send().ok().text();
    assert!(!metrics.contains("reload_refused"), "{metrics}");
}

fn scene() -> (World, ParkedProvider, Daemon, String) {
    let (world, provider) = cast();
    let key = world.canary("good");
    world.env_file(&format!("OPENAI_API_KEY={key}\n"));
    let daemon = world.serve().args(["--log-format", "json"]).start();
    (world, provider, daemon, key)
}

#[test]
fn p15_a_bad_env_line_is_refused_by_command_signal_and_watch_alike() {
    let (world, _parking, daemon, key) = scene();
    let secret = world.canary("badline");
    let mut reloads = Reloads::of(&daemon);
    let before = reloads.count();
    // The watch.
    world.env_file(&format!("# one\nOPENAI_API_KEY=\"{secret}\nGROQ_API_KEY=x\n"));
    wait::until_within("the refusal", EFFECTIVE, || daemon.warning("reload_refused").map(drop));
    shown(&daemon, "config/bitrouter/env:2");
    uses(&daemon, &key);
    // The command: exit 1, and nothing pushed with it was taken either.
    let output = world.command(["reload"]).env("OPENAI_API_KEY", "pushed-in-vain").run().with_code(1);
    assert!(
        output.stderr.starts_with("error: ") && output.stderr.contains("config/bitrouter/env:2"),
        "{}",
        output.stderr
    );
    let error = world.cli(["reload", "--json"]).with_code(1).error();
    assert!(error["message"].as_str().is_some_and(|text| text.contains("config/bitrouter/env:2")), "{error}");
    uses(&daemon, &key);
    // The signal.
    daemon.signal(Signal::HUP);
    let text = daemon.stderr().until("the refused reload by signal", |text| text.contains("sighup"));
    assert!(!text.contains(&secret) && text.contains("config/bitrouter/env:2"), "{text}");
    uses(&daemon, &key);
    assert_eq!(reloads.count(), before, "a refusal was counted");
    shown(&daemon, "config/bitrouter/env:2");
    // A good file cures it without a command.
    let good = world.canary("cured");
    world.env_file(&format!("OPENAI_API_KEY={good}\n"));
    clear(&daemon);
    uses(&daemon, &good);
    assert_eq!(reloads.count(), before + 1);
}

#[test]
fn p15_an_undone_bad_edit_is_forgiven() {
    let (world, _parking, daemon, key) = scene();
    world.env_file("nonsense\n");
    wait::until_within("the refusal", EFFECTIVE, || daemon.warning("reload_refused").map(drop));
    world.env_file(&format!("OPENAI_API_KEY={key}\n"));
    clear(&daemon);
    uses(&daemon, &key);
}

#[test]
fn p15_bad_settings_and_manifests_are_refused_with_file_and_line() {
    let (world, provider, daemon, key) = scene();
    let good = provider.as_openai();
    let cases = [
        ("an unknown key", format!("{good}\n[server]\nmax_bdoy = \"1 MiB\"\n"), "config.toml:5", "max_body"),
        ("a wrong type", format!("{good}\n[timeouts]\nconnect = true\n"), "config.toml:5", ""),
        ("no TOML", format!("{good}\n[server\n"), "config.toml:4", ""),
        ("a key that needs a restart", format!("{good}\n[server]\nlisten = \"127.0.0.1:1\"\n"), "", ""),
    ];
    for (name, config, place, hint) in cases {
        world.config(&config);
        let output = world.command(["reload"]).env("OPENAI_API_KEY", "in-vain").run();
        // `--listen` was given, so that a changed `[server] listen` changes nothing.
        if place.is_empty() {
            output.expect_code(0);
            world.cli(["reload"]).expect_code(0);
            continue;
        }
        output.expect_code(1);
        assert!(output.stderr.contains(place) && output.stderr.contains(hint), "{name}: {}", output.stderr);
        shown(&daemon, place);
        uses(&daemon, &key);
    }
    world.config(&good);
    world.write("config/bitrouter/registry/mine.toml", "id = \"mine\"\nname = 7\n");
    let output = world.cli(["reload"]).with_code(1);
    assert!(output.stderr.contains("registry/mine.toml"), "{}", output.stderr);
    shown(&daemon, "registry/mine.toml");
    std::fs::remove_file(world.path("config/bitrouter/registry/mine.toml")).expect("remove");
    world.cli(["reload"]).expect_code(0);
    clear(&daemon);
    uses(&daemon, &key);
}

#[test]
fn p15_a_change_that_needs_a_restart_is_refused_and_named() {
    let (world, provider) = cast();
    let port = |port: u16| format!("{}\n[server]\nlisten = \"127.0.0.1:{port}\"\n", provider.as_openai());
    world.config(&port(0));
    let daemon = world.serve().listen_as_configured().start();
    world.config(&port(1));
    let output = world.cli(["reload"]).with_code(1);
    assert!(
        output.stderr.contains("server.listen") && output.stderr.contains("bitrouter restart"),
        "{}",
        output.stderr
    );
    assert_eq!(daemon.warning("reload_refused").expect("a warning")["severity"], "error");
    world.config(&port(0));
    world.cli(["reload"]).expect_code(0);
    clear(&daemon);
}
