//! The same requests on four paths, interleaved in rounds: straight to the provider, through the bare relay, through
//! the bare proxy, through the daemon. What is compared is compared within a round.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use super::Stage;
use crate::{
    args::Options,
    bound::{Bound, Row, Unit},
    dialect::{Ask, Dialect},
    error::BenchError,
    load::{self, Callers, Window},
    procfs,
    report::{Compared, PATHS},
    sse::Script,
    stats::{median, median_of},
};

/// Connections where there are many.
const MANY: usize = 32;

/// What is measured on every path, in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Metric {
    RateOne,
    RateMany,
    HalfOne,
    TailOne,
    HalfMany,
    TailMany,
    FirstHalf,
    FirstTail,
    Fresh,
    CpuOne,
    CpuMany,
    CpuStream,
}

impl Metric {
    fn describe(self) -> (&'static str, Unit) {
        match self {
            Self::RateOne => ("requests, 1 connection", Unit::PerSecond),
            Self::RateMany => ("requests, 32 connections", Unit::PerSecond),
            Self::HalfOne => ("latency p50, 1 connection", Unit::Micros),
            Self::TailOne => ("latency p99, 1 connection", Unit::Micros),
            Self::HalfMany => ("latency p50, 32 connections", Unit::Micros),
            Self::TailMany => ("latency p99, 32 connections", Unit::Micros),
            Self::FirstHalf => ("first token p50", Unit::Micros),
            Self::FirstTail => ("first token p99", Unit::Micros),
            Self::Fresh => ("latency p50, new connection each", Unit::Micros),
            Self::CpuOne => ("CPU per request, 1 connection", Unit::Micros),
            Self::CpuMany => ("CPU per request, 32 connections", Unit::Micros),
            Self::CpuStream => ("CPU per stream of 32 events", Unit::Micros),
        }
    }
}

/// A path and the process in its middle.
struct Path {
    to: SocketAddr,
    pid: Option<u32>,
}

impl Path {
    fn all(stage: &Stage) -> [Self; PATHS.len()] {
        [
            Self { to: stage.provider.address(), pid: None },
            Self { to: stage.relay.address(), pid: Some(stage.relay.pid()) },
            Self { to: stage.proxy.address(), pid: Some(stage.proxy.pid()) },
            Self { to: stage.daemon.address(), pid: Some(stage.daemon.pid()) },
        ]
    }
}

type Series = BTreeMap<Metric, [Vec<f64>; PATHS.len()]>;

/// Runs the rounds.
pub(super) async fn compare(stage: &Stage, options: &Options) -> Result<Vec<Compared>, BenchError> {
    let paths = Path::all(stage);
    let span = |full: u64, quick: u64| Duration::from_millis(options.pick(full, quick));
    for path in &paths {
        Callers::connect(path.to, Script::Plain, MANY).await?.run(span(300, 150)).await?;
    }
    let mut series = Series::new();
    for round in 0..options.pick(9, 4) {
        // No path always runs after the same one.
        for turn in 0..paths.len() {
            let index = (turn + round) % paths.len();
            let path = &paths[index];
            let mut put = |metric, value| series.entry(metric).or_default()[index].push(value);

            let (one, cpu) = measured(path, Script::Plain, 1, span(400, 250)).await?;
            put(Metric::RateOne, one.per_second());
            put(Metric::HalfOne, one.whole(50));
            put(Metric::TailOne, one.whole(99));
            put(Metric::CpuOne, cpu);

            let (many, cpu) = measured(path, Script::Plain, MANY, span(600, 350)).await?;
            put(Metric::RateMany, many.per_second());
            put(Metric::HalfMany, many.whole(50));
            put(Metric::TailMany, many.whole(99));
            put(Metric::CpuMany, cpu);

            let (stream, cpu) = measured(path, Script::Events, 1, span(400, 250)).await?;
            put(Metric::FirstHalf, stream.first(50));
            put(Metric::FirstTail, stream.first(99));
            put(Metric::CpuStream, cpu);

            let fresh = load::fresh(path.to, Script::Plain, span(150, 100)).await?;
            put(Metric::Fresh, fresh.whole(50));
        }
    }
    Ok(series.into_iter().map(|(metric, series)| compared(metric, "", &series)).collect())
}

