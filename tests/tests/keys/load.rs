//! Thousands of requests in flight around every way to rotate: each used the old or the new key whole, none failed, and
//! the first one after the answer used the new one.

use std::cell::RefCell;

use bitrouter_tests::{Daemon, World, hostile, parked_provider::ParkedProvider, rotation::Rotation};

use super::{Reloads, cast, parent::Parent, report, shell};

const KEYS: usize = 6;
const CALLERS: usize = 4;

/// Rotates through all keys while callers call and streams are open that began under each of them.
#[track_caller]
fn rotate(daemon: &Daemon, provider: &ParkedProvider, rotation: &Rotation, held: usize, put: impl Fn(usize, &str)) {
    hostile::raise_descriptors();
    rotation.under_load(daemon, CALLERS, || {
        for number in 1..rotation.len() {
            rotation.hold(daemon, provider, held / (rotation.len() - 1));
            rotation.turn(daemon, number, |key| put(number, key));
            // Each key serves for a while, so that no caller sleeps through it.
            let until = rotation.calls() + 40;
            bitrouter_tests::wait::holds("calls under the new key", || rotation.calls() >= until);
        }
    });
    assert_eq!(rotation.finish(provider), held);
    for number in 0..rotation.len() {
        let print = bitrouter_tests::openai::fingerprint(rotation.key(number));
        assert!(provider.keys().contains_key(&print), "key {number} was never used");
    }
    assert_eq!(provider.calls(), rotation.calls() + held, "a call was sent twice or to nobody");
}

fn begin(world: &World) -> (Rotation, Daemon) {
    let rotation = Rotation::new(world, KEYS);
    world.env_file(&format!("OPENAI_API_KEY={}\n", rotation.key(0)));
    let daemon = world.serve().start();
    (rotation, daemon)
}

#[test]
fn p15_two_thousand_streams_and_callers_around_reload() {
    let (world, provider) = cast();
    let (rotation, daemon) = begin(&world);
    rotate(&daemon, &provider, &rotation, 2_000, |_, key| {
        world.command(["reload"]).env("OPENAI_API_KEY", key).run().expect_code(0);
    });
}

#[test]
fn p15_streams_and_callers_around_hook_pushes() {
    let (world, provider) = cast();
    let (rotation, daemon) = begin(&world);
    let names: Vec<String> = (0..KEYS).map(|number| format!("NEXT_{number}")).collect();
    let environment: Vec<(&str, &str)> =
        names.iter().map(String::as_str).zip((0..KEYS).map(|n| rotation.key(n))).collect();
    let bash = shell(&world, "/bin/bash", &["--noprofile", "--norc", "-i"], &environment);
    bash.run("eval \"$(\"$BITROUTER\" hook bash)\"");
    rotate(&daemon, &provider, &rotation, 500, |number, _| bash.run(&format!("export OPENAI_API_KEY=$NEXT_{number}")));
}

/// Rotates the key in the env file, which `write` fills in the manner of some editor.
fn around_an_env_file(manner: &str, write: impl Fn(&World, String)) {
    let (world, provider) = cast();
    let (rotation, daemon) = begin(&world);
    let reloads = RefCell::new((Reloads::of(&daemon), Vec::new()));
    rotate(&daemon, &provider, &rotation, 500, |_, key| {
        let (reloads, took) = &mut *reloads.borrow_mut();
        took.push(reloads.wait_for_one_more(|| write(&world, format!("OPENAI_API_KEY={key}\n"))));
    });
    report(&format!("an env file, {manner}"), reloads.into_inner().1);
}

#[test]
fn p15_streams_and_callers_around_an_env_file_that_an_editor_renames() {
    around_an_env_file("renamed", |world, text| {
        world.rename_over("config/bitrouter/env", text);
    });
}

#[test]
fn p15_streams_and_callers_around_an_env_file_that_an_editor_truncates() {
    // The file is empty for a moment; nobody may see that.
    around_an_env_file("truncated and written", |world, text| {
        world.env_file(&text);
    });
}

#[test]
fn p15_streams_and_callers_around_sighup_with_another_parent_environment() {
    let (world, provider) = cast();
    let rotation = Rotation::new(&world, KEYS);
    let keys: Vec<&str> = (0..KEYS).map(|number| rotation.key(number)).collect();
    let (parent, daemon) = Parent::with_daemon(&world, &keys);
    let reloads = RefCell::new((Reloads::of(&daemon), Vec::new()));
    rotate(&daemon, &provider, &rotation, 500, |number, _| {
        let (reloads, took) = &mut *reloads.borrow_mut();
        parent.become_one_with(number);
        took.push(reloads.wait_for_one_more(|| daemon.signal(rustix::process::Signal::HUP)));
    });
    report("SIGHUP", reloads.into_inner().1);
}
