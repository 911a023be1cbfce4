//! A real browser, headless, that looks at an attacker's page as the daemon's own user would. Names under `.test`
//! lead to loopback and no other name leads anywhere.

use std::{os::unix::process::CommandExt as _, process::Child};

use rustix::process::{Pid, Signal};

use crate::world::World;

/// The name under which pages of the attacker are served.
pub const ATTACKER: &str = "attacker.test";
/// The name that the attacker rebinds from his server to the daemon.
pub const REBOUND: &str = "evil.test";

/// A running Chromium. Dropping it ends it with everything it started.
#[derive(Debug)]
pub struct Browser {
    child: Child,
}

impl Browser {
    /// Opens `url`.
    #[track_caller]
    pub fn open(world: &World, url: &str) -> Self {
        let profile = world.directory("browser");
        let log = world.path("browser/output");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("a log for the browser");
        let mut command = world.bare_command("/usr/bin/chromium");
        command
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--no-default-browser-check", "--disable-background-networking", "--disable-component-update"])
            .args(["--disable-sync", "--disable-default-apps", "--disable-extensions", "--disable-breakpad"])
            .args(["--metrics-recording-only", "--no-pings", "--no-proxy-server", "--password-store=basic"])
            .args(["--autoplay-policy=no-user-gesture-required", "--remote-debugging-port=0"])
            // A prompt of newer browsers stands before loopback; what is tested is what holds without it.
            .arg("--disable-features=LocalNetworkAccessChecks,OptimizationHints,MediaRouter,Translate")
            .arg("--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE 0.0.0.0, EXCLUDE [::1]")
            .arg(format!("--user-data-dir={}", profile.join("profile").display()))
            .arg(url)
            // Not in `/tmp`, where what it leaves would stay.
            .env("TMPDIR", world.directory("browser/tmp"))
            .env_remove("HTTPS_PROXY")
            .env_remove("https_proxy")
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone().expect("dup"))
            .stderr(log)
            .process_group(0);
        Self { child: command.spawn().expect("chromium") }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            rustix::process::kill_process_group(group, Signal::KILL).ok();
        }
        self.child.wait().ok();
    }
}
