//! `bitrouter node user`, against the real daemon.

use bitrouter_tests::{World, shared_files, terminal::Terminal, wait::PATIENCE};
use serde_json::Value;

/// The rows of `node user list --json`.
fn list(world: &World) -> Vec<Value> {
    let told = world.cli(["node", "user", "list", "--json"]).with_code(0).json();
    told["data"].as_array().expect("a list").clone()
}

fn names(world: &World) -> Vec<String> {
    list(world).iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect()
}

fn add(world: &World, name: &str) {
    let password = format!("{}\n", world.canary("password"));
    world.command(["node", "user", "add", name, "--password-stdin"]).stdin(password).run().expect_code(0);
}

#[test]
fn the_owner_is_there_from_the_first_start_and_needs_no_password() {
    let world = World::new();
    let _daemon = world.demo();
    let all = list(&world);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!((&all[0]["owner"], &all[0]["can_sign_in"]), (&true.into(), &false.into()));
    assert!(all[0]["id"].as_str().is_some_and(|id| id.starts_with("usr_")), "{all:?}");
    let name = all[0]["name"].as_str().expect("a name");
    let refused = world.cli(["node", "user", "remove", name, "--yes", "--json"]).with_code(1);
    assert_eq!(refused.error()["code"], "conflict");
}

#[test]
fn a_person_is_added_and_removed() {
    let world = World::new();
    let _daemon = world.demo();
    add(&world, "Ada");
    let row = list(&world).pop().expect("a row");
    assert_eq!((&row["name"], &row["owner"], &row["can_sign_in"]), (&"Ada".into(), &false.into(), &true.into()));
    // A name is the same without its case.
    let again = world.command(["node", "user", "add", "ADA", "--password-stdin", "--json"]);
    let again = again.stdin("another password\n").run().with_code(1);
    assert_eq!(again.error()["code"], "conflict");
    let piped = world.cli(["node", "user", "list"]).with_code(0).stdout;
    assert_eq!(piped.lines().map(|line| line.split('\t').count()).collect::<Vec<_>>(), [4, 4], "{piped}");
    let unasked = world.cli(["node", "user", "remove", "ada"]).with_code(1);
    assert!(unasked.stderr.contains("--yes"), "{}", unasked.stderr);
    let removed = world.cli(["node", "user", "remove", "ada", "--yes", "--json"]).with_code(0).json();
    assert_eq!(removed["id"], row["id"]);
    assert!(!names(&world).contains(&"Ada".to_owned()));
    let gone = world.cli(["node", "user", "remove", "ada", "--yes", "--json"]).with_code(1);
    assert_eq!(gone.error()["code"], "not_found");
    add(&world, "ada");
}

#[test]
fn a_password_is_asked_for_twice_and_never_shown() {
    let world = World::new();
    let _daemon = world.demo();
    let binary = shared_files::binary();
    let words = ["node", "user", "add", "ada"];
    for (first, second, code) in
        [("correct horse", "correct horse", 0), ("correct horse", "another one entirely", 1), ("short", "", 1)]
    {
        let name = format!("ada{}", first.len() + second.len());
        let mut window = Terminal::open(&world, binary, &["node", "user", "add", &name], &[]);
        window.until_contains("password for");
        window.enter(first);
        // What is no password is told before it is asked for again.
        if second.is_empty() {
            window.until_contains("at least 10 characters");
        } else {
            window.until_contains("the same again");
            window.enter(second);
        }
        let status = window.wait(PATIENCE);
        let shown = window.until_quiet();
        assert_eq!(status.code(), Some(code), "{shown}");
        assert!(!shown.contains(first) && (second.is_empty() || !shown.contains(second)), "{shown}");
        assert_eq!(names(&world).contains(&name), code == 0, "{shown}");
    }
    let mut window = Terminal::open(&world, binary, &words, &[]);
    window.until_contains("password for");
    // Ctrl-C, as a terminal that hands over each key sends it.
    window.enter("half of it\u{3}");
    assert_eq!(window.wait(PATIENCE).code(), Some(130), "{}", window.until_quiet());
}

#[test]
fn what_is_no_password_is_refused() {
    let world = World::new();
    let _daemon = world.demo();
    for stdin in ["", "\n", "short\n", "with\u{7}a bell in it\n", "with\ta tab in it\n"] {
        let run = world.command(["node", "user", "add", "ada", "--password-stdin", "--json"]).stdin(stdin).run();
        let refused = run.with_code(1).error();
        assert!(
            ["bad_password", "invalid_argument"].contains(&refused["code"].as_str().unwrap_or_default()),
            "{stdin:?}"
        );
    }
    let long = world.command(["node", "user", "add", "ada", "--password-stdin"]).stdin("x".repeat(3000)).run();
    long.expect_code(1);
    let nobody = world.command(["node", "user", "add", "ada"]).run().with_code(1);
    assert!(nobody.stderr.contains("--password-stdin"), "{}", nobody.stderr);
    assert_eq!(names(&world).len(), 1);
}

