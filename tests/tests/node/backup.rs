//! `node backup` and `node restore`: a copy while calls run, and its way back without a daemon.

use bitrouter_tests::{Daemon, World, wait};
use serde_json::Value;

fn chat(daemon: &Daemon, id: &str) {
    drop(daemon.http().chat("demo/echo", "one two three").header("x-bitrouter-request-id", id).send().ok());
}

/// What the calls of the own node are known by, once there are so many and none is open.
#[track_caller]
fn calls(world: &World, count: usize) -> Vec<String> {
    wait::until("rows that are settled", || {
        let page = world.cli(["cloud", "requests", "--local", "--json"]).with_code(0).json();
        let rows = page["data"].as_array()?.clone();
        let is_whole = rows.len() == count && rows.iter().all(|row| !row["completed_at"].is_null());
        is_whole.then(|| rows.iter().filter_map(|row| Some(row["request_id"].as_str()?.to_owned())).collect())
    })
}

#[test]
fn a_copy_holds_what_was_called_and_gives_back_nothing_that_was_taken_away() {
    let world = World::new();
    let daemon = world.demo();
    let signed_in = world.cli(["auth", "login", "--local", "--json"]).with_code(0).json();
    let path = signed_in["credentials_path"].as_str().expect("a path");
    let credential: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("a file")).expect("JSON");
    let token = credential["access_token"].as_str().expect("a token");
    daemon.http().get("/v1/namespaces").bearer(token).send().ok();
    chat(&daemon, "before");
    let copy = world.root().join("copy.db");
    let file = copy.to_str().expect("text");
    let made = world.cli(["node", "backup", file, "--json"]).with_code(0).json();
    assert_eq!(made["path"], file, "{made}");
    assert_eq!(made["bytes"], copy.metadata().expect("a file").len(), "{made}");
    let again = world.cli(["node", "backup", file]).with_code(1);
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);
    chat(&daemon, "after");
    calls(&world, 2);
    world.cli(["auth", "logout"]).expect_code(0);
    let refused = world.cli(["node", "restore", file, "--yes"]).with_code(1);
    assert!(
        refused.stderr.contains("a daemon already runs") && refused.stderr.contains("hint: bitrouter stop"),
        "{}",
        refused.stderr
    );
    daemon.stop();

    let asked = world.cli(["node", "restore", file]).with_code(1);
    assert!(asked.stderr.contains("--yes"), "{}", asked.stderr);
    let garbage = world.write("garbage", "no database");
    let none = world.cli(["node", "restore", garbage.to_str().expect("text"), "--yes"]).with_code(1);
    assert!(none.stderr.contains("is no copy of a node's database"), "{}", none.stderr);
    let in_place = world.cli(["node", "restore", "--in-place", "--yes"]).with_code(1);
    assert!(in_place.stderr.contains("hint: bitrouter node restore FILE"), "{}", in_place.stderr);
    let done = world.cli(["node", "restore", file, "--yes", "--json"]).with_code(0).json();
    assert_eq!(done["revocations"], 1, "{done}");
    assert_eq!(done["nothing_is_trusted"], false, "{done}");
    assert!(done["aside"].as_str().is_some_and(|path| path.contains("node.db.aside-")), "{done}");

    let daemon = world.demo();
    assert_eq!(daemon.status()["node"]["state"], "on");
    assert_eq!(calls(&world, 1), ["before"]);
    // Who signed out stays signed out.
    assert_eq!(daemon.http().get("/v1/namespaces").bearer(token).send().status, 401);
    daemon.stop();
}
