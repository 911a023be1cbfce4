//! B18: the wall clock is set by a day either way, or the process sleeps past the end of its token: nothing is missed.

use std::{path::Path, time::Duration};

use bitrouter_tests::{Daemon, issuer::Fault, shared_files, wait};
use rustix::process::Signal;

use crate::far::{Far, call, session, wait_state};

/// A daemon whose wall clock the test sets; its other clocks go on.
struct Faked {
    daemon: Daemon,
    setting: std::path::PathBuf,
}

impl Faked {
    fn start(far: &Far) -> Option<Self> {
        let libraries = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
            .map(|machine| format!("/usr/lib/{machine}/faketime/libfaketimeMT.so.1"));
        let Some(library) = libraries.iter().find(|path| Path::new(path).exists()) else {
            shared_files::lacks("libfaketime");
            return None;
        };
        let setting = far.world.write("home/clock", "+0\n");
        let serve = far.serve().env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", &setting);
        let serve =
            serve.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1");
        Some(Self { daemon: serve.start(), setting })
    }

    #[expect(clippy::disallowed_methods, reason = "it is what the faked clock reads")]
    fn set(&self, offset: &str) {
        // In one piece: it is read at every look at the clock.
        let draft = self.setting.with_extension("draft");
        std::fs::write(&draft, format!("{offset}\n")).expect("written");
        std::fs::rename(draft, &self.setting).expect("set");
    }
}

#[test]
fn b18_a_clock_that_is_a_day_ahead_renews_within_a_tick() {
    let far = Far::stored(3_600, 3_600);
    let Some(faked) = Faked::start(&far) else { return };
    call(&faked.daemon).send().ok();
    assert!(far.issuer.exchanges().is_empty());
    faked.set("+1d");
    far.issuer.wait_exchanges(1);
    far.wait_renewed();
    call(&faked.daemon).send().ok();
    assert_eq!(far.issuer.exchanges().len(), 1);
    assert!(!far.issuer.was_replayed());
}

#[test]
fn b18_a_clock_that_is_a_day_behind_misses_no_refresh() {
    let far = Far::stored(24, 24);
    let Some(faked) = Faked::start(&far) else { return };
    call(&faked.daemon).send().ok();
    faked.set("-1d");
    // By the wall clock of the daemon the token lives for another day; by the time that passes, for seconds.
    far.issuer.wait_exchanges(2);
    call(&faked.daemon).send().ok();
    faked.set("+0");
    far.issuer.wait_exchanges(3);
    call(&faked.daemon).send().ok();
    assert!(!far.issuer.was_replayed());
    assert_eq!(session(&faked.daemon)["state"], "active");
}

#[test]
fn an_ended_session_is_tried_once_more_after_a_step_of_the_clock() {
    let far = Far::stored(3_600, 20);
    far.issuer.next(Fault::Refused("invalid_grant"));
    let Some(faked) = Faked::start(&far) else { return };
    wait_state(&faked.daemon, "ended");
    wait::stays("no exchange by itself", Duration::from_secs(2), || far.issuer.exchanges().len() == 1);
    faked.set("+1d");
    far.issuer.wait_exchanges(2);
    far.wait_renewed();
    wait_state(&faked.daemon, "active");
    call(&faked.daemon).send().ok();
    wait::holds("the warning to go", || faked.daemon.warning("session_ended").is_none());
}

#[test]
fn b18_a_process_that_was_stopped_past_the_end_of_its_token_goes_on() {
    let far = Far::stored(6, 6);
    let daemon = far.start();
    call(&daemon).send().ok();
    daemon.signal(Signal::STOP);
    // Longer than any token that it can hold.
    wait::pass(Duration::from_secs(8));
    daemon.signal(Signal::CONT);
    call(&daemon).send().ok();
    assert!(!far.issuer.was_replayed());
    daemon.stop();
}
