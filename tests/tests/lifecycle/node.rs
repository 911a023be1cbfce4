//! The node beside the rest: on after any end of the first start, off with a reason where its files are not what they should
//! be, and never in the way of inference.

use std::path::Path;

use bitrouter_tests::{Daemon, World, wait};

const FILES: &str = "data/bitrouter";

fn state(daemon: &Daemon) -> String {
    daemon.status()["node"]["state"].as_str().expect("a state").to_owned()
}

#[track_caller]
fn serves(daemon: &Daemon) {
    assert_eq!(
        daemon.http().chat("demo/echo", "hello").send().ok().json()["choices"][0]["message"]["content"],
        "hello"
    );
}

#[test]
fn the_node_is_on_from_the_first_start_and_its_files_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let daemon = world.demo();
    assert_eq!(daemon.status()["node"]["database"], "sqlite");
    assert_eq!(state(&daemon), "on");
    for name in ["node.db", "node.db-wal", "node.db-shm", "node.key", "node.lock", "revoked.log", "generation"] {
        let mode = std::fs::metadata(world.path(FILES).join(name)).expect(name).permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
    daemon.stop();
    assert!(!world.path(FILES).join("node.db-wal").exists(), "what was written is in the database itself");
    let daemon = world.demo();
    assert_eq!(std::fs::read_to_string(world.path(FILES).join("generation")).expect("a number"), "2\n");
    assert!(daemon.warning("sessions_ended").is_none() && daemon.warning("database_moved").is_none());
    daemon.stop();
}

#[test]
fn p15_a_first_start_that_is_killed_anywhere_is_gone_on_with() {
    for name in ["node.lock", "node.key", "node.db", "node.db-wal", "revoked.log", "generation"] {
        let world = World::new();
        let mut process = world.serve().arg("--demo").spawn();
        wait::holds("the file", || world.path(FILES).join(name).exists());
        process.kill();
        let daemon = world.demo();
        let status = daemon.status();
        assert_eq!(status["node"]["state"], "on", "killed at {name}: {}", status["warnings"]);
        assert!(daemon.warning("sessions_ended").is_none(), "killed at {name}");
        daemon.stop();
    }
}

#[test]
fn what_is_no_database_turns_the_node_off_and_nothing_else() {
    let world = World::new();
    let garbage = "no database\n".repeat(1_000);
    world.directory(FILES);
    let path = world.write(&format!("{FILES}/node.db"), &garbage);
    let daemon = world.demo();
    assert_eq!((state(&daemon), &daemon.status()["node"]["database"]), ("off".to_owned(), &serde_json::Value::Null));
    let warning = daemon.warned("node_off");
    let message = warning["message"].as_str().expect("a message");
    assert!(message.contains(&path.display().to_string()) && message.contains("put a copy back"), "{message}");
    daemon.warned("unmetered");
    serves(&daemon);
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), garbage);
    daemon.stop();
    // The marker of rules that only the node knows.
    world.write(&format!("{FILES}/node.bound"), "");
    let daemon = world.demo();
    assert!(daemon.warning("unmetered").is_none());
    let refused = daemon.http().chat("demo/echo", "hello").send();
    assert_eq!(refused.status, 503, "{}", refused.text());
    for name in ["node.bound", "node.db"] {
        std::fs::remove_file(world.path(FILES).join(name)).expect("removed");
    }
    wait::holds("the node", || state(&daemon) == "on");
    daemon.stop();
}

#[test]
fn a_file_that_others_can_read_is_named_with_its_cure_and_the_node_comes_on_by_itself() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    world.demo().stop();
    let key = world.path(FILES).join("node.key");
    #[expect(clippy::disallowed_methods, reason = "the test does what users do")]
    let chmod = |mode| std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).expect("a mode");
    chmod(0o644);
    let daemon = world.demo();
    assert_eq!(daemon.warned("node_off")["command"], format!("chmod 600 {}", key.display()));
    serves(&daemon);
    chmod(0o600);
    wait::holds("the node", || state(&daemon) == "on");
    assert!(daemon.warning("node_off").is_none() && daemon.warning("unmetered").is_none());
    daemon.stop();
}

#[test]
fn a_second_daemon_on_the_same_data_runs_with_its_node_off_and_names_the_first() {
    let world = World::new();
    let first = world.demo();
    let (state_dir, run_dir) = (world.directory("state2"), world.directory("run2"));
    let second = |args: &[&str]| {
        let place = |dir: &Path| dir.to_path_buf();
        world.command(args).env("XDG_STATE_HOME", place(&state_dir)).env("XDG_RUNTIME_DIR", place(&run_dir)).run()
    };
    let status = second(&["start", "--demo", "--listen", "127.0.0.1:0", "--json"]).with_code(0).json();
    assert_eq!(status["node"], serde_json::json!({"state": "elsewhere", "database": null}), "{status}");
    let told = status["warnings"].to_string();
    assert!(told.contains(&format!("pid {}", first.pid())), "{told}");
    assert_eq!(state(&first), "on");
    first.stop();
    // It takes over by itself.
    wait::holds("the node of the second", || {
        second(&["status", "--json"]).with_code(0).json()["node"]["state"] == "on"
    });
    second(&["stop"]).expect_code(0);
}

#[test]
fn a_node_that_is_switched_off_makes_no_files_and_warns_of_nothing() {
    let world = World::new();
    world.config("[node]\nenabled = false\n");
    let daemon = world.demo();
    assert_eq!(state(&daemon), "off");
    assert!(daemon.warning("node_off").is_none() && daemon.warning("unmetered").is_none());
    serves(&daemon);
    assert!(!world.path(FILES).join("node.db").exists());
    daemon.stop();
}
