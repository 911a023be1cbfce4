//! What a terminal is greeted with, and that its lines work when they are pasted.

use std::{path::Path, time::Duration};

use bitrouter_tests::{Output, World, sdk, shared_files, terminal::Terminal};

/// The greeting of `bitrouter serve ARGS…`, from its first line to its last.
struct Greeting {
    world: World,
    text: String,
    _window: Terminal,
}

const LAST: &str = "Ctrl-C ends it.";

fn greeting(program: &Path, args: &[&str], variables: &[(&str, &str)]) -> Greeting {
    let world = World::new();
    let args: Vec<&str> = ["serve", "--listen", "127.0.0.1:0"].into_iter().chain(args.iter().copied()).collect();
    let window = Terminal::open(&world, program, &args, variables);
    window.until_contains(LAST);
    let shown = window.text().replace("\r\n", "\n");
    let begins = shown.find(&format!("bitrouter {}\n", env!("CARGO_PKG_VERSION"))).expect("the first line");
    let ends = shown.find(LAST).expect("the last line") + LAST.len();
    Greeting { text: shown[begins..ends].to_owned(), world, _window: window }
}

impl Greeting {
    /// The line that begins so, as somebody would copy it.
    fn line(&self, begin: &str) -> &str {
        self.text
            .lines()
            .find(|line| line.starts_with(begin))
            .unwrap_or_else(|| panic!("no `{begin}` in {}", self.text))
    }

    /// Pastes a line into a shell of the same user.
    #[track_caller]
    fn paste(&self, line: &str, variables: &[(&str, &Path)]) -> Output {
        let run = self.world.program(Path::new("/bin/sh"), ["-c", line]);
        variables.iter().fold(run, |run, (name, value)| run.env(name, value)).run().with_code(0)
    }
}

#[test]
fn the_three_lines_work_as_pasted() {
    let shown = greeting(shared_files::binary(), &["--demo"], &[]);
    let answer = shown.paste(shown.line("curl "), &[]).json();
    assert_eq!(answer["choices"][0]["message"]["content"], "Hello there", "{answer}");
    // `python3` here has no `openai`; the one that has it stands for the reader's own.
    let (python, variables) = sdk::interpreter();
    let line = shown.line("python3 ").strip_prefix("python3").expect("just found");
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_path())).collect();
    let said = shown.paste(&format!("{}{line}", python.display()), &variables);
    assert_eq!(said.stdout, "Hello there\n");
    let binary = shared_files::binary().display().to_string();
    let status = shown.paste(shown.line(&binary), &[]);
    assert!(status.stdout.contains("running") && status.stdout.contains("demo"), "{}", status.stdout);
    assert_eq!(shown.line(&binary), format!("{binary} status"));
}

#[test]
fn demo_lines_stay_offline_although_there_is_a_key() {
    let shown = greeting(shared_files::binary(), &["--demo"], &[("OPENAI_API_KEY", "x")]);
    assert!(shown.text.contains("key from OPENAI_API_KEY"), "{}", shown.text);
    assert!(shown.line("curl ").contains("\"demo/echo\"") && shown.line("python3 ").contains("'demo/echo'"));
}

#[test]
fn without_a_model_no_line_calls_one_and_it_says_what_to_do() {
    let shown = greeting(shared_files::binary(), &[], &[]);
    let binary = shared_files::binary().display().to_string();
    assert!(!shown.text.contains("curl") && !shown.text.contains("python3"), "{}", shown.text);
    assert!(
        shown.text.contains("OPENAI_API_KEY") && shown.text.contains(&format!("`{binary} reload`")),
        "{}",
        shown.text
    );
    assert!(shown.text.contains(&format!("{binary} serve --demo")), "{}", shown.text);
    shown.paste(shown.line(&binary), &[]);
}

