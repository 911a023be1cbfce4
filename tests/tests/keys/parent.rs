//! SIGHUP: what the recorded parent shows *now*. `exec` gives a process another environment and keeps its pid and its
//! start time; only that can change what `/proc/<pid>/environ` shows.

use std::path::PathBuf;

use bitrouter_tests::{Daemon, World, openai, parked_provider::ParkedProvider, process::Process, shared_files};
use rustix::process::Signal;

use super::{EFFECTIVE, Reloads, cast, report};

/// The parent of a daemon: a shell that replaces itself, by order, with one of another environment.
pub(super) struct Parent {
    process: Process,
    orders: PathBuf,
}

impl Parent {
    /// A shell with `keys[0]` in its environment starts a daemon with `start` and waits for orders.
    #[track_caller]
    fn of(world: &World, keys: &[&str], start: &str) -> (Self, Daemon) {
        let script = world.write(
            "home/parent.sh",
            "echo \"i am ${NUMBER:-0}\"\n\
             NUMBER=\n\
             while [ -z \"$NUMBER\" ]; do read -r NUMBER <\"$ORDERS\"; done\n\
             export NUMBER\n\
             case $NUMBER in none) unset OPENAI_API_KEY ;; *) eval \"export OPENAI_API_KEY=\\$NEXT_$NUMBER\" ;; esac\n\
             exec /bin/sh \"$SCRIPT\"\n",
        );
        let orders = world.path("home/orders");
        world.program("/usr/bin/mkfifo".as_ref(), [&orders]).run().expect_code(0);
        let mut run = world.program("/bin/sh".as_ref(), ["-c", &format!("{start} exec /bin/sh \"$SCRIPT\"")]);
        for (number, key) in keys.iter().enumerate() {
            run = run.env(format!("NEXT_{number}"), key);
        }
        run = run.env("BITROUTER", shared_files::binary()).env("ORDERS", &orders).env("SCRIPT", script);
        let process = run.env("OPENAI_API_KEY", keys[0]).spawn();
        let daemon = world.detached();
        process.stdout().until_contains("i am 0");
        (Self { process, orders }, daemon)
    }

    /// The parent of a foreground daemon.
    #[track_caller]
    pub(super) fn with_daemon(world: &World, keys: &[&str]) -> (Self, Daemon) {
        Self::of(world, keys, "\"$BITROUTER\" serve --listen 127.0.0.1:0 2>\"$HOME/serve.log\" &")
    }

    #[track_caller]
    fn order(&self, word: &str) {
        let before = self.process.stdout().text().lines().count();
        let mut orders = std::fs::OpenOptions::new().write(true).open(&self.orders).expect("orders");
        std::io::Write::write_all(&mut orders, format!("{word}\n").as_bytes()).expect("an order");
        drop(orders);
        let text = self.process.stdout().until("the new parent", |text| text.lines().count() > before);
        assert!(text.ends_with(&format!("i am {word}\n")), "{text}");
    }

    /// Gives the parent another environment.
    #[track_caller]
    pub(super) fn become_one_with(&self, number: usize) {
        self.order(&number.to_string());
    }
}

fn scene() -> (World, ParkedProvider, Vec<String>) {
    let (world, provider) = cast();
    let keys = (0..3).map(|number| world.canary(&format!("parent{number}"))).collect();
    (world, provider, keys)
}

#[track_caller]
fn uses(daemon: &Daemon, key: &str) {
    let answer = daemon.http().chat("openai:m", "x").send();
    assert_eq!(answer.status, 200, "{}", daemon.provider("openai"));
    let print = answer.header(openai::KEY_HEADER).expect("a fingerprint");
    assert_eq!(print, openai::fingerprint(key));
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
fn p15_a_variable_that_the_parent_lost_and_the_same_value_override_nothing() {
    let (world, _parking, keys) = scene();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let (parent, daemon) = Parent::with_daemon(&world, &keys);
    let mut reloads = Reloads::of(&daemon);
    parent.become_one_with(1);
    reloads.wait_for_one_more(|| daemon.signal(Signal::HUP));
    uses(&daemon, keys[1]);
    // A program that writes its title over its environment loses names that way: only a value says something.
    parent.order("none");
    reloads.wait_for_one_more(|| daemon.signal(Signal::HUP));
    uses(&daemon, keys[0]);
    // As it was at our start.
    parent.become_one_with(0);
    reloads.wait_for_one_more(|| daemon.signal(Signal::HUP));
    uses(&daemon, keys[0]);
}

#[test]
fn p15_a_parent_that_died_keeps_its_last_values() {
    let (world, _parking, keys) = scene();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let (mut parent, daemon) = Parent::with_daemon(&world, &keys);
    let mut reloads = Reloads::of(&daemon);
    parent.become_one_with(2);
    reloads.wait_for_one_more(|| daemon.signal(Signal::HUP));
    uses(&daemon, keys[2]);
    parent.process.kill();
    reloads.wait_for_one_more(|| daemon.signal(Signal::HUP));
    uses(&daemon, keys[2]);
}

#[test]
fn p15_under_start_the_parent_is_the_process_that_ran_it() {
    let (world, _parking, keys) = scene();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let (parent, daemon) = Parent::of(&world, &keys, "\"$BITROUTER\" start --listen 127.0.0.1:0 >&2;");
    uses(&daemon, keys[0]);
    parent.become_one_with(1);
    Reloads::of(&daemon).wait_for_one_more(|| daemon.signal(Signal::HUP));
    uses(&daemon, keys[1]);
}
