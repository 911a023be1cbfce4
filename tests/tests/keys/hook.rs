//! `bitrouter hook`: real shells with real prompts. It pushes nothing when it loads, then only what changed, forks only
//! for that, prints nothing, and leaves the shell as it was.

use std::{path::PathBuf, time::Duration};

use bitrouter_tests::{Daemon, World, openai, parked_provider::ParkedProvider, shared_files, terminal::Terminal, wait};

use super::{cast, shell};

/// How one shell says what the tests need.
struct Dialect {
    name: &'static str,
    program: &'static str,
    args: &'static [&'static str],
    load: &'static str,
    export: &'static str,
    unset: &'static str,
    unexported: &'static str,
    failed: &'static str,
    prompt_of_the_user: &'static str,
}

const BASH: Dialect = Dialect {
    name: "bash",
    program: "/bin/bash",
    args: &["--noprofile", "--norc", "-i"],
    load: "eval \"$(\"$BITROUTER\" hook bash)\"",
    export: "export OPENAI_API_KEY=$NEXT",
    unset: "unset OPENAI_API_KEY",
    unexported: "GROQ_API_KEY=$NEXT",
    failed: "(exit 7); echo \"code-$?\"",
    prompt_of_the_user: "PROMPT_COMMAND='echo my-own-$?-prompt'",
};

const ZSH: Dialect = Dialect {
    name: "zsh",
    program: "/usr/bin/zsh",
    args: &["-f", "-i"],
    load: "eval \"$(\"$BITROUTER\" hook zsh)\"",
    export: "export OPENAI_API_KEY=$NEXT",
    unset: "unset OPENAI_API_KEY",
    unexported: "GROQ_API_KEY=$NEXT",
    failed: "(exit 7); echo \"code-$?\"",
    prompt_of_the_user: "precmd() { echo my-own-$?-prompt }",
};

const FISH: Dialect = Dialect {
    name: "fish",
    program: "/usr/bin/fish",
    args: &["--no-config", "-i", "-C", "function fish_prompt; echo -n '> '; end"],
    load: "$BITROUTER hook fish | source",
    export: "set -gx OPENAI_API_KEY $NEXT",
    unset: "set -e OPENAI_API_KEY",
    unexported: "set -g GROQ_API_KEY $NEXT",
    failed: "sh -c 'exit 7'; echo \"code-$status\"",
    prompt_of_the_user: "function mine --on-event fish_prompt; echo my-own-$status-prompt; end",
};

struct Scene {
    world: World,
    _parking: ParkedProvider,
    daemon: Daemon,
    key: String,
}

fn scene() -> Scene {
    let (world, provider) = cast();
    let daemon = world.serve().args(["--log-format", "json"]).start();
    let key = world.canary("pushed");
    Scene { world, _parking: provider, daemon, key }
}

impl Scene {
    fn open(&self, dialect: &Dialect) -> Terminal {
        shell(&self.world, dialect.program, dialect.args, &[("NEXT", &self.key)])
    }

    #[track_caller]
    fn uses(&self, key: Option<&str>) {
        let answer = self.daemon.http().chat("openai:m", "x").send();
        match key {
            Some(key) => {
                let answer = answer.ok();
                assert_eq!(answer.header(openai::KEY_HEADER), Some(openai::fingerprint(key).as_str()));
            }
            None => drop(answer.refused(402, "provider_key_missing")),
        }
    }

    fn pushes(&self) -> usize {
        // From the daemon's memory: what it writes to standard error comes a moment later.
        bitrouter_tests::logs::with_message(&self.world.cli(["logs"]).with_code(0).stdout, "pushed").len()
    }
}

#[track_caller]
fn rotates(dialect: &Dialect) {
    let scene = scene();
    let window = shell(
        &scene.world,
        dialect.program,
        dialect.args,
        &[("NEXT", &scene.key), ("OPENAI_API_KEY", "was-there-before-the-hook")],
    );
    window.run(dialect.load);
    // What was there when it loaded is not pushed, and neither is what is not exported.
    scene.uses(None);
    window.run(dialect.unexported);
    window.run(dialect.unset);
    assert!(scene.daemon.provider("groq")["key_source"].is_null());
    scene.uses(None);
    for _ in 0..3 {
        window.run(dialect.export);
        scene.uses(Some(&scene.key));
        let openai = scene.daemon.provider("openai");
        assert_eq!(openai["key_source"], "pushed", "{openai}");
        assert!(openai["detail"].as_str().is_some_and(|text| text.contains(&window.pid().to_string())), "{openai}");
        window.run(dialect.unset);
        scene.uses(None);
    }
    // Three times set and unset, then once set: what is set again to the same is no change.
    wait::holds("the log to have six pushes", || scene.pushes() == 6);
    window.run(dialect.export);
    window.run(dialect.export);
    window.run("cd /");
    wait::holds("the seventh push", || scene.pushes() == 7);
    let span = Duration::from_millis(200);
    wait::stays("no push without a change", span, || scene.pushes() == 7);
}

