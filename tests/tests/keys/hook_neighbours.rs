//! The hook beside what else lives in a shell: other hooks, options that end shells, an upgrade that moves the binary, a
//! daemon that comes later.

use std::os::unix::fs::symlink;

use bitrouter_tests::{World, openai, parked_provider::ParkedProvider, shared_files, terminal::Terminal, wait};

use super::{cast, shell};

const BASH: (&str, &[&str]) = ("/bin/bash", &["--noprofile", "--norc", "-i"]);
const ZSH: (&str, &[&str]) = ("/usr/bin/zsh", &["-f", "-i"]);
const FISH: (&str, &[&str]) =
    ("/usr/bin/fish", &["--no-config", "-i", "-C", "function fish_prompt; echo -n '> '; end"]);

struct Scene {
    world: World,
    _provider: ParkedProvider,
    key: String,
}

impl Scene {
    fn new() -> Self {
        let (world, provider) = cast();
        let key = world.canary("pushed");
        Self { world, _provider: provider, key }
    }

    fn open(&self, (program, args): (&str, &[&str])) -> Terminal {
        shell(&self.world, program, args, &[("NEXT", &self.key)])
    }
}

/// What a tool like direnv does in bash: its own prompt command exports a key in a certain directory.
const DIRENV: &str = "_direnv_hook() { if [[ $PWD == / ]]; then export OPENAI_API_KEY=$NEXT; fi; }";

#[test]
fn r1_07_bash_sends_what_direnv_exports_at_the_same_prompt() {
    for prompt_command in [
        "PROMPT_COMMAND='_direnv_hook'",
        "PROMPT_COMMAND='_direnv_hook;'",
        "PROMPT_COMMAND='_direnv_hook; '",
        "PROMPT_COMMAND=$'_direnv_hook\\n'",
        "PROMPT_COMMAND=(_direnv_hook)",
        "PROMPT_COMMAND=(: '_direnv_hook;')",
    ] {
        let scene = Scene::new();
        let daemon = scene.world.serve().start();
        let window = scene.open(BASH);
        window.run(DIRENV);
        window.run(prompt_command);
        window.run("eval \"$(\"$BITROUTER\" hook bash)\"");
        // One line, and one prompt after it: the key is there when the next line runs.
        window.enter("cd /");
        wait::holds("the key of that prompt", || daemon.provider("openai")["key_source"] == "pushed");
        let answer = daemon.http().chat("openai:m", "x").send().ok();
        assert_eq!(answer.header(openai::KEY_HEADER), Some(openai::fingerprint(&scene.key).as_str()));
        assert!(!window.text().contains("syntax error"), "{prompt_command}: {}", window.text());
    }
}

#[test]
fn r1_07_fish_and_zsh_send_what_a_later_hook_exports_before_the_next_line_runs() {
    let later = [
        (
            ZSH,
            "zsh",
            "_direnv_hook() { if [[ $PWD == / ]]; then export OPENAI_API_KEY=$NEXT; fi }; precmd_functions=(_direnv_hook $precmd_functions)",
        ),
        (
            FISH,
            "fish",
            "function direnv --on-event fish_prompt; if test $PWD = /; set -gx OPENAI_API_KEY $NEXT; end; end",
        ),
    ];
    for (program, name, hook) in later {
        let scene = Scene::new();
        let daemon = scene.world.serve().start();
        let window = scene.open(program);
        window.run(&load(name));
        window.run(hook);
        window.enter("cd /");
        window.run("echo next");
        assert_eq!(daemon.provider("openai")["key_source"], "pushed", "{name}: {}", window.text());
    }
}

fn load(name: &str) -> String {
    match name {
        "fish" => "$BITROUTER hook fish | source".to_owned(),
        name => format!("eval \"$(\"$BITROUTER\" hook {name})\""),
    }
}

#[test]
fn r1_07_what_stands_behind_the_hook_sees_the_whole_pipeline() {
    let scene = Scene::new();
    let window = scene.open(BASH);
    window.run("PROMPT_COMMAND='echo \"pipe-${PIPESTATUS[*]}-\"'");
    window.run(&load("bash"));
    window.run("PROMPT_COMMAND+='; echo \"late-$?-\"'");
    window.enter("(exit 3) | (exit 0) | (exit 5)");
    window.until_contains("pipe-3 0 5-");
    window.enter("PROMPT_COMMAND+=('echo \"last-${PIPESTATUS[*]}-\"')");
    window.enter("(exit 4) | (exit 6)");
    window.until_contains("last-4 6-");
}

#[test]
fn r1_07_a_shell_that_ends_on_errors_survives_the_hook() {
    for (program, name, option) in [(BASH, "bash", "set -e"), (ZSH, "zsh", "setopt err_exit")] {
        let scene = Scene::new();
        let window = scene.open(program);
        window.run(&load(name));
        window.run(option);
        // No daemon runs.
        window.run("export OPENAI_API_KEY=$NEXT");
        window.run("! true");
        window.run("echo alive");
        assert!(window.text().contains("no daemon is running"), "{name}: {}", window.text());
    }
}

