//! What a service manager hears: ready when both sockets answer, reloading, stopping, the status line, the watchdog.

use std::time::Duration;

use bitrouter_proto::clock;
use bitrouter_tests::{
    Daemon, Serve, World,
    notify_socket::NotifySocket,
    parked_provider::{PARKED, ParkedProvider},
    wait,
};
use rustix::process::Signal;

use super::report;

fn managed(world: &World, change: impl FnOnce(Serve) -> Serve) -> (NotifySocket, Daemon) {
    let notify = NotifySocket::open(world);
    let daemon = change(world.serve().arg("--demo").env("NOTIFY_SOCKET", notify.path())).start();
    (notify, daemon)
}

#[test]
fn p15_ready_means_that_both_sockets_answer() {
    let world = World::new();
    let notify = NotifySocket::open(&world);
    let process = world.serve().arg("--demo").env("NOTIFY_SOCKET", notify.path()).spawn();
    let ready = notify.until_says("READY=1", 0);
    // No waiting: at this moment both answer.
    let status = world.cli(["status", "--json"]).with_code(0).json();
    assert_eq!((&status["state"], &status["pid"]), (&"running".into(), &process.pid().into()), "{status}");
    let listen: std::net::SocketAddr = status["listen"][0].as_str().expect("an address").parse().expect("an address");
    bitrouter_tests::Client::new(listen, world.user()).get("/health").send().ok();
    assert!(ready.value("STATUS").is_some_and(|text| !text.is_empty()), "{ready:?}");
    assert_eq!(notify.count("READY=1"), 1);
}

#[test]
fn p15_a_daemon_that_cannot_start_is_never_ready() {
    let world = World::new();
    let notify = NotifySocket::open(&world);
    world.config("nonsense = 1\n");
    let mut process = world.serve().arg("--demo").env("NOTIFY_SOCKET", notify.path()).spawn();
    assert_eq!(process.wait(Duration::from_secs(20)).code(), Some(1));
    assert_eq!(notify.count("READY=1"), 0, "{:?}", notify.heard());
}

#[test]
fn p15_a_reload_is_announced_with_its_time_and_its_end() {
    let world = World::new();
    let (notify, daemon) = managed(&world, |serve| serve);
    notify.until_says("READY=1", 0);
    let reload = |act: &dyn Fn()| {
        let heard = notify.heard().len();
        act();
        let begins = notify.until_says("RELOADING=1", heard);
        let usec: u64 = begins.value("MONOTONIC_USEC").expect("its time").parse().expect("a number");
        let uptime = std::fs::read_to_string("/proc/uptime").expect("uptime");
        let now: f64 = uptime.split(' ').next().expect("seconds").parse().expect("a number");
        #[expect(clippy::cast_precision_loss, reason = "microseconds since boot")]
        let ago = now - usec as f64 / 1e6;
        assert!((-1.0..30.0).contains(&ago), "MONOTONIC_USEC={usec} is {ago} s ago");
        let order: Vec<_> = notify.heard().into_iter().skip(heard).collect();
        let at = |line: &str| order.iter().position(|one| one.says(line));
        wait::holds("READY=1 after it", || notify.heard().iter().skip(heard).any(|one| one.says("READY=1")));
        let order_now: Vec<_> = notify.heard().into_iter().skip(heard).collect();
        let ready = order_now.iter().position(|one| one.says("READY=1"));
        assert!(at("RELOADING=1") < ready, "{order_now:?}");
    };
    reload(&|| world.cli(["reload"]).expect_code(0));
    reload(&|| daemon.signal(Signal::HUP));
    // A refused one ends as well; the status line says why.
    world.env_file("nonsense\n");
    reload(&|| world.cli(["reload"]).expect_code(1));
    notify.until("the reason in STATUS=", 0, |one| one.value("STATUS").is_some_and(|text| text.contains("env:1")));
}

#[test]
fn p15_stopping_is_announced_before_the_drain() {
    let world = World::new();
    let (notify, mut daemon) = managed(&world, |serve| serve);
    daemon.signal(Signal::TERM);
    notify.until_says("STOPPING=1", 0);
    daemon.wait(Duration::from_secs(20));
    assert_eq!(notify.count("STOPPING=1"), 1);
}

