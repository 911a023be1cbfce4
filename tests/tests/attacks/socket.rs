//! The listeners themselves: where they listen, and that nothing but files and loopback is ever used.

use std::time::Duration;

use bitrouter_tests::{
    Daemon, World,
    kernel_tables::{self, Listening},
    traced::Traced,
};

#[expect(clippy::print_stdout, reason = "a measurement, shown by the test runner on demand")]
pub(super) fn report(what: &str, took: Duration) {
    println!("{what}: {took:?}");
}

/// What listens on the daemon's port, in the kernel's words.
pub(super) fn listening(daemon: &Daemon) -> Vec<Listening> {
    let (port, uid) = (daemon.port(), daemon.world().user().uid());
    kernel_tables::tcp_listening().into_iter().filter(|one| one.port() == port && one.uid == uid).collect()
}

#[test]
fn p06_only_loopback_is_listened_on() {
    let world = World::new();
    let traced = Traced::start(&world, &["--demo", "--listen", "127.0.0.1:0"], &[]);
    traced.daemon.http().chat("demo/echo", "x").send().ok();
    let found = listening(&traced.daemon);
    for one in &found {
        assert!(one.is_loopback(), "it listens on {}", one.address);
    }
    // As many as it made listen and keeps: there is none on another port that was not looked at.
    assert!(!found.is_empty());
    assert_eq!(traced.sockets().tcp_listening, found.len(), "{found:?}");
}

#[test]
fn p06_an_address_that_is_none_of_this_machine_is_refused() {
    let world = World::new();
    for listen in ["192.0.2.7:0", "0:0"] {
        let output = world.cli(["serve", "--demo", "--listen", listen]).with_code(1);
        assert!(output.stderr.contains(listen.split(':').next().unwrap_or_default()), "{listen}: {}", output.stderr);
        world.config(&format!("[server]\nlisten = \"{listen}\"\n"));
        world.cli(["serve", "--demo"]).expect_code(1);
        world.config("");
    }
}
