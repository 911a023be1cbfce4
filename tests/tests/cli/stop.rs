//! `stop` returns when the process is gone, whatever the system tells of processes and whatever the daemon says of itself.

use std::time::Duration;

use bitrouter_proto::wire::StatusResponse;
use bitrouter_tests::{
    World,
    fake_daemon::{Answers, FakeDaemon},
    parked_provider::{PARKED, ParkedProvider},
    shared_files, wait,
};

#[test]
fn r1_19_stop_waits_where_the_kernel_hands_out_no_handle_of_a_process() {
    let (world, provider) = (World::new(), ParkedProvider::start());
    world.config(&provider.as_openai());
    let mut daemon = world.serve().env("OPENAI_API_KEY", world.canary("key")).start();
    // A request that never ends keeps the daemon for as long as it is given.
    let _open = daemon.http().chat_stream(PARKED, "x").fire();
    wait::holds("the call at the provider", || provider.parked() == 1);
    let binary = shared_files::binary().to_string_lossy().into_owned();
    let args =
        ["-f", "-qq", "-o", "/dev/null", "-e", "inject=pidfd_open:error=ENOSYS", &binary, "stop", "--timeout", "1"];
    world.program("/usr/bin/strace".as_ref(), args).run().expect_code(0);
    assert!(!daemon.is_running(), "it returned before the end");
}

#[test]
fn r1_19_stop_does_not_believe_every_pid_that_it_is_told() {
    let world = World::new();
    if !world.user().is_exclusive() && world.user().uid() == 0 {
        return shared_files::lacks("an ordinary user");
    }
    // The process with this number is not the daemon, and does not end.
    let status = StatusResponse { state: "running".into(), pid: 1, protocol: 1, ..Default::default() };
    let _daemon = FakeDaemon::answering(&world, Answers { status, names: Vec::new() });
    let output = world.command(["stop"]).within(Duration::from_secs(20)).run().with_code(0);
    assert_eq!(output.stdout, "bitrouter stopped\n");
}

#[test]
fn several_orders_to_stop_are_one() {
    for _ in 0..3 {
        let world = World::new();
        world.cli(["start", "--demo"]).expect_code(0);
        let orders: Vec<_> = (0..4).map(|_| world.command(["stop", "--json"]).spawn()).collect();
        for mut order in orders {
            let status = order.wait(wait::PATIENCE * 2);
            assert_eq!(status.code(), Some(0), "{}{}", order.stdout().text(), order.stderr().text());
        }
    }
}