#[test]
fn p15_the_watchdog_is_fed_twice_within_its_limit_and_only_while_the_daemon_turns() {
    let world = World::new();
    // Half of it passes between two meals; the other half is what a busy machine may add.
    let limit = Duration::from_secs(3);
    let (notify, daemon) = managed(&world, |serve| serve.env("WATCHDOG_USEC", limit.as_micros().to_string()));
    wait::holds("four meals", || notify.count("WATCHDOG=1") >= 4);
    let meals: Vec<_> = notify.heard().into_iter().filter(|one| one.says("WATCHDOG=1")).map(|one| one.at).collect();
    let longest = meals.windows(2).map(|pair| pair[1].saturating_duration_since(pair[0])).max().expect("meals");
    report("the longest pause between two meals of a watchdog of 3 s", longest);
    assert!(longest < limit, "{longest:?}");
    // A process that does not turn does not feed.
    daemon.signal(Signal::STOP);
    wait::holds("the stop", || bitrouter_tests::procfs::state(daemon.pid()) == Some('T'));
    let before = notify.count("WATCHDOG=1");
    wait::pass(limit * 2);
    assert!(notify.count("WATCHDOG=1") <= before + 1, "it was fed while the daemon stood still");
    daemon.signal(Signal::CONT);
    wait::holds("the next meal", || notify.count("WATCHDOG=1") > before + 1);
}

#[test]
fn p15_the_watchdog_is_fed_while_the_socket_is_away_and_through_the_drain() {
    let world = World::new();
    let provider = ParkedProvider::start();
    world.config(&provider.as_openai());
    let notify = NotifySocket::open(&world);
    let limit = Duration::from_millis(800);
    let serve = world.serve().env("OPENAI_API_KEY", "x").env("NOTIFY_SOCKET", notify.path());
    let mut daemon = serve.env("WATCHDOG_USEC", limit.as_micros().to_string()).start();
    let meals = || notify.count("WATCHDOG=1");
    wait::holds("a meal", || meals() > 0);
    // What somebody does to a file says nothing of the daemon; a socket that is gone is there again at the next beat.
    std::fs::remove_file(world.socket()).expect("remove");
    let begun = clock::monotonic_now();
    wait::holds("the socket to be there again", || world.socket().exists());
    report("a vanished socket under a watchdog", clock::monotonic_now().saturating_duration_since(begun));
    assert!(clock::monotonic_now().saturating_duration_since(begun) < Duration::from_secs(10), "that was no beat");
    std::fs::remove_file(world.socket()).expect("remove");
    world.write("run/bitrouter/control.sock", "no socket");
    let before = meals();
    wait::holds("four more meals", || meals() >= before + 4);
    std::fs::remove_file(world.path("run/bitrouter/control.sock")).expect("remove");
    wait::holds("the socket to be there once more", || world.socket().exists());
    // A drain may take long, and the listener is closed by then.
    let mut open = daemon.http().chat_stream(PARKED, "x").open();
    open.until_contains("before ");
    daemon.signal(Signal::TERM);
    notify.until_says("STOPPING=1", 0);
    notify.until("the drain in STATUS=", 0, |one| one.value("STATUS").is_some_and(|text| text.starts_with("draining")));
    let before = meals();
    wait::holds("four meals in the drain", || meals() >= before + 4);
    provider.release();
    open.finish().ok();
    daemon.wait(Duration::from_secs(20));
    let times: Vec<_> = notify.heard().into_iter().filter(|one| one.says("WATCHDOG=1")).map(|one| one.at).collect();
    let longest = times.windows(2).map(|pair| pair[1].saturating_duration_since(pair[0])).max().expect("meals");
    report("the longest pause between two meals of a watchdog of 800 ms", longest);
    assert!(longest < limit * 3, "{longest:?}");
    let stderr = daemon.stderr().text();
    assert!(!stderr.contains("does not answer itself"), "{stderr}");
}

