//! B15: killed at any system call of an exchange, the file is whole, and the session goes on or says precisely why not.

use std::{collections::BTreeMap, time::Duration};

use bitrouter_tests::{Daemon, process::Process, shared_files, wait};

use crate::far::{Far, call, file, mode, names, session};

/// What an exchange asks the kernel for. Each is killed at its first, second, … call until one run comes through.
const CALLS: [&str; 14] = [
    "openat",
    "write",
    "writev",
    "pwrite64",
    "fallocate",
    "fsync",
    "renameat,rename,renameat2",
    "flock",
    "unlinkat,unlink",
    "read",
    "sendto",
    "recvfrom",
    "connect",
    "close",
];

/// The most kills for one kind of call.
const MOST: usize = 12;

/// `strace` beside the daemon: it kills at one call.
fn attach(far: &Far, daemon: &Daemon, call: &str, number: usize) -> Process {
    let inject = format!("inject={call}:signal=KILL:when={number}");
    let (trace, pid) = (format!("trace={call}"), daemon.pid().to_string());
    let mut command = std::process::Command::new("/usr/bin/strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject, "-p", &pid]);
    let mut strace = Process::spawn(command, &[]);
    let tasks = format!("/proc/{pid}/task");
    wait::holds("strace to hold every thread", || {
        assert!(strace.status().is_none(), "{}", strace.stderr().text());
        let mut tasks = std::fs::read_dir(&tasks).into_iter().flatten().flatten();
        tasks.all(|task| {
            let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
            status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
        })
    });
    assert!(far.world.path("data").exists());
    strace
}

#[test]
fn heavy_b15_p01_killed_at_any_call_of_an_exchange_the_file_is_whole_and_the_session_goes_on_or_says_why_not() {
    if !rustix::process::geteuid().is_root() {
        shared_files::lacks("the right to trace a process that lets nobody look into it: the tests do not run as root");
        return;
    }
    let mut told: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    for name in CALLS {
        for number in 1..=MOST {
            let (killed, goes_on) = one(name, number);
            let counted = told.entry(name).or_default();
            counted.0 += usize::from(killed);
            counted.1 += usize::from(killed && goes_on);
            counted.2 += usize::from(killed && !goes_on);
            if !killed {
                break;
            }
        }
    }
    let killed: usize = told.values().map(|counts| counts.0).sum();
    let went_on: usize = told.values().map(|counts| counts.1).sum();
    let ended: usize = told.values().map(|counts| counts.2).sum();
    // Before the request and behind the rename it goes on; in between, with a server that forgives nothing, it ends.
    assert!(killed >= 30 && went_on > 0 && ended > 0, "{told:?}");
    for needed in ["fsync", "renameat,rename,renameat2", "flock", "openat"] {
        assert!(told[needed].0 > 0, "no kill at {needed}: {told:?}");
    }
}

/// One kill: whether it came, and whether the session went on.
fn one(name: &str, number: usize) -> (bool, bool) {
    let far = Far::stored(3_600, 3_600);
    let mut daemon = far.start();
    let strace = attach(&far, &daemon, name, number);
    // The account says 401: an exchange follows, whoever asks.
    far.issuer.forget_access_tokens();
    let http = daemon.http().within(Duration::from_secs(30));
    let answered = std::thread::spawn(move || http.chat(crate::far::FAR, "hello").send().status).join().ok();
    let killed = answered != Some(200);
    if killed {
        wait::holds(&format!("the end by {name} {number}, answered {answered:?}"), || !daemon.is_running());
    }
    drop(strace);
    daemon.kill();
    let shown = format!("killed at {name} {number}");
    assert_eq!(mode(&far.world), 0o600, "{shown}");
    let left = file(&far.world);
    let is_new = left["access_token"] != far.pair.access.as_str();
    assert_eq!(is_new, left["refresh_token"] != far.pair.refresh.as_str(), "{shown}: half of a pair");
    let daemon = far.start();
    // Its own may be there for a moment.
    let own = format!(".account-credentials.json.{}", daemon.pid());
    let left = names(&far.world).into_iter().find(|name| name.starts_with('.') && *name != own);
    assert_eq!(left, None, "{shown}");
    let answer = call(&daemon).send();
    let goes_on = answer.status == 200;
    if !goes_on {
        assert_eq!(answer.status, 401, "{shown}: {}", answer.text());
        assert!(answer.text().contains("session_ended"), "{shown}: {}", answer.text());
        let session = session(&daemon);
        let reason = session["reason"].as_str().unwrap_or_default().to_owned();
        assert!(session["state"] == "ended" && reason.contains("invalid_grant"), "{shown}: {session}");
        assert!(far.issuer.was_replayed(), "{shown}: it ended without need");
    }
    daemon.stop();
    (killed, goes_on)
}
