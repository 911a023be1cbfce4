//! Whole processes: the daemon until it answers, the thin client beside a process that does nothing.

use std::process::{Command, Stdio};

use bitrouter_proto::clock;

use super::Stage;
use crate::{
    args::Options,
    bound::{Bound, Row, Unit},
    daemon::Daemon,
    error::BenchError,
    load::millis,
    stats::{median, median_of},
};

/// A process that does nothing, built beside this one.
const EMPTY: &str = env!("EMPTY_PROCESS");

pub(super) fn rows(stage: &Stage, options: &Options) -> Result<Vec<Row>, BenchError> {
    let mut rows = thin_client(stage, options)?;
    let mut starts = vec![millis(stage.daemon.start_time())];
    for _ in 0..options.pick(8, 3) {
        starts.push(millis(Daemon::start(&stage.binary, stage.provider.address())?.start_time()));
    }
    rows.push(Row::new("start until both sockets answer, p50", Unit::Millis, median(&starts), None));
    Ok(rows)
}

fn thin_client(stage: &Stage, options: &Options) -> Result<Vec<Row>, BenchError> {
    let mut empty = Command::new(EMPTY);
    empty.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut version = stage.daemon.client(&["--version"]);
    let mut status = stage.daemon.client(&["status"]);
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..options.pick(150, 50) {
        for (command, times) in [&mut empty, &mut version, &mut status].into_iter().zip(&mut times) {
            times.push(whole(command)?);
        }
    }
    let [empty, version, status] = times;
    let ratio = |a: f64, b: f64| a / b;
    Ok(vec![
        Row::new("an empty process, p50", Unit::Millis, median(&empty), None),
        Row::new("`bitrouter --version`, p50", Unit::Millis, median(&version), None),
        Row::new("`bitrouter status`, p50", Unit::Millis, median(&status), None),
        Row::new(
            "`bitrouter status` to an empty process",
            Unit::Times,
            median_of(&status, &empty, ratio),
            Some(Bound::ratio(3.0)),
        ),
    ])
}

/// Milliseconds from start to end of a process that succeeds.
fn whole(command: &mut Command) -> Result<f64, BenchError> {
    let started = clock::monotonic_now();
    let status = command.status().map_err(BenchError::io("start a process"))?;
    let took = clock::monotonic_now().saturating_duration_since(started);
    if status.success() {
        Ok(millis(took))
    } else {
        Err(BenchError::Unexpected(format!("a client ended with {status}")))
    }
}
