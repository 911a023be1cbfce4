//! `doctor`: what is wrong, worst first, each with the command that cures it, whatever runs and whatever is broken.

use std::os::unix::fs::PermissionsExt as _;

use bitrouter_tests::{Output, Provider, Reply, World, wait};
use serde_json::Value;

/// A world in which a daemon would listen at a port that is free.
fn world() -> World {
    let world = World::new();
    world.config("[server]\nlisten = \"127.0.0.1:0\"\n");
    world
}

fn checks(output: &Output) -> Vec<Value> {
    let checks = output.json()["checks"].as_array().cloned().unwrap_or_default();
    for check in &checks {
        assert!(check["code"].is_string() && check["ok"].is_boolean() && check["message"].is_string(), "{check}");
        assert!(["info", "warning", "error"].iter().any(|severity| check["severity"] == *severity), "{check}");
        assert!(check["ok"] == true || check["command"].is_string(), "no cure in {check}");
    }
    let failing: Vec<bool> = checks.iter().map(|check| check["ok"] == false).collect();
    assert!(failing.is_sorted_by(|a, b| a >= b), "what fails comes first: {checks:#?}");
    checks
}

fn check(output: &Output, code: &str) -> Value {
    let all = checks(output);
    all.iter().find(|check| check["code"] == code).unwrap_or_else(|| panic!("no `{code}` in {all:#?}")).clone()
}

#[test]
fn without_a_daemon_the_cure_is_to_start_one() {
    let world = world();
    let told = world.cli(["doctor", "--json"]).with_code(1);
    let daemon = check(&told, "daemon");
    assert_eq!((&daemon["ok"], &daemon["severity"]), (&false.into(), &"error".into()));
    assert_eq!(daemon["command"], "bitrouter start");
    for code in ["home", "settings", "port", "directories", "control_socket", "credential", "clock", "unit"] {
        assert_eq!(check(&told, code)["ok"], true, "{code}");
    }
    assert_eq!((&check(&told, "keys")["ok"], &check(&told, "keys")["severity"]), (&false.into(), &"warning".into()));
    let text = world.cli(["doctor"]).with_code(1).stdout;
    let first = text.lines().next().expect("a line");
    assert!(first.starts_with("✗ daemon") && first.ends_with("run: bitrouter start"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("✓ settings")), "{text}");
}

#[test]
fn a_healthy_daemon_has_nothing_that_fails() {
    let world = world();
    let key = world.canary("openai");
    let daemon = world.serve().arg("--demo").env("OPENAI_API_KEY", &key).start();
    daemon.until_node_is_on();
    let told = world.cli(["doctor", "--json"]).with_code(0);
    for code in ["daemon", "daemon_version", "daemon_program", "control_socket", "port", "settings", "keys", "node"] {
        assert_eq!(check(&told, code)["ok"], true, "{code}");
    }
    assert!(check(&told, "keys")["message"].as_str().is_some_and(|text| text.contains("openai")));
    // What is exported here and not there is told, and is no failure.
    let other = world.canary("other");
    let told = world.command(["doctor", "--json"]).env("GROQ_API_KEY", &other).run().with_code(0);
    let keys = check(&told, "shell_keys");
    assert_eq!((&keys["ok"], &keys["command"]), (&false.into(), &"bitrouter reload".into()), "{keys}");
    daemon.stop();
}

#[test]
fn the_daemons_warnings_are_checks_as_they_are() {
    let world = world();
    let daemon = world.serve().env("OPENAI_API_KEY", "brk_0123456789").start();
    let warning = daemon.warned("key_value_ignored");
    let told = world.command(["doctor", "--json"]).env("OPENAI_API_KEY", "brk_0123456789").run();
    let shown = check(&told, "key_value_ignored");
    assert_eq!((&shown["message"], &shown["severity"]), (&warning["message"], &warning["severity"]));
    daemon.stop();
    // Without a daemon they are found here.
    let told = world.command(["doctor", "--json"]).env("OPENAI_API_KEY", "brk_0123456789").run().with_code(1);
    let ignored = check(&told, "keys_ignored");
    assert_eq!(ignored["command"], "unset OPENAI_API_KEY", "{ignored}");
}

#[test]
fn broken_settings_are_named_with_their_file_whether_a_daemon_runs_or_not() {
    let world = world();
    let daemon = world.serve().start();
    let config = world.config("[log]\nlevel = \"loud\"\n");
    for running in [true, false] {
        let told = world.cli(["doctor", "--json"]).with_code(1);
        let settings = check(&told, "settings");
        let message = settings["message"].as_str().expect("a message");
        assert!(message.contains("config.toml") && message.contains('2'), "{message}");
        let command = settings["command"].as_str().expect("a command");
        assert!(command.ends_with(&config.display().to_string()), "{command}");
        assert_eq!(check(&told, "daemon")["ok"], running);
        if running {
            world.cli(["stop"]).expect_code(0);
        }
    }
    drop(daemon);
}

