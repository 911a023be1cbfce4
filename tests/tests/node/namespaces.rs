//! `bitrouter node namespace`, against the real daemon.

use bitrouter_tests::{World, shared_files, terminal::Terminal, wait::PATIENCE};
use serde_json::{Value, json};

/// The rows of `node namespace list --json`.
fn list(world: &World) -> Vec<Value> {
    let told = world.cli(["node", "namespace", "list", "--json"]).with_code(0).json();
    told["data"].as_array().expect("a list").clone()
}

fn names(world: &World) -> Vec<String> {
    list(world).iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn the_first_start_makes_a_namespace_that_is_there_after_a_restart() {
    let world = World::new();
    let daemon = world.demo();
    let first = list(&world);
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!(first[0]["name"], "default");
    let id = first[0]["id"].as_str().expect("an id");
    assert!(id.starts_with("ns_") && id.len() == 29 && id.to_ascii_lowercase() == id, "{id}");
    assert_eq!(first[0].as_object().expect("a row").len(), 3, "{first:?}");
    daemon.stop();
    let _daemon = world.demo();
    assert_eq!(list(&world), first);
}

#[test]
fn a_namespace_is_made_renamed_and_deleted() {
    let world = World::new();
    let _daemon = world.demo();
    let made = world.cli(["node", "namespace", "create", "staging", "--json"]).with_code(0).json();
    let id = made["id"].as_str().expect("an id").to_owned();
    assert_eq!(names(&world), ["default", "staging"]);
    let renamed = world.cli(["--json", "node", "namespace", "rename", "staging", "Größe 2"]).with_code(0).json();
    assert_eq!(renamed, json!({ "id": id, "name": "Größe 2", "created_at": made["created_at"] }));
    // An id in any case.
    let again = id.to_ascii_uppercase();
    world.cli(["node", "namespace", "rename", &again, "blue"]).expect_code(0);
    let deleted = world.cli(["node", "namespace", "delete", &again, "--yes", "--json"]).with_code(0).json();
    assert_eq!((&deleted["id"], &deleted["name"]), (&json!(id), &json!("blue")));
    assert_eq!(names(&world), ["default"]);
    // Its name is free again.
    world.cli(["node", "namespace", "create", "blue"]).expect_code(0);
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    let world = World::new();
    let _daemon = world.demo();
    world.cli(["node", "namespace", "create", "blue"]).expect_code(0);
    let long = "x".repeat(129);
    for (words, code) in [
        (vec!["create", "blue"], "conflict"),
        (vec!["create", "default"], "conflict"),
        (vec!["rename", "blue", "default"], "conflict"),
        (vec!["rename", "nonsense", "x"], "not_found"),
        (vec!["delete", "nonsense", "--yes"], "not_found"),
        (vec!["delete", "ns_00000000010000000000000002", "--yes"], "not_found"),
        (vec!["delete", "default", "--yes"], "conflict"),
        (vec!["create", ""], "invalid_argument"),
        (vec!["create", "a\u{202e}b"], "invalid_argument"),
        (vec!["create", "a\nb"], "invalid_argument"),
        (vec!["create", "a\u{2028}b"], "invalid_argument"),
        (vec!["create", " a"], "invalid_argument"),
        (vec!["create", "ns_00000000010000000000000002"], "invalid_argument"),
        (vec!["create", &long], "invalid_argument"),
    ] {
        let words: Vec<&str> = ["node", "namespace"].into_iter().chain(words).chain(["--json"]).collect();
        let output = world.cli(&words).with_code(1);
        assert_eq!(output.error()["code"], code, "{words:?}");
        assert_eq!(output.stdout, "", "{words:?}");
    }
    assert_eq!(names(&world), ["default", "blue"]);
}

#[test]
fn the_first_namespace_is_renamed_freely_and_stays() {
    let world = World::new();
    let _daemon = world.demo();
    world.cli(["node", "namespace", "rename", "default", "main"]).expect_code(0);
    world.cli(["node", "namespace", "create", "default"]).expect_code(0);
    let refused = world.cli(["node", "namespace", "delete", "main", "--yes"]).with_code(1);
    assert!(refused.stderr.contains("first namespace"), "{}", refused.stderr);
    world.cli(["node", "namespace", "delete", "default", "--yes"]).expect_code(0);
}

#[test]
fn rows_for_pipes_are_plain_and_whole() {
    let world = World::new();
    let _daemon = world.demo();
    world.cli(["node", "namespace", "create", &"w".repeat(128)]).expect_code(0);
    let piped = world.cli(["node", "namespace", "list"]).with_code(0).stdout;
    let rows: Vec<Vec<&str>> = piped.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3], "{piped}");
    assert_eq!(rows[1][1].len(), 128);
    let all = world.cli(["node", "namespace", "list", "--all"]).with_code(0).stdout;
    assert_eq!(all.lines().map(|line| line.split('\t').count()).collect::<Vec<_>>(), [4, 4], "{all}");
    let told = world.cli(["node", "namespace", "list", "--all", "--json"]).with_code(0).json();
    assert!(told["data"][0]["owner_id"].as_str().is_some_and(|id| id.starts_with("usr_")), "{told}");
    assert!(told["data"][0]["owner_name"].as_str().is_some_and(|name| !name.is_empty()), "{told}");
}