/// A shell that traces what it does shows what was typed, and no key that the hook looked at.
#[track_caller]
fn traces_no_key(dialect: &Dialect) {
    let scene = scene();
    let window = shell(&scene.world, dialect.program, dialect.args, &[("OPENAI_API_KEY", &scene.key)]);
    window.run("set -x");
    window.run(dialect.load);
    for command in ["export GROQ_API_KEY=$OPENAI_API_KEY >/dev/null 2>&1", "unset GROQ_API_KEY", ":"] {
        window.run(&format!("set +x; {command}; set -x"));
        window.run(":");
    }
    let text = window.text();
    assert!(text.contains('+'), "nothing was traced: {text}");
    assert!(!text.contains(&scene.key), "{text}");
    assert_eq!(scene.pushes(), 2);
}

#[test]
fn p03_bash_that_traces_shows_no_key() {
    traces_no_key(&BASH);
}

#[test]
fn p03_zsh_that_traces_shows_no_key() {
    traces_no_key(&ZSH);
}

#[test]
fn p15_bash_pushes_what_changed() {
    rotates(&BASH);
}

#[test]
fn p15_zsh_pushes_what_changed() {
    rotates(&ZSH);
}

#[test]
fn p15_fish_pushes_what_changed() {
    rotates(&FISH);
}

/// The shell's prompt, its exit code and its output are as without the hook.
#[track_caller]
fn is_silent(dialect: &Dialect) {
    let scene = scene();
    let window = scene.open(dialect);
    window.run(dialect.prompt_of_the_user);
    window.run(dialect.load);
    window.run(dialect.failed);
    window.until_contains("code-7");
    let before = window.text().len();
    window.run(dialect.export);
    scene.uses(Some(&scene.key));
    window.run(dialect.unset);
    let text = window.text()[before..].to_owned();
    let typed = [dialect.export, dialect.unset];
    let said = text.lines().filter(|line| !typed.iter().any(|typed| line.contains(typed)));
    for word in ["bitrouter", "push", "OPENAI_API_KEY", "error", "hint"] {
        assert!(!said.clone().any(|line| line.contains(word)), "{}: said `{word}`:\n{text}", dialect.name);
    }
    assert!(text.contains("my-own-"), "{}: the user's own prompt command is gone:\n{text}", dialect.name);
    // Without a daemon: one line, and the shell goes on.
    scene.world.cli(["stop"]).expect_code(0);
    let before = window.text().len();
    window.run(dialect.export);
    let text = window.text()[before..].to_owned();
    let lines = text.lines().filter(|line| line.contains("no daemon")).count();
    assert_eq!(lines, 1, "{}:\n{text}", dialect.name);
    let before = window.text().len();
    window.run("cd /");
    assert!(!window.text()[before..].contains("no daemon"), "{}: said again without a change", dialect.name);
}

#[test]
fn p15_the_bash_hook_is_silent() {
    is_silent(&BASH);
}

#[test]
fn p15_the_zsh_hook_is_silent() {
    is_silent(&ZSH);
}

#[test]
fn p15_the_fish_hook_is_silent() {
    is_silent(&FISH);
}

/// Counts the processes (not threads) that the shell made, as strace saw them.
fn processes(trace: &PathBuf) -> usize {
    let text = std::fs::read_to_string(trace).unwrap_or_default();
    let made = text.lines().filter(|line| {
        let call = ["fork(", "vfork(", "clone(", "clone3("].iter().any(|call| line.contains(call));
        call && !line.contains("CLONE_THREAD") && !line.contains("resumed>")
    });
    made.count()
}

#[track_caller]
fn forks_only_to_push(dialect: &Dialect) {
    let scene = scene();
    let trace = scene.world.path("home/trace");
    let file = trace.to_string_lossy().into_owned();
    let binary = shared_files::binary().to_string_lossy().into_owned();
    let mut args = vec!["-f", "-qq", "-o", &file, "-e", "trace=fork,vfork,clone,clone3", dialect.program];
    args.extend(dialect.args);
    let window = Terminal::open(
        &scene.world,
        "/usr/bin/strace".as_ref(),
        &args,
        &[("BITROUTER", &binary), ("PS1", "$ "), ("NEXT", &scene.key)],
    );
    // What the shell itself needs for its prompts is its own affair.
    let idle = || {
        window.run("cd /");
        let before = processes(&trace);
        for _ in 0..5 {
            window.run("cd /");
        }
        processes(&trace) - before
    };
    let without = idle();
    window.run(dialect.load);
    assert_eq!(idle(), without, "{}: forked at an idle prompt", dialect.name);
    let before = processes(&trace);
    window.run(dialect.export);
    scene.uses(Some(&scene.key));
    let made = processes(&trace) - before;
    assert!((1..=2 + without / 5 * 2).contains(&made), "{}: {made} processes for one push", dialect.name);
}

#[test]
fn p15_the_bash_hook_forks_only_to_push() {
    forks_only_to_push(&BASH);
}

#[test]
fn p15_the_zsh_hook_forks_only_to_push() {
    forks_only_to_push(&ZSH);
}

#[test]
fn p15_the_fish_hook_forks_only_to_push() {
    forks_only_to_push(&FISH);
}
