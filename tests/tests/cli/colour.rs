//! Colour is for terminals whose users want it; log lines are set for reading there.

use std::time::Duration;

use bitrouter_tests::{World, shared_files, terminal::Terminal};

/// What a command shows on a terminal.
#[track_caller]
fn shown(world: &World, words: &[&str], environment: &[(&str, &str)]) -> String {
    let mut window = Terminal::open(world, shared_files::binary(), words, environment);
    window.wait(Duration::from_secs(20));
    window.until_quiet()
}

#[test]
fn r5_04_colour_is_for_terminals() {
    let world = World::new();
    let _daemon = world.demo();
    for words in [&["status"][..], &["logs"], &["nonsense"], &["--help"], &["status", "--help"]] {
        let text = shown(&world, words, &[("TERM", "xterm-256color")]);
        assert!(text.contains("\u{1b}["), "{words:?}: {text:?}");
        for plain in [&[("TERM", "xterm-256color"), ("NO_COLOR", "1")][..], &[("TERM", "dumb")]] {
            let text = shown(&world, words, plain);
            assert!(!text.is_empty() && !text.contains('\u{1b}'), "{words:?} {plain:?}: {text:?}");
        }
        let piped = world.command(words).env("TERM", "xterm-256color").env("CLICOLOR_FORCE", "1").run();
        assert!(!piped.text().contains('\u{1b}'), "{words:?}: {:?}", piped.text());
    }
}

#[test]
fn r5_04_log_lines_are_set_for_reading_on_a_terminal_and_json_elsewhere() {
    let world = World::new();
    world.cli(["start", "--demo", "--listen", "127.0.0.1:0"]).expect_code(0);
    let daemon = world.detached();
    daemon.http().chat("demo/echo", "x").send().ok();
    let text = shown(&world, &["logs"], &[("TERM", "dumb")]);
    assert!(!text.contains("{\"timestamp\"") && text.contains(" INFO ready version="), "{text}");
    assert!(text.lines().any(|line| line.contains(" INFO request ") && line.contains("status=200")), "{text}");
    let text = shown(&world, &["logs", "--json"], &[("TERM", "dumb")]);
    assert!(text.contains("{\"timestamp\""), "{text}");
    for line in world.cli(["logs"]).with_code(0).stdout.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    }
}

#[test]
fn r5_09_help_is_as_wide_as_the_terminal() {
    let world = World::new();
    let sized = format!("stty cols 72; {} serve --help", shared_files::binary().display());
    let mut window = Terminal::open(&world, "/bin/sh".as_ref(), &["-c", &sized], &[]);
    window.wait(Duration::from_secs(20));
    let text = window.until_quiet();
    let widest = text.lines().map(|line| line.trim_end().chars().count()).max();
    assert!(text.contains("--listen") && widest <= Some(72), "{text}");
}