#[test]
fn p15_every_warning_and_the_number_of_providers_are_in_the_status_line() {
    let world = World::new();
    let (notify, daemon) = managed(&world, |serve| serve.env("XDG_RUNTIME_DIR", "/nonexistent/run"));
    world.env_file("nonsense\n");
    daemon.warned("reload_refused");
    let list = daemon.status()["warnings"].clone();
    let list: Vec<_> = list.as_array().expect("a list").iter().filter_map(|one| one["message"].as_str()).collect();
    assert!(list.len() > 1, "{list:?}");
    notify.until("every warning in STATUS=", 0, |one| {
        one.value("STATUS").is_some_and(|text| list.iter().all(|message| text.contains(message)))
    });
    world.env_file("");
    wait::holds("the cure", || daemon.warning("reload_refused").is_none());
    // A key is no warning, and changes the line all the same.
    let providers = |text: &str| text.split("; ").nth(1).map(str::to_owned);
    let line = || notify.heard().iter().rev().find_map(|one| one.value("STATUS").map(str::to_owned));
    let before = line().and_then(|text| providers(&text)).expect("a line");
    world.command(["reload"]).env("GROQ_API_KEY", "x").run().expect_code(0);
    wait::holds("another number of providers", || line().and_then(|text| providers(&text)) != Some(before.clone()));
}

#[test]
fn p15_a_watchdog_of_somebody_else_is_not_fed() {
    let world = World::new();
    let (notify, daemon) = managed(&world, |serve| serve.env("WATCHDOG_USEC", "200000").env("WATCHDOG_PID", "1"));
    notify.until_says("READY=1", 0);
    wait::stays("silence", Duration::from_millis(600), || notify.count("WATCHDOG=1") == 0);
    daemon.stop();
}

#[test]
fn p15_nobody_listening_is_no_reason_to_fail() {
    let world = World::new();
    let begun = clock::monotonic_now();
    let daemon = world.serve().arg("--demo").env("NOTIFY_SOCKET", "/nonexistent/notify").env("WATCHDOG_USEC", "100000");
    let daemon = daemon.start();
    report("a start without a listener behind NOTIFY_SOCKET", clock::monotonic_now().saturating_duration_since(begun));
    world.cli(["reload"]).expect_code(0);
    daemon.stop();
}

/// Runs `line` in a shell that becomes what it executes, as a service manager does: `$$` is the process of the unit.
fn executed(world: &World, line: &str) -> bitrouter_tests::process::Process {
    let binary = bitrouter_tests::shared_files::binary().to_string_lossy().into_owned();
    world.program("/bin/sh".as_ref(), ["-c", line]).env("BITROUTER", binary).spawn()
}

#[test]
fn r1_05_a_unit_of_a_user_s_manager_is_restarted_by_its_manager_only() {
    let flags = "--demo --listen 127.0.0.1:0";
    for line in [
        format!("INVOCATION_ID=x SYSTEMD_EXEC_PID=$$ exec \"$BITROUTER\" serve {flags}"),
        // `Type=forking`: what was executed is the parent of what serves.
        format!("INVOCATION_ID=x SYSTEMD_EXEC_PID=$$ exec \"$BITROUTER\" start {flags}"),
    ] {
        let world = World::new();
        let _unit = executed(&world, &line);
        let daemon = world.detached();
        let refused = world.cli(["restart"]).with_code(1);
        assert!(refused.stderr.contains("systemctl") && refused.stderr.contains("restart"), "{}", refused.stderr);
        let status = world.cli(["status", "--json"]).with_code(0).json();
        assert_eq!(status["pid"], daemon.pid(), "{line}");
        world.cli(["stop"]).expect_code(0);
    }
}

#[test]
fn r1_05_a_terminal_that_is_a_service_makes_none_of_what_is_typed_in_it() {
    let world = World::new();
    let daemon = world.serve().arg("--demo").env("INVOCATION_ID", "x").env("SYSTEMD_EXEC_PID", "1").start();
    let before = daemon.pid();
    world.cli(["restart"]).expect_code(0);
    let after = world.detached();
    assert_ne!(after.pid(), before);
    world.cli(["stop"]).expect_code(0);
}
