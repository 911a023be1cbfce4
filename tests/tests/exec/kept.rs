//! A lease is kept across the end of the daemon, and ends with whoever held it.

use std::time::Duration;

use bitrouter_tests::wait;

use crate::rig::{Rig, document, endless};

/// How long a lease that nobody claims is kept.
const KEPT: Duration = Duration::from_secs(30);

#[test]
fn a_run_goes_on_through_a_restart_of_the_daemon() {
    let mut rig = Rig::on();
    let held = rig.begin(&["--json", "--budget-usd", "1.00"]);
    assert_eq!(rig.call(&held.key).status, 200);
    rig.world.cli(["stop"]).expect_code(0);
    rig.start_again();
    assert_eq!(rig.call(&held.key).status, 200);
    // Longer than a lease that nobody claims is kept.
    wait::stays("the key", KEPT + Duration::from_secs(5), || rig.opens(&held.key));
    let (code, stderr) = held.end();
    assert_eq!(code, 7, "{stderr}");
    let told = document(&stderr);
    assert_eq!((&told["requests"], &told["revoked"]), (&2.into(), &true.into()), "{told}");
    rig.until_all_is_over();
}

#[test]
fn a_run_goes_on_through_a_crash_of_the_daemon() {
    let mut rig = Rig::on();
    let held = rig.begin(&[]);
    assert_eq!(rig.call(&held.key).status, 200);
    rig.daemon.kill();
    rig.start_again();
    assert_eq!(rig.call(&held.key).status, 200);
    let key = held.key.clone();
    let (code, stderr) = held.end();
    assert_eq!(code, 7, "{stderr}");
    assert!(stderr.contains("2 requests") && stderr.contains("the key is revoked"), "{stderr}");
    rig.call(&key).refused(401, "invalid_api_key");
    rig.until_all_is_over();
}

#[test]
fn a_run_that_is_killed_leaves_no_key_that_opens_anything() {
    let rig = Rig::on();
    let mut held = rig.begin(&["--budget-usd", "1.00"]);
    rig.provider.always(endless);
    let mut open = rig.http().chat_stream("acme:m", "hello").bearer(&held.key).open();
    open.until_contains("word");
    held.process.kill();
    // Far sooner than a lease that might be claimed.
    wait::until_within("the end of the key", KEPT / 3, || (!rig.opens(&held.key)).then_some(()));
    rig.provider.last().wait_left();
    assert!(open.finish().text().contains("invalid_api_key"));
    rig.until_all_is_over();
    held.open();
}

#[test]
fn both_are_killed_and_the_next_start_ends_what_nobody_claims() {
    let mut rig = Rig::on();
    let mut held = rig.begin(&["--models", "acme/*"]);
    rig.daemon.kill();
    held.process.kill();
    rig.start_again();
    let started = bitrouter_proto::clock::monotonic_now();
    assert!(rig.opens(&held.key), "it may still be claimed");
    wait::until_within("the end of the key", KEPT * 5, || (!rig.opens(&held.key)).then_some(()));
    let took = bitrouter_proto::clock::monotonic_now().saturating_duration_since(started);
    assert!(took > KEPT / 2, "{took:?}");
    rig.until_all_is_over();
    held.open();
}

#[test]
fn a_command_that_ends_while_no_daemon_runs_says_what_becomes_of_its_key() {
    let mut rig = Rig::on();
    let held = rig.begin(&[]);
    let key = held.key.clone();
    rig.world.cli(["stop"]).expect_code(0);
    let (code, stderr) = held.end();
    assert_eq!(code, 7, "{stderr}");
    assert!(stderr.contains("could not be told of the end"), "{stderr}");
    rig.start_again();
    wait::until_within("the end of the key", KEPT * 5, || (!rig.opens(&key)).then_some(()));
    rig.until_all_is_over();
}