#[test]
fn r1_07_an_upgrade_that_moves_the_binary_breaks_no_open_shell() {
    for (program, name, export) in [
        (BASH, "bash", "export OPENAI_API_KEY=$NEXT"),
        (ZSH, "zsh", "export OPENAI_API_KEY=$NEXT"),
        (FISH, "fish", "set -gx OPENAI_API_KEY $NEXT"),
    ] {
        for by_path in [false, true] {
            let scene = Scene::new();
            let daemon = scene.world.serve().start();
            let (old, new) = (scene.world.directory("home/old"), scene.world.directory("home/new"));
            symlink(shared_files::binary(), old.join("bitrouter")).expect("a link");
            let path = format!("{}:{}:/usr/bin:/bin", old.display(), new.display());
            let called = if by_path { old.join("bitrouter").display().to_string() } else { "bitrouter".to_owned() };
            let window = shell(&scene.world, program.0, program.1, &[("NEXT", &scene.key), ("PATH", &path)]);
            window.run(&match name {
                "fish" => format!("{called} hook fish | source"),
                name => format!("eval \"$({called} hook {name})\""),
            });
            window.run("bitrouter --version");
            std::fs::rename(old.join("bitrouter"), new.join("bitrouter")).expect("an upgrade");
            window.run(export);
            assert_eq!(daemon.provider("openai")["key_source"], "pushed", "{name}, {called}: {}", window.text());
            assert!(
                !window.text().contains("not found") && !window.text().contains("No such file"),
                "{}",
                window.text()
            );
            // Gone for good: the shell is as it was, and says nothing.
            std::fs::remove_file(new.join("bitrouter")).expect("an end");
            let before = window.text().len();
            window.run(&export.replace("$NEXT", "other-value"));
            let text = window.text()[before..].to_owned();
            assert!(!text.contains("not found") && !text.contains("No such file"), "{name}, {called}: {text}");
        }
    }
}

#[test]
fn r5_06_a_key_that_found_no_daemon_is_sent_once_one_answers() {
    for (program, name, export) in [
        (BASH, "bash", "export OPENAI_API_KEY=$NEXT"),
        (ZSH, "zsh", "export OPENAI_API_KEY=$NEXT"),
        (FISH, "fish", "set -gx OPENAI_API_KEY $NEXT"),
    ] {
        let scene = Scene::new();
        let window = scene.open(program);
        window.run(&load(name));
        window.run(export);
        window.run("cd /");
        let text = window.text();
        let said: Vec<&str> = text.lines().filter(|line| line.contains("no daemon")).collect();
        assert_eq!(said.len(), 1, "{name}: {text}");
        assert!(said[0].contains("bitrouter: ") && said[0].contains("OPENAI_API_KEY"), "{name}: {said:?}");
        let daemon = scene.world.serve().start();
        window.run("cd /");
        assert_eq!(daemon.provider("openai")["key_source"], "pushed", "{name}: {}", window.text());
        let answer = daemon.http().chat("openai:m", "x").send().ok();
        assert_eq!(answer.header(openai::KEY_HEADER), Some(openai::fingerprint(&scene.key).as_str()));
    }
}

#[test]
fn r5_06_the_hook_that_was_read_leaves_status_zero() {
    let scene = Scene::new();
    let window = scene.open(FISH);
    window.enter("$BITROUTER hook fish | source; echo code-$status-");
    window.until_contains("code-0-");
    let window = scene.open(BASH);
    window.enter("eval \"$(\"$BITROUTER\" hook bash)\"; echo code-$?-");
    window.until_contains("code-0-");
}

#[test]
fn r5_02_reload_and_hook_say_which_value_is_ignored_and_why() {
    let scene = Scene::new();
    let daemon = scene.world.serve().start();
    let output = scene.world.command(["reload"]).env("OPENAI_API_KEY", "sk-äö").run().with_code(0);
    let line = output.stdout.lines().find(|line| line.contains("ignored")).unwrap_or_default();
    assert!(line.contains("OPENAI_API_KEY") && line.contains("character"), "{}", output.stdout);
    let text = scene.world.cli(["status"]).with_code(0).stdout;
    let line = text.lines().find(|line| line.trim_start().starts_with("! ")).unwrap_or_default();
    assert!(line.contains("OPENAI_API_KEY") && line.contains("ignored"), "{text}");
    let window = scene.open(BASH);
    window.run(&load("bash"));
    window.run("export GROQ_API_KEY=bitrouter-local");
    window.until_contains("bitrouter: GROQ_API_KEY is ignored: ");
    drop(daemon);
}