#[test]
fn what_destroys_asks_on_a_terminal_and_needs_yes_elsewhere() {
    let world = World::new();
    let _daemon = world.demo();
    world.cli(["node", "namespace", "create", "blue"]).expect_code(0);
    let refused = world.cli(["node", "namespace", "delete", "blue"]).with_code(1);
    assert!(refused.stderr.contains("--yes"), "{}", refused.stderr);
    let words = ["node", "namespace", "delete", "blue"];
    for (answer, code, left) in [("n", 1, true), ("", 1, true), ("y", 0, false)] {
        let mut window = Terminal::open(&world, shared_files::binary(), &words, &[]);
        window.until_contains("[y/N]");
        window.enter(answer);
        assert_eq!(window.wait(PATIENCE).code(), Some(code), "{answer:?}: {}", window.until_quiet());
        assert_eq!(names(&world).contains(&"blue".to_owned()), left, "{answer:?}");
    }
    // What cannot be is told before anybody is asked.
    for (name, why) in [("default", "first namespace"), ("nonexist", "no namespace of yours called `nonexist`")] {
        let words = ["node", "namespace", "delete", name];
        let mut window = Terminal::open(&world, shared_files::binary(), &words, &[]);
        assert_eq!(window.wait(PATIENCE).code(), Some(1), "{name}");
        let shown = window.until_quiet();
        assert!(shown.contains(why) && !shown.contains("[y/N]"), "{shown}");
    }
}

#[test]
fn a_terminal_gets_a_table() {
    let world = World::new();
    let _daemon = world.demo();
    let mut window = Terminal::open(&world, shared_files::binary(), &["node", "namespace", "list"], &[]);
    assert_eq!(window.wait(PATIENCE).code(), Some(0));
    let shown = window.until_quiet();
    assert!(shown.lines().next().is_some_and(|line| line.split_whitespace().eq(["ID", "NAME", "CREATED"])), "{shown}");
    assert!(shown.contains(" ago") || shown.contains("just now"), "{shown}");
}

#[test]
fn without_a_daemon_the_hint_is_to_start_one() {
    let world = World::new();
    let output = world.cli(["node", "namespace", "list"]).with_code(2);
    assert_eq!((output.stdout.as_str(), output.stderr.lines().nth(1)), ("", Some("hint: bitrouter start")));
}

#[test]
fn n40_two_at_once_make_one_namespace_of_a_name() {
    let world = World::new();
    let _daemon = world.demo();
    let tries: Vec<_> = (0..6).map(|_| world.command(["node", "namespace", "create", "one"]).spawn()).collect();
    let codes: Vec<_> = tries.into_iter().map(|mut run| run.wait(PATIENCE * 2).code()).collect();
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == Some(1)).count(), 5, "{codes:?}");
    assert_eq!(names(&world), ["default", "one"]);
}

bitrouter_test_postgres::once_more_on_postgres!(
    the_first_start_makes_a_namespace_that_is_there_after_a_restart,
    a_namespace_is_made_renamed_and_deleted,
    what_cannot_be_is_refused_with_its_reason,
    n40_two_at_once_make_one_namespace_of_a_name,
);
