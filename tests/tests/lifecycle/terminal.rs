//! A terminal window: the banner in it, and what happens when somebody closes it.

use std::time::Duration;

use bitrouter_tests::{
    World,
    parked_provider::{PARKED, ParkedProvider},
    procfs, shared_files,
    terminal::Terminal,
    wait,
};
use rustix::process::Signal;

fn scene() -> (World, ParkedProvider) {
    let (world, provider) = (World::new(), ParkedProvider::start());
    world.config(&format!("{}\n[server]\nlisten = \"127.0.0.1:0\"\n", provider.as_openai()));
    (world, provider)
}

#[test]
fn p15_bare_bitrouter_in_a_terminal_greets_and_ctrl_c_ends_it() {
    let (world, _parking) = scene();
    let mut window = Terminal::open(&world, shared_files::binary(), &[], &[("OPENAI_API_KEY", "x")]);
    let daemon = world.detached();
    window.until_contains(&format!("127.0.0.1:{}", daemon.port()));
    window.until_contains("curl");
    window.until_contains("OPENAI_API_KEY");
    // What the keyboard sends for ctrl-c.
    window.enter("\u{3}");
    assert_eq!(window.wait(Duration::from_secs(20)).code(), Some(0), "{}", window.text());
    assert!(!world.socket().exists());
}

#[test]
fn p15_a_closed_terminal_drains_instead_of_reloading() {
    let (world, provider) = scene();
    let mut window = Terminal::open(&world, shared_files::binary(), &["serve"], &[("OPENAI_API_KEY", "x")]);
    let daemon = world.detached();
    let mut open = daemon.http().chat_stream(PARKED, "x").open();
    open.until_contains("before ");
    window.close();
    let addr = daemon.addr();
    wait::holds("the listener to close", || std::net::TcpStream::connect(addr).is_err());
    assert!(procfs::is_running(daemon.pid()), "it did not wait for the stream");
    provider.release();
    assert!(open.finish().ok().text().ends_with("data: [DONE]\n\n"));
    assert_eq!(window.wait(Duration::from_secs(20)).code(), Some(0));
    assert!(!world.socket().exists() && !world.daemon_json().exists());
}

#[test]
fn p15_a_signal_while_the_terminal_lives_is_a_reload() {
    let (world, _parking) = scene();
    let window = Terminal::open(&world, shared_files::binary(), &["serve"], &[("OPENAI_API_KEY", "x")]);
    let daemon = world.detached();
    daemon.hangup();
    assert!(daemon.status()["reloads"]["count"].as_u64().is_some_and(|count| count >= 1));
    assert!(procfs::is_running(window.pid()));
}

#[test]
fn p15_a_started_daemon_does_not_care_for_the_terminal_it_was_started_from() {
    let (world, _parking) = scene();
    let binary = shared_files::binary().to_string_lossy().into_owned();
    let mut window = Terminal::open(&world, "/bin/sh".as_ref(), &["-i"], &[("BITROUTER", &binary), ("PS1", "$ ")]);
    window.run("\"$BITROUTER\" start");
    let daemon = world.detached();
    window.close();
    window.wait(Duration::from_secs(20));
    wait::stays("the daemon", Duration::from_millis(300), || procfs::is_running(daemon.pid()));
    // Without a terminal of its own SIGHUP is a reload, also now.
    daemon.signal(Signal::HUP);
    wait::holds("the reload", || daemon.status()["reloads"]["count"] != 0);
}

#[test]
fn r1_06_who_was_told_to_outlive_its_terminal_does_and_still_reloads() {
    for told in ["exec /usr/bin/nohup \"$BITROUTER\" serve", "trap '' HUP; exec \"$BITROUTER\" serve"] {
        let (world, _parking) = scene();
        let binary = shared_files::binary().to_string_lossy().into_owned();
        let mut window = Terminal::open(&world, "/bin/sh".as_ref(), &["-c", told], &[("BITROUTER", &binary)]);
        let daemon = world.detached();
        window.close();
        // The kernel hangs up on the session's leader, which is the daemon: it reads everything again, and stays.
        wait::holds("the reload", || daemon.status()["reloads"]["count"] == 1);
        daemon.signal(Signal::HUP);
        wait::holds("another reload", || daemon.status()["reloads"]["count"] == 2);
        daemon.signal(Signal::TERM);
        assert_eq!(window.wait(Duration::from_secs(20)).code(), Some(0), "{told}");
    }
}

#[test]
fn r1_06_a_terminal_that_was_lost_without_a_word_makes_no_later_reload_the_end() {
    let (world, _parking) = scene();
    let binary = shared_files::binary().to_string_lossy().into_owned();
    let arguments = ["--norc", "--noprofile", "-i"];
    let mut window = Terminal::open(&world, "/bin/bash".as_ref(), &arguments, &[("BITROUTER", &binary), ("PS1", "$ ")]);
    window.run("\"$BITROUTER\" serve & disown");
    let daemon = world.detached();
    window.close();
    window.wait(Duration::from_secs(20));
    daemon.signal(Signal::HUP);
    wait::holds("the reload", || daemon.status()["reloads"]["count"] == 1);
    world.cli(["stop"]).expect_code(0);
}
