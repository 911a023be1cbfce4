//! `--json`: accepted anywhere, stdout stays clean, an error is one object on stderr.

use bitrouter_tests::World;

#[test]
fn errors_are_one_object_on_stderr() {
    let world = World::new();
    let table: [(&[&str], i32); 5] = [
        (&["--json", "reload"], 2),
        (&["reload", "--json"], 2),
        (&["--json", "nonsense"], 1),
        (&["--json", "serve", "--listen", "nonsense"], 1),
        (&["logs", "--json"], 2),
    ];
    for (args, code) in table {
        let output = world.cli(args).with_code(code);
        assert_eq!(output.stdout, "", "{args:?}");
        let whole: serde_json::Value = serde_json::from_str(output.stderr.trim())
            .unwrap_or_else(|e| panic!("{args:?}: stderr is not one object ({e}): {}", output.stderr));
        let error = &whole["error"];
        assert!(error["code"].as_str().is_some_and(|text| !text.is_empty()), "{args:?}: {whole}");
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{args:?}: {whole}");
    }
    let hint = world.cli(["reload", "--json"]).error()["hint"].clone();
    assert!(hint.as_str().is_some_and(|text| text.contains("bitrouter start")), "{hint}");
}

#[test]
fn the_variable_does_what_the_flag_does() {
    let world = World::new();
    for (value, json) in [("1", true), ("true", true), ("yes", true), ("0", false), ("false", false), ("", false)] {
        let output = world.command(["status"]).env("BITROUTER_JSON", value).run().with_code(1);
        assert_eq!(output.stdout.trim_start().starts_with('{'), json, "`{value}`: {}", output.stdout);
    }
}

#[test]
fn every_verb_answers_in_json() {
    let world = World::new();
    let start = world.cli(["start", "--demo", "--listen", "127.0.0.1:0", "--json"]).with_code(0).json();
    let daemon = world.detached();
    let pid = daemon.pid();
    assert_eq!(start["pid"], pid, "{start}");
    let again = world.cli(["--json", "start"]).with_code(0).json();
    assert_eq!(again["pid"], pid, "{again}");
    let reload = world.cli(["reload", "--json"]).with_code(0).json();
    assert!(reload["changed"].is_array(), "{reload}");
    for line in world.cli(["logs", "--json"]).with_code(0).stdout.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    }
    let restart = world.cli(["restart", "--json"]).with_code(0).json();
    assert_ne!(restart["pid"], pid, "{restart}");
    world.cli(["stop", "--json"]).with_code(0).json();
}
