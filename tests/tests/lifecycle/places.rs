//! P5: the places of the daemon are private, and a place that somebody else prepared is refused with the reason.

use std::os::unix::fs::{MetadataExt as _, symlink};

use bitrouter_tests::World;

#[test]
fn p05_directories_and_files_are_private() {
    let world = World::new();
    world.cli(["start", "--demo", "--listen", "127.0.0.1:0"]).expect_code(0);
    let _daemon = world.detached();
    let uid = world.user().uid();
    for (path, mode) in [
        ("run/bitrouter", 0o700),
        ("run/bitrouter/control.sock", 0o600),
        ("state/bitrouter", 0o700),
        ("state/bitrouter/daemon.lock", 0o600),
        ("state/bitrouter/daemon.json", 0o600),
        ("state/bitrouter/daemon.log", 0o600),
    ] {
        let meta = std::fs::symlink_metadata(world.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert_eq!((meta.mode() & 0o777, meta.uid()), (mode, uid), "{path}");
    }
}

#[test]
fn p05_a_prepared_state_directory_is_refused_with_its_path() {
    let world = World::new();
    symlink(world.directory("elsewhere"), world.path("state/bitrouter")).expect("symlink");
    let text = world.serve().arg("--demo").refused();
    assert!(text.contains("state/bitrouter") && text.contains("symlink"), "{text}");

    let world = World::new();
    world.write("state/bitrouter", "a file");
    let text = world.serve().arg("--demo").refused();
    assert!(text.contains("state/bitrouter") && text.contains("directory"), "{text}");

    let world = World::new();
    world.directory("state/bitrouter");
    let wide = std::fs::File::open(world.path("state/bitrouter")).expect("open");
    rustix::fs::fchmod(&wide, 0o777.into()).expect("fchmod");
    let text = world.serve().arg("--demo").refused();
    assert!(text.contains("state/bitrouter") && text.contains("chmod 700"), "{text}");

    let world = World::new();
    if let Some(foreign) = world.user().foreign() {
        world.directory("state/bitrouter");
        foreign.own_path(&world.path("state/bitrouter"));
        let text = world.serve().arg("--demo").refused();
        assert!(text.contains("state/bitrouter"), "{text}");
    }
}

#[test]
fn p05_a_symlinked_lock_or_log_is_not_followed() {
    for name in ["daemon.lock", "daemon.log"] {
        let world = World::new();
        world.directory("state/bitrouter");
        let target = world.path("target");
        symlink(&target, world.path(&format!("state/bitrouter/{name}"))).expect("symlink");
        let output = world.cli(["start", "--demo", "--listen", "127.0.0.1:0"]);
        assert_eq!(output.code, 1, "{name}: {}", output.text());
        assert!(output.stderr.contains(name), "{name}: {}", output.stderr);
        assert!(!target.exists(), "{name}: the link was followed");
    }
}

#[test]
fn p05_an_unusable_runtime_directory_is_a_warning_and_another_place_serves() {
    let cases: [(&str, &str); 3] = [("missing", "/nonexistent/run"), ("foreign", "/"), ("unset", "")];
    for (name, value) in cases {
        let world = World::new();
        let daemon = world.serve().arg("--demo").env("XDG_RUNTIME_DIR", value).start();
        assert_eq!(daemon.socket(), world.path("state/bitrouter/run/control.sock"), "{name}");
        // Also for a shell that has the variable, as cron and the terminal differ.
        let status = world.cli(["status", "--json"]).with_code(0).json();
        assert_eq!(status["state"], "running", "{name}");
        let warned = status["warnings"]
            .as_array()
            .expect("warnings")
            .iter()
            .any(|warning| warning["message"].as_str().is_some_and(|text| text.contains("XDG_RUNTIME_DIR")));
        assert_eq!(warned, name != "unset", "{name}: {}", status["warnings"]);
    }
}

#[test]
fn p05_a_socket_path_that_is_too_long_is_named_with_its_length() {
    let world = World::new();
    let long = world.directory(&format!("run/{}", "x".repeat(90)));
    let text = world.serve().arg("--demo").env("XDG_RUNTIME_DIR", &long).refused();
    let length = long.join("bitrouter/control.sock").as_os_str().len();
    assert!(text.contains(&length.to_string()) && text.contains("XDG_RUNTIME_DIR"), "{text}");
}

#[test]
fn a_missing_home_is_named() {
    let world = World::new();
    for args in [&["serve", "--demo"][..], &["start"], &["status"]] {
        let mut run = world.command(args);
        for name in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
            run = run.without(name);
        }
        let output = run.run();
        assert_eq!(output.code, 1, "{args:?}: {}", output.text());
        assert!(output.stderr.contains("HOME"), "{args:?}: {}", output.stderr);
    }
}
