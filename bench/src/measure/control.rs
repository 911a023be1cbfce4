//! The control API, and how long a changed key takes to be the one that is used.

use std::time::{Duration, Instant};

use bitrouter_proto::{client::Client, clock};
use rustix::process::Signal;

use super::{Stage, within};
use crate::{
    args::Options,
    bound::{Bound, Row, Unit},
    caller::Caller,
    daemon::KEY_VARIABLE,
    error::BenchError,
    load::{self, millis},
    sse::{KEY_PREFIX, Script},
    stats::percentile,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// `status` over the socket, idle and under load; then the three ways to change a key.
pub(super) async fn rows(stage: &Stage, options: &Options) -> Result<Vec<Row>, BenchError> {
    let mut rows = Vec::new();
    let calls = options.pick(400, 100);
    rows.extend(status_rows("status call", &status(stage, calls).await?));
    let to = stage.daemon.address();
    let span = Duration::from_millis(options.pick(3_000, 1_500));
    // The load has a thread of its own: a call must not wait behind our own work.
    let load = std::thread::spawn(move || load::alone(to, Script::Plain, 32, span));
    let busy = status(stage, calls).await;
    let loaded = load.join().map_err(|_| BenchError::Unexpected("the load broke off".to_owned()))?;
    loaded?;
    rows.extend(status_rows("status call under load", &busy?));
    rows.extend(keys(stage, options).await?);
    Ok(rows)
}

fn status_rows(name: &str, times: &[f64]) -> [Row; 2] {
    let row =
        |what, percent, bound| Row::new(format!("{name}, {what}"), Unit::Millis, percentile(times, percent), bound);
    [row("p50", 50, None), row("p99", 99, Some(Bound::deadline(1_000.0)))]
}

/// Milliseconds of each call: connect, handshake, status.
async fn status(stage: &Stage, calls: usize) -> Result<Vec<f64>, BenchError> {
    let environment = stage.daemon.environment();
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let started = clock::monotonic_now();
        Client::connect(&environment, None).await?;
        times.push(millis(clock::monotonic_now().saturating_duration_since(started)));
    }
    Ok(times)
}

/// The ways to change a key, each until a request carries the new one.
async fn keys(stage: &Stage, options: &Options) -> Result<Vec<Row>, BenchError> {
    let daemon = &stage.daemon;
    let mut caller = Caller::connect(daemon.address()).await?;
    let times = options.pick(10, 4);
    let (mut signals, mut edits, mut reloads) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..times {
        let end = format!("signal-{n}");
        let started = clock::monotonic_now();
        daemon.write_key(&end)?;
        daemon.signal(Signal::HUP);
        signals.push(until_used(&mut caller, &end, started).await?);
    }
    for n in 0..times {
        let end = format!("edit-{n}");
        let started = clock::monotonic_now();
        daemon.write_key(&end)?;
        edits.push(until_used(&mut caller, &end, started).await?);
    }
    // Last: what is pushed beats the file.
    for n in 0..times {
        let end = format!("reload-{n}");
        let mut command = daemon.client(&["reload"]);
        command.env(KEY_VARIABLE, format!("{KEY_PREFIX}{end}"));
        let started = clock::monotonic_now();
        let mut child = command.spawn().map_err(BenchError::io("start `bitrouter reload`"))?;
        let used = until_used(&mut caller, &end, started).await;
        let status = child.wait().map_err(BenchError::io("wait for `bitrouter reload`"))?;
        if !status.success() {
            return Err(BenchError::Unexpected(format!("`bitrouter reload` failed ({status})")));
        }
        reloads.push(used?);
    }
    let row = |name: &str, times: &[f64], bound| {
        [
            Row::new(format!("{name}, p50"), Unit::Millis, percentile(times, 50), None),
            Row::new(format!("{name}, max"), Unit::Millis, percentile(times, 100), bound),
        ]
    };
    let bound = Some(Bound::deadline(500.0));
    Ok([
        row("SIGHUP until the new key is used", &signals, bound),
        row("edited env file until the new key is used", &edits, bound),
        row("`bitrouter reload` until the new key is used", &reloads, bound),
    ]
    .concat())
}

async fn until_used(caller: &mut Caller, end: &str, started: Instant) -> Result<f64, BenchError> {
    let expected = format!("{{\"key\":\"{end}\"}}");
    within("a changed key", PATIENCE, async {
        while caller.text(caller.request(Script::Key)).await? != expected {}
        Ok(millis(clock::monotonic_now().saturating_duration_since(started)))
    })
    .await
}