/// The main ratios for each of the other dialects, in fewer rounds.
pub(super) async fn compare_dialects(stage: &Stage, options: &Options) -> Result<Vec<Compared>, BenchError> {
    let paths = Path::all(stage);
    let span = |full: u64, quick: u64| Duration::from_millis(options.pick(full, quick));
    let mut all = Vec::new();
    for dialect in Dialect::OTHERS {
        let ask = |script| Ask { dialect, script };
        let mut series = Series::new();
        for round in 0..options.pick(5, 2) {
            for turn in 0..paths.len() {
                let index = (turn + round) % paths.len();
                let path = &paths[index];
                let mut put = |metric, value| series.entry(metric).or_default()[index].push(value);

                let (one, _) = measured(path, ask(Script::Plain), 1, span(300, 200)).await?;
                put(Metric::HalfOne, one.whole(50));

                let (many, cpu) = measured(path, ask(Script::Plain), MANY, span(400, 250)).await?;
                put(Metric::RateMany, many.per_second());
                put(Metric::CpuMany, cpu);

                let (stream, cpu) = measured(path, ask(Script::Events), 1, span(300, 200)).await?;
                put(Metric::FirstHalf, stream.first(50));
                put(Metric::CpuStream, cpu);
            }
        }
        all.extend(series.into_iter().map(|(metric, series)| compared(metric, dialect.name(), &series)));
    }
    Ok(all)
}

/// A window of load, and the CPU per request of the process in the middle in microseconds.
async fn measured(
    path: &Path,
    ask: impl Into<Ask>,
    connections: usize,
    span: Duration,
) -> Result<(Window, f64), BenchError> {
    let callers = Callers::connect(path.to, ask, connections).await?;
    let before = path.pid.map(procfs::cpu).unwrap_or_default();
    let window = callers.run(span).await?;
    let used = path.pid.map(procfs::cpu).unwrap_or_default().saturating_sub(before);
    let cpu = load::micros(used) / window.requests().max(1.0);
    Ok((window, cpu))
}

/// The medians of a metric, for the dialect of this name (none: chat completions).
fn compared(metric: Metric, dialect: &str, series: &[Vec<f64>; PATHS.len()]) -> Compared {
    let (name, unit) = metric.describe();
    let name = if dialect.is_empty() { name.to_owned() } else { format!("{dialect}: {name}") };
    let [direct, relay, proxy, daemon] = series;
    let is_cpu = matches!(metric, Metric::CpuOne | Metric::CpuMany | Metric::CpuStream);
    let is_time = unit == Unit::Micros && !is_cpu;
    let ratio = |a: f64, b: f64| a / b.max(f64::MIN_POSITIVE);
    Compared {
        name,
        unit,
        // Nobody stands in the middle of a direct run.
        direct: (!is_cpu).then(|| median(direct)),
        relay: median(relay),
        proxy: median(proxy),
        daemon: median(daemon),
        to_relay: median_of(daemon, relay, ratio),
        to_proxy: median_of(daemon, proxy, ratio),
        over_direct: is_time.then(|| median_of(daemon, direct, |a, b| a - b)),
        over_relay: is_time.then(|| median_of(daemon, relay, |a, b| a - b)),
        over_proxy: is_time.then(|| median_of(daemon, proxy, |a, b| a - b)),
    }
}

/// What is promised of the comparison.
pub(super) fn promises(compared: &[Compared]) -> Vec<Row> {
    let of = |metric: Metric| compared.iter().find(|compared| compared.name == metric.describe().0);
    let mut rows = Vec::new();
    for metric in [Metric::CpuMany, Metric::CpuOne, Metric::CpuStream] {
        let bound = if metric == Metric::CpuMany { Some(Bound::ratio(1.5)) } else { None };
        let found = of(metric);
        let name = format!("{}, to the bare proxy", metric.describe().0);
        rows.extend(found.map(|found| Row::new(name, Unit::Times, found.to_proxy, bound)));
    }
    for metric in [Metric::HalfOne, Metric::TailOne, Metric::HalfMany, Metric::TailMany, Metric::FirstHalf] {
        let bound = if metric == Metric::HalfOne { Some(Bound::deadline(35.0)) } else { None };
        let added = of(metric).and_then(|found| found.over_relay);
        let name = format!("{}, added over the relay", metric.describe().0);
        rows.extend(added.map(|added| Row::new(name, Unit::Micros, added, bound)));
    }
    rows
}
