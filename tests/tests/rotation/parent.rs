//! SIGHUP: what the recorded parent shows *now*. `exec` gives a process another environment and keeps its pid and its
//! start time; only that can change what `/proc/<pid>/environ` shows.

use bitrouter_tests::{Daemon, World, parking::Parking, terminal::Terminal};
use rustix::process::Signal;

use super::{EFFECTIVE, Reloads, cast, report, shell};

/// The parent of a daemon: a shell that replaces itself, by order, with one of another environment.
pub(super) struct Parent {
    terminal: Terminal,
}

impl Parent {
    /// A shell with `keys[0]` in its environment starts a daemon and waits for orders.
    #[track_caller]
    pub(super) fn with_daemon(world: &World, keys: &[&str]) -> (Self, Daemon) {
        let script = world.write(
            "home/parent.sh",
            "echo \"i am ${NUMBER:-0}\"\n\
             read -r NUMBER\n\
             export NUMBER\n\
             case $NUMBER in none) unset OPENAI_API_KEY ;; *) eval \"export OPENAI_API_KEY=\\$NEXT_$NUMBER\" ;; esac\n\
             exec /bin/sh \"$SCRIPT\"\n",
        );
        let script = script.to_string_lossy().into_owned();
        let names: Vec<String> = (0..keys.len()).map(|number| format!("NEXT_{number}")).collect();
        let mut environment: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(keys.iter().copied()).collect();
        environment.extend([("OPENAI_API_KEY", keys[0]), ("SCRIPT", script.as_str())]);
        let start = "\"$BITROUTER\" serve --listen 127.0.0.1:0 --log-format json 2>\"$HOME/serve.log\" & exec /bin/sh \"$SCRIPT\"";
        let terminal = shell(world, "/bin/sh", &["-c", start], &environment);
        let daemon = world.detached();
        terminal.until_contains("i am 0");
        (Self { terminal }, daemon)
    }

    /// Gives the parent another environment.
    #[track_caller]
    pub(super) fn become_one_with(&self, number: usize) {
        self.terminal.enter(&number.to_string());
        self.terminal.until_contains(&format!("i am {number}"));
    }

    /// Takes the key out of the parent's environment.
    #[track_caller]
    fn become_one_without(&self) {
        self.terminal.enter("none");
        self.terminal.until_contains("i am none");
    }
}

fn scene() -> (World, Parking, Vec<String>) {
    let (world, parking) = cast();
    let keys = (0..3).map(|number| world.canary(&format!("parent{number}"))).collect();
    (world, parking, keys)
}

#[track_caller]
fn uses(daemon: &Daemon, key: &str) {
    let answer = daemon.http().chat("openai:m", "x").send().ok();
    let print = answer.header(bitrouter_tests::openai::KEY_HEADER).expect("a fingerprint");
    assert_eq!(print, bitrouter_tests::openai::fingerprint(key));
}

#[test]
fn p15_sighup_takes_what_the_parent_shows_differently_than_at_our_start() {
    let (world, _parking, keys) = scene();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let (parent, daemon) = Parent::with_daemon(&world, &keys);
    uses(&daemon, keys[0]);
    let mut reloads = Reloads::of(&daemon);
    // Nothing happens before the signal.
    parent.become_one_with(1);
    uses(&daemon, keys[0]);
    let mut took = Vec::new();
    for number in [1, 2] {
        parent.become_one_with(number);
        took.push(reloads.wait_for_one_more(|| daemon.signal(Signal::HUP)));
        uses(&daemon, keys[number]);
        let openai = daemon.provider("openai");
        assert_eq!(openai["key_source"], "environment", "{openai}");
        assert!(openai["detail"].as_str().is_some_and(|text| text.contains("parent")), "{openai}");
    }
    assert!(took.iter().all(|took| *took <= EFFECTIVE), "{took:?}");
    report("SIGHUP", took);
}

#[test]
fn p15_a_variable_that_the_parent_lost_is_gone_and_the_same_value_overrides_nothing() {
    let (world, _parking, keys) = scene();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let (parent, daemon) = Parent::with_daemon(&world, &keys);
    let mut reloads = Reloads::of(&daemon);
    parent.become_one_without();
    reloads.wait_for_one_more(|| daemon.signal(Signal::HUP));
    daemon.http().chat("openai:m", "x").send().refused(402, "provider_key_missing");
    // Back at what it was at our start: our own environment counts again.
    parent.become_one_with(0);
    reloads.wait_for_one_more(|| daemon.signal(Signal::HUP));
    uses(&daemon, keys[0]);
}

#[test]
fn p15_a_parent_that_died_keeps_its_last_values() {
    let (world, _parking, keys) = scene();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let (parent, daemon) = Parent::with_daemon(&world, &keys);
    let mut reloads = Reloads::of(&daemon);
    parent.become_one_with(2);
    reloads.wait_for_one_more(|| daemon.signal(Signal::HUP));
    uses(&daemon, keys[2]);
    // Only the parent dies: its terminal stays, or the daemon would lose its own.
    bitrouter_tests::process::kill(parent.terminal.pid(), Signal::KILL);
    bitrouter_tests::wait::holds("the parent to die", || !bitrouter_tests::procfs::is_running(parent.terminal.pid()));
    if daemon.http().try_connect().is_ok() {
        let before = reloads.count();
        daemon.signal(Signal::HUP);
        bitrouter_tests::wait::holds("the reload or the end", || {
            !bitrouter_tests::procfs::is_running(daemon.pid()) || reloads.count() > before
        });
        assert!(bitrouter_tests::procfs::is_running(daemon.pid()), "the daemon ended with its parent");
        uses(&daemon, keys[2]);
    }
}

#[test]
fn p15_under_start_the_parent_is_the_process_that_ran_it() {
    let (world, _parking, keys) = scene();
    let script = world.write(
        "home/starter.sh",
        "echo \"i am ${NUMBER:-0}\"; read -r NUMBER; export NUMBER; export OPENAI_API_KEY=\"$NEXT\"; exec /bin/sh \"$SCRIPT\"\n",
    );
    let script = script.to_string_lossy().into_owned();
    let environment =
        [("NEXT", keys[1].as_str()), ("OPENAI_API_KEY", keys[0].as_str()), ("SCRIPT", script.as_str())];
    let start = "\"$BITROUTER\" start --listen 127.0.0.1:0; exec /bin/sh \"$SCRIPT\"";
    let terminal = shell(&world, "/bin/sh", &["-c", start], &environment);
    terminal.until_contains("i am 0");
    let daemon = world.detached();
    uses(&daemon, &keys[0]);
    terminal.enter("7");
    terminal.until_contains("i am 7");
    Reloads::of(&daemon).wait_for_one_more(|| daemon.signal(Signal::HUP));
    uses(&daemon, &keys[1]);
}