#[test]
fn a_password_is_changed_by_name_or_id() {
    let world = World::new();
    let _daemon = world.demo();
    add(&world, "ada");
    let id = list(&world)[1]["id"].as_str().expect("an id").to_owned();
    for who in ["ADA", &id] {
        let run = world.command(["node", "user", "passwd", who, "--password-stdin"]).stdin("a new one, long\n").run();
        run.expect_code(0);
    }
    let nobody = world.command(["node", "user", "passwd", "eve", "--password-stdin", "--json"]);
    assert_eq!(nobody.stdin("a new one, long\n").run().with_code(1).error()["code"], "not_found");
}

#[test]
fn nothing_is_asked_where_it_cannot_be() {
    let world = World::new();
    let daemon = world.demo();
    add(&world, "Ada");
    let owner = list(&world)[0]["name"].as_str().expect("a name").to_owned();
    let tries = [
        (vec!["add", "ADA"], "called `Ada` already"),
        (vec!["add", "space at the end "], "no white space at its ends"),
        (vec!["passwd", "nobody"], "no person called `nobody`"),
        (vec!["remove", "nobody"], "no person called `nobody`"),
        (vec!["remove", &owner], "owns the node"),
    ];
    let told = |words: &[&str], code: i32| {
        let words: Vec<&str> = ["node", "user"].iter().chain(words).copied().collect();
        let mut window = Terminal::open(&world, shared_files::binary(), &words, &[]);
        assert_eq!(window.wait(PATIENCE).code(), Some(code), "{words:?}");
        let shown = window.until_quiet();
        assert!(!shown.contains("password for") && !shown.contains("[y/N]"), "{shown}");
        shown
    };
    for (words, why) in tries {
        let shown = told(&words, 1);
        assert!(shown.contains(why), "{shown}");
    }
    daemon.stop();
    for words in [["add", "eve"], ["passwd", "Ada"], ["remove", "Ada"]] {
        assert!(told(&words, 2).contains("bitrouter start"), "{words:?}");
    }
}

#[test]
fn an_interrupt_answers_no_question() {
    let world = World::new();
    let _daemon = world.demo();
    add(&world, "ada");
    let mut window = Terminal::open(&world, shared_files::binary(), &["node", "user", "remove", "ada"], &[]);
    window.until_contains("[y/N]");
    window.enter("y\u{3}");
    assert_eq!(window.wait(PATIENCE).code(), Some(130));
    let shown = window.until_quiet();
    assert!(shown.lines().last().is_some_and(|line| line.contains("interrupted")), "{shown}");
    assert_eq!(names(&world).len(), 2);
}

#[test]
fn a_password_is_one_line_and_the_rest_is_not_waited_for() {
    let world = World::new();
    let _daemon = world.demo();
    let words = "(echo a password of one line; exec sleep 600) | { \"$0\" node user add ada --password-stdin; \
                 echo \"ended with $?\"; kill 0; }";
    let binary = shared_files::binary().to_str().expect("a path");
    let mut window = Terminal::open(&world, "/bin/sh".as_ref(), &["-c", words, binary], &[]);
    window.until_contains("ended with 0");
    window.wait(PATIENCE);
    assert_eq!(names(&world).len(), 2);
    // A terminal would show it.
    let words = ["node", "user", "passwd", "ada", "--password-stdin"];
    let mut window = Terminal::open(&world, shared_files::binary(), &words, &[]);
    for question in ["password for", "the same again"] {
        window.until_contains(question);
        window.enter("an unseen one");
    }
    assert_eq!(window.wait(PATIENCE).code(), Some(0));
    assert!(!window.until_quiet().contains("unseen"));
}

#[test]
fn spellings_of_a_name_are_one_person() {
    let world = World::new();
    let _daemon = world.demo();
    add(&world, "Zoe\u{308}");
    assert!(names(&world).contains(&"Zoë".to_owned()));
    let again = world.command(["node", "user", "add", "ＺＯË", "--password-stdin"]);
    let again = again.stdin("another password\n").run().with_code(1);
    assert!(again.stderr.contains("called `Zoë` already"), "{}", again.stderr);
    assert!(again.stderr.contains("hint: bitrouter node user list"), "{}", again.stderr);
}

bitrouter_test_postgres::once_more_on_postgres!(
    the_owner_is_there_from_the_first_start_and_needs_no_password,
    a_person_is_added_and_removed,
    a_password_is_changed_by_name_or_id,
    spellings_of_a_name_are_one_person,
);
