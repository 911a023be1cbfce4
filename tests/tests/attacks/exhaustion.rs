//! A daemon that runs out of descriptors: it neither spins nor ends, keeps a way open for its owner's commands, and
//! serves again when they are free. (Plain accept loops burn a whole core here.)

use std::time::Duration;

use bitrouter_tests::{
    Client, Daemon, World,
    hostile::{Bystander, Hostile, idle_again, raise_descriptors},
    process::Process,
    procfs, shared_files, wait,
};

use super::{crowd::in_a_storm, socket::report};

/// A daemon that may hold only so many descriptors.
#[track_caller]
fn cramped(world: &World, descriptors: u32) -> (Process, Daemon) {
    let script = format!("ulimit -n {descriptors}; exec \"$BITROUTER\" serve --demo --listen 127.0.0.1:0");
    let process = world.program("/bin/sh".as_ref(), ["-c", &script]).env("BITROUTER", shared_files::binary()).spawn();
    let daemon = world.detached();
    let (soft, hard) = procfs::limit(daemon.pid(), "Max open files").expect("limits");
    assert_eq!((soft, hard), (descriptors.to_string(), descriptors.to_string()));
    (process, daemon)
}

/// CPU time over one second.
fn cpu_of_a_second(daemon: &Daemon) -> Duration {
    let cpu = || procfs::cpu(daemon.pid()).expect("a running daemon");
    let before = cpu();
    wait::pass(Duration::from_secs(1));
    cpu().saturating_sub(before)
}

#[track_caller]
fn exhausted(descriptors: u32) {
    raise_descriptors();
    let world = World::new();
    let (process, daemon) = cramped(&world, descriptors);
    let http: Client = daemon.http();
    let mut bystander = Bystander::default();
    let mut control = Vec::new();
    let mut inference = Vec::new();
    for round in 0..4 {
        for _ in 0..60 {
            control.extend(Hostile::try_connect(&daemon.socket()));
            inference.extend(http.try_connect());
        }
        bystander.asks(&world);
        if round == 0 {
            world.cli(["logs", "-n", "1"]).expect_code(0);
        }
    }
    let spent = cpu_of_a_second(&daemon);
    report(&format!("CPU in one second with all of {descriptors} descriptors wanted by others"), spent);
    assert!(spent < Duration::from_millis(300), "it spins: {spent:?} in one second");
    for _ in 0..5 {
        bystander.asks(&world);
    }
    bystander.report(&format!("{descriptors} descriptors exhausted"));
    drop((control, inference));
    wait::until_within("an answer once they are free", Duration::from_secs(30), || {
        let stream = http.try_connect().ok()?;
        let answer = http.chat("demo/echo", "x").on(stream).finish();
        (answer.status == 200).then_some(())
    });
    idle_again(daemon.pid());
    assert!(!process.stderr().text().contains("panic"), "{}", process.stderr().text());
}

#[test]
fn p05_heavy_64_descriptors_exhausted() {
    exhausted(64);
}

#[test]
fn p05_heavy_128_descriptors_exhausted() {
    exhausted(128);
}

#[test]
fn p05_heavy_a_storm_on_few_descriptors_keeps_the_owners_way_open() {
    raise_descriptors();
    let world = World::new();
    let (process, daemon) = cramped(&world, 64);
    let http = daemon.http();
    let idle: Vec<_> = (0..60).filter_map(|_| http.try_connect().ok()).collect();
    let bystander = in_a_storm(&world, &daemon, 15);
    bystander.report("a storm of connects on 64 descriptors");
    drop(idle);
    idle_again(daemon.pid());
    drop(process);
}

#[test]
fn p05_heavy_too_few_descriptors_to_start_is_said() {
    let world = World::new();
    let script = "ulimit -n 12; exec \"$BITROUTER\" serve --demo --listen 127.0.0.1:0";
    let mut process =
        world.program("/bin/sh".as_ref(), ["-c", script]).env("BITROUTER", shared_files::binary()).spawn();
    let status = process.wait(Duration::from_secs(20));
    process.stderr().ends_within(Duration::from_secs(5));
    let text = process.stderr().text();
    assert!(!status.success() && text.contains("error: "), "{status}: {text}");
    assert!(!text.contains("panicked"), "{text}");
}
