//! What is printed where: errors with a hint on stderr, nothing coloured or cut when piped.

use bitrouter_tests::{World, shared_files};

#[test]
fn an_error_is_a_fragment_with_a_hint() {
    let world = World::new();
    let output = world.cli(["reload"]).with_code(2);
    assert_eq!(output.stdout, "");
    let lines: Vec<&str> = output.stderr.lines().collect();
    let error = lines[0].strip_prefix("error: ").unwrap_or_else(|| panic!("{}", output.stderr));
    assert!(!error.ends_with('.') && !error.starts_with(char::is_uppercase), "{error}");
    assert!(lines.iter().any(|line| line.starts_with("hint: ")), "{}", output.stderr);
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let world = World::new();
    let _daemon = world.demo();
    let binary = shared_files::binary().display();
    for verb in ["completions bash", "--help", "status", "status --json", "logs", "logs -f"] {
        // `:` closes its input at once; the code of `bitrouter` is written down because `sh` shows the last one.
        let script = format!("( {binary} {verb}; echo code $? >&2 ) | :");
        let output = world.program("/bin/sh".as_ref(), ["-c", &script]).run();
        let other: Vec<&str> = output.stderr.lines().filter(|line| !line.starts_with("code ")).collect();
        assert_eq!(other, Vec::<&str>::new(), "{verb}: {}", output.stderr);
        assert!(!output.stderr.contains("panicked"), "{verb}: {}", output.stderr);
    }
}

#[test]
fn nothing_is_coloured_when_piped() {
    let world = World::new();
    let _daemon = world.demo();
    for args in [&["status"][..], &["--help"], &["nonsense"], &["logs"]] {
        let output = world.command(args).env("TERM", "xterm-256color").run();
        assert!(!output.text().contains('\u{1b}'), "{args:?}: {:?}", output.text());
    }
}

#[test]
fn the_version_is_the_packages() {
    let world = World::new();
    assert_eq!(world.cli(["--version"]).with_code(0).stdout.trim(), format!("bitrouter {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_know_the_verbs() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish"] {
        let text = world.cli(["completions", shell]).with_code(0).stdout;
        for verb in ["serve", "start", "stop", "restart", "reload", "status", "logs"] {
            assert!(text.contains(verb), "{shell}: `{verb}` is missing");
        }
    }
}

#[test]
fn a_status_costs_no_multiple_of_another_command() {
    let world = World::new();
    let _daemon = world.demo();
    let mut status: Vec<_> = (0..30).map(|_| world.cli(["status"]).with_code(0).took).collect();
    let mut empty: Vec<_> = (0..30).map(|_| world.cli(["--version"]).with_code(0).took).collect();
    status.sort();
    empty.sort();
    // The bound of three times an empty process is measured in `make bench` and not here, beside other tests: this
    // one only notices something else entirely, such as a pause or a second process.
    assert!(status[15] < empty[15] * 8 + std::time::Duration::from_millis(20), "{:?} and {:?}", status[15], empty[15]);
}
