//! The ledger, in this process: how fast calls are admitted and settled, and what ten million rows do to whoever asks for
//! sums and pages.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bitrouter_proto::clock;

use super::in_process::InProcess;
use crate::{
    args::Options,
    bound::{Bound, Row, Unit},
    error::BenchError,
    procfs,
    stats::number,
};

/// Rows of the long table.
const MANY: u64 = 10_000_000;
/// Rows that are made before the database is waited for.
const STEP: u64 = 100_000;
/// What the long table needs on the disk, in bytes.
const ROOM: u64 = 10 << 30;
/// Over which span the rows are spread.
const SPAN: Duration = Duration::from_hours(400 * 24);
/// Threads that admit at once.
const THREADS: u64 = 4;

pub(super) async fn rows(options: &Options) -> Result<Vec<Row>, BenchError> {
    let root = tempfile::tempdir().map_err(BenchError::io("make a directory"))?;
    let calls = Arc::new(InProcess::open(root.path(), SPAN + Duration::from_hours(24)).await?);
    let times = options.pick(400_000, 50_000);
    let alone = spread(&calls, 1, times, Duration::ZERO)?;
    calls.applied().await?;
    let together = spread(&calls, THREADS, times / THREADS, Duration::ZERO)?;
    let waited = clock::monotonic_now();
    calls.applied().await?;
    let mut rows = vec![
        Row::new(
            "call admitted and settled in the journal",
            Unit::Micros,
            1e6 * alone.as_secs_f64() / number(times),
            None,
        ),
        Row::new("journal appends, 1 thread", Unit::PerSecond, per_second(2 * times, alone), None),
        Row::new(format!("journal appends, {THREADS} threads"), Unit::PerSecond, per_second(2 * times, together), None),
        Row::new("the database is up to them after", Unit::Millis, millis(waited), None),
    ];
    let many = options.pick(MANY, 200_000);
    if free_room(root.path()) < ROOM {
        eprintln_skipped();
        return Ok(rows);
    }
    let before = procfs::rss(std::process::id());
    let began = clock::monotonic_now();
    let gap = SPAN / u32::try_from(many).unwrap_or(u32::MAX);
    for _ in 0..many / STEP {
        spread(&calls, 1, STEP, gap)?;
        calls.applied().await?;
    }
    let took = clock::monotonic_now().saturating_duration_since(began);
    let grown = number(procfs::rss(std::process::id()).saturating_sub(before)) / 1e6;
    let shown = format!("{} million rows", many / 1_000_000);
    rows.push(Row::new(
        format!("rows, {shown}, from admission to database"),
        Unit::PerSecond,
        per_second(many, took),
        None,
    ));
    rows.push(Row::new(format!("memory grown by {shown}"), Unit::Megabytes, grown, Some(Bound::memory(24.0))));
    let namespace = calls.node.first_namespace();
    let below = |path: &str| format!("/v1/namespaces/{namespace}{path}");
    let page = calls.get(&below("/requests?limit=100")).await?;
    let middle = page["data"][0]["seq"].as_i64().unwrap_or_default() / 2;
    let cursor = page["next_cursor"].as_str().unwrap_or_default().to_owned();
    for (name, path, bound) in [
        ("usage of 30 days", below("/usage"), Some(Bound::deadline(20.0))),
        ("newest page of requests", below("/requests?limit=100"), Some(Bound::deadline(20.0))),
        ("next page", below(&format!("/requests?limit=100&cursor={cursor}")), Some(Bound::deadline(20.0))),
        ("page behind a change in the middle", below(&format!("/requests?limit=100&after={middle}")), None),
    ] {
        rows.push(Row::new(format!("{name}, {shown}"), Unit::Millis, median(&calls, &path).await?, bound));
    }
    calls.node.close().await;
    Ok(rows)
}

#[expect(clippy::print_stderr, reason = "the report has numbers only")]
fn eprintln_skipped() {
    eprintln!("the long table of requests was left out: it needs 10 GB of free disk");
}

/// Has each of so many threads make so many calls, `gap` of the clock apart.
fn spread(calls: &Arc<InProcess>, threads: u64, times: u64, gap: Duration) -> Result<Duration, BenchError> {
    let started = clock::monotonic_now();
    let running: Vec<_> = (0..threads)
        .map(|_| {
            let calls = Arc::clone(calls);
            std::thread::spawn(move || {
                (0..times).try_for_each(|number| {
                    calls.advance(gap);
                    calls.plain_call(number, calls.keyless())
                })
            })
        })
        .collect();
    for thread in running {
        thread.join().map_err(|_| BenchError::Unexpected("a thread broke off".to_owned()))??;
    }
    Ok(clock::monotonic_now().saturating_duration_since(started))
}

/// The median of what a reply takes, in milliseconds.
async fn median(calls: &InProcess, path: &str) -> Result<f64, BenchError> {
    let mut took = Vec::new();
    for _ in 0..15 {
        let started = clock::monotonic_now();
        calls.get(path).await?;
        took.push(millis(started));
    }
    took.sort_by(f64::total_cmp);
    Ok(took[took.len() / 2])
}

fn free_room(dir: &Path) -> u64 {
    rustix::fs::statvfs(dir).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn per_second(times: u64, took: Duration) -> f64 {
    number(times) / took.as_secs_f64()
}

fn millis(since: Instant) -> f64 {
    1e3 * clock::monotonic_now().saturating_duration_since(since).as_secs_f64()
}