#[test]
fn where_the_shell_knows_us_our_name_is_enough() {
    let directory = shared_files::binary().parent().expect("a directory");
    let path = format!("{}:/usr/bin:/bin", directory.display());
    let shown = greeting(shared_files::binary(), &[], &[("PATH", &path)]);
    assert!(!shown.text.contains(&directory.display().to_string()), "{}", shown.text);
    let status = shown.line("bitrouter status");
    shown.paste(status, &[("PATH", Path::new(&path))]);
}

#[test]
fn the_picture_in_the_readme_is_what_is_shown() {
    let shown = greeting(shared_files::binary(), &["--demo"], &[]);
    let readme = std::fs::read_to_string(shared_files::repository().join("README.md")).expect("README.md");
    let picture = readme.split("```\n").find(|block| block.contains(LAST)).expect("the picture");
    let status = picture.lines().find(|line| line.ends_with(" status")).expect("the line to paste");
    let pictured = status.strip_suffix(" status").expect("just found");
    let control = shown.world.socket().display().to_string();
    let address =
        shown.line("  listening").trim_start_matches("  listening   http://").trim_end_matches("/v1").to_owned();
    let port = address.rsplit(':').next().expect("a port");
    let mut text = shown.text.replace(&control, "/run/user/1000/bitrouter/control.sock");
    text = text.replace(&shared_files::binary().display().to_string(), pictured);
    text = text.replace(&format!(":{port}/"), ":4356/");
    let mut picture = picture.trim_end().to_owned();
    if !text.contains("[::1]") {
        shared_files::lacks("IPv6");
        picture = picture.replace("              http://[::1]:4356/v1\n", "");
    }
    assert_eq!(picture, text);
}

#[test]
fn r5_09_no_log_line_frames_the_greeting() {
    let world = World::new();
    let args = ["serve", "--demo", "--listen", "127.0.0.1:0"];
    let window = Terminal::open(&world, shared_files::binary(), &args, &[]);
    window.until_contains(LAST);
    world.cli(["status"]).expect_code(0);
    let shown = window.text().replace("\r\n", "\n");
    assert!(shown.starts_with(&format!("bitrouter {}\n", env!("CARGO_PKG_VERSION"))), "{shown}");
    assert!(shown.trim_end().ends_with(LAST), "{shown}");
    // They are where one looks for them, and what comes later is shown.
    let logs = world.cli(["logs"]).with_code(0);
    assert!(logs.stdout.contains("ready"), "{}", logs.text());
    world.cli(["reload"]).expect_code(0);
    window.until_contains("reload");
}

#[test]
fn r5_09_without_a_greeting_every_line_is_written() {
    let world = World::new();
    let args = ["serve", "--json", "--demo", "--listen", "127.0.0.1:0"];
    let window = Terminal::open(&world, shared_files::binary(), &args, &[]);
    window.until_contains("ready");
}

#[test]
fn r5_09_the_line_that_installs_the_package_touches_no_system_package_in_any_shell() {
    let shown = greeting(shared_files::binary(), &["--demo"], &[]);
    let line = shown.text.split('`').find(|code| code.contains("pip install openai")).expect("the line");
    assert!(line.starts_with("python3 -m venv "), "{line}");
    // Everything but the download; one environment serves every shell.
    let mut line = line.replace("pip install openai", "pip --version");
    for shell in ["/bin/sh", "/bin/bash", "/usr/bin/zsh", "/usr/bin/fish"].map(Path::new) {
        if !shell.exists() {
            shared_files::lacks(&format!("`{}`", shell.display()));
            continue;
        }
        let script = format!("{line}\npython3 -c 'import sys; print(sys.prefix)'");
        let run = shown.world.program(shell, ["-c", &script]).within(Duration::from_secs(150));
        let output = run.run().with_code(0);
        let prefix = output.stdout.lines().last().unwrap_or_default();
        assert_eq!(prefix, shown.world.path("home/.venv").to_string_lossy(), "{}: {}", shell.display(), output.text());
        line = line.replace("python3 -m venv ~/.venv", "test -d ~/.venv");
    }
}