#[test]
fn files_that_others_can_read_are_named_with_what_closes_them() {
    let world = world();
    let secret = world.canary("env");
    let env = world.env_file(&format!("OPENAI_API_KEY={secret}\n"));
    let open = |path: &std::path::Path, mode| {
        std::fs::File::open(path)
            .and_then(|file| file.set_permissions(std::fs::Permissions::from_mode(mode)))
            .expect("chmod");
    };
    open(&env, 0o644);
    let settings = check(&world.cli(["doctor", "--json"]).with_code(1), "settings");
    assert_eq!(settings["command"], format!("chmod 600 {}", env.display()));
    world.program("/bin/sh".as_ref(), ["-c", settings["command"].as_str().expect("a command")]).run().expect_code(0);
    assert_eq!(check(&world.cli(["doctor", "--json"]), "settings")["ok"], true);

    let credential = world.write("data/bitrouter/account-credentials.json", "nonsense");
    for (mode, cure) in
        [(0o644, format!("chmod 600 {}", credential.display())), (0o600, "bitrouter auth login".to_owned())]
    {
        open(&credential, mode);
        let told = check(&world.cli(["doctor", "--json"]).with_code(1), "credential");
        assert_eq!((&told["ok"], &told["command"]), (&false.into(), &cure.into()), "{told}");
    }
}

#[test]
fn a_port_that_somebody_holds_is_named_with_its_holder() {
    let world = World::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port();
    world.config(&format!("[server]\nlisten = \"127.0.0.1:{port}\"\n"));
    let told = check(&world.cli(["doctor", "--json"]).with_code(1), "port");
    let message = told["message"].as_str().expect("a message");
    assert!(message.starts_with(&format!("port {port} is held by ")), "{message}");
    drop(taken);
    assert_eq!(check(&world.cli(["doctor", "--json"]), "port")["ok"], true);
}

#[test]
fn without_a_home_it_still_speaks() {
    let world = World::new();
    let mut command = world.command(["doctor", "--json"]);
    for name in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"] {
        command = command.without(name);
    }
    let told = command.run().with_code(1);
    let home = check(&told, "home");
    assert!(home["message"].as_str().is_some_and(|text| text.contains("`HOME` is not set")), "{home}");
    assert_eq!(check(&told, "daemon")["ok"], false);
}

#[test]
fn a_socket_directory_that_others_can_write_is_named() {
    let world = world();
    let daemon = world.serve().start();
    let dir = world.path("run/bitrouter");
    rustix::fs::chmod(&dir, 0o777.into()).expect("chmod");
    let told = check(&world.cli(["doctor", "--json"]).with_code(1), "control_socket");
    assert_eq!(told["command"], format!("chmod go-w {}", dir.display()), "{told}");
    rustix::fs::chmod(&dir, 0o700.into()).expect("chmod");
    assert_eq!(check(&world.cli(["doctor", "--json"]), "control_socket")["ok"], true);
    daemon.stop();
}

#[test]
fn online_each_provider_is_asked_once_for_its_models_and_never_more() {
    let world = World::new();
    let provider = Provider::start();
    world.config(&format!("[server]\nlisten = \"127.0.0.1:0\"\n{}", provider.as_openai()));
    let key = world.canary("openai");
    let daemon = world.serve().env("OPENAI_API_KEY", &key).start();
    world.cli(["doctor", "--json"]);
    let before = provider.count();
    provider.always(|_| Reply::json(200, r#"{"data":[]}"#));
    let good = check(&world.cli(["doctor", "--online", "--json"]).with_code(0), "provider");
    assert!(
        good["ok"] == true && good["message"].as_str().is_some_and(|text| text.starts_with("openai answers")),
        "{good}"
    );
    assert_eq!(provider.count(), before + 1);
    let asked = provider.last();
    assert_eq!(asked.request.method, "GET");
    provider.always(|_| Reply::json(401, "{}"));
    let refused = check(&world.cli(["doctor", "--online", "--json"]).with_code(1), "provider");
    assert_eq!((&refused["ok"], &refused["severity"]), (&false.into(), &"error".into()));
    assert_eq!(refused["command"], "export OPENAI_API_KEY=… && bitrouter reload");
    provider.always(|_| Reply::json(500, "{}"));
    assert_eq!(check(&world.cli(["doctor", "--online", "--json"]).with_code(1), "provider")["ok"], false);
    daemon.stop();
    wait::holds("the end", || world.cli(["doctor", "--online", "--json"]).json()["checks"].is_array());
}
