//! P6 in a real browser: what a page on the internet can do to a daemon on the machine of whoever looks at it. Nothing
//! is read, nothing is spent, every try is counted. (CVE-2024-28224, CVE-2025-49596, CVE-2025-66414, RUSTSEC-2026-0140,
//! RUSTSEC-2026-0189; their tests without a browser stand in `attacks`.)
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod matrix;
mod pages;
mod rebinding;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bitrouter_tests::{Daemon, Provider, Reply, provider::Request, wait};
use serde_json::Value;

/// A browser on a busy machine needs its time.
const PATIENCE: Duration = Duration::from_secs(100);

/// The attacker's own server: pages, and what they report.
struct Attacker {
    server: Provider,
    report: Arc<Mutex<Option<Value>>>,
}

impl Attacker {
    /// Serves `page` at every path but those that `more` answers.
    fn serving(page: &'static str, more: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let server = Provider::start();
        let report = Arc::new(Mutex::new(None));
        let heard = Arc::clone(&report);
        server.always(move |request| {
            if request.target.starts_with("/report") {
                *heard.lock().unwrap_or_else(PoisonError::into_inner) = serde_json::from_slice(&request.body).ok();
                return Reply::body(200, "text/plain", "thanks");
            }
            more(request).unwrap_or_else(|| html(page))
        });
        Self { server, report }
    }

    fn port(&self) -> u16 {
        self.server.addr().port()
    }

    /// Waits for the page's report.
    #[track_caller]
    fn report(&self) -> Value {
        wait::until_within("the report of the page", PATIENCE, || {
            self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
        })
    }
}

/// A page on a connection of its own, so that the next request of the same name makes a new one.
fn html(page: &str) -> Reply {
    Reply::until_close(200, &[("content-type", "text/html; charset=utf-8"), ("cache-control", "no-store")])
        .piece(page)
        .end()
}

/// How often requests were refused for this reason.
#[track_caller]
fn refusals(daemon: &Daemon, reason: &str) -> u64 {
    let text = daemon.http().get("/metrics").send().ok().text();
    let start = format!("bitrouter_refused_total{{reason=\"{reason}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&start)?.trim().parse().ok()).unwrap_or(0)
}
