//! Resident memory: idle, after load, with a thousand streams, with a client that does not read.

use std::time::Duration;

use bitrouter_proto::clock;
use tokio::time::sleep;

use super::{Stage, within};
use crate::{
    args::Options,
    bound::{Bound, Row, Unit},
    caller::{Caller, read_until, send_raw},
    daemon::Daemon,
    error::BenchError,
    procfs,
    sse::{FLOOD, Script},
    stats::number,
};

/// Streams that are open at once.
const STREAMS: usize = 1_000;
const PATIENCE: Duration = Duration::from_mins(1);
/// How long memory may take to settle.
const SETTLE: Duration = Duration::from_millis(800);
/// How long nothing may move before a flood counts as stopped.
const STILL: Duration = Duration::from_millis(600);
const LOOK: Duration = Duration::from_millis(10);

fn megabytes(bytes: u64) -> f64 {
    number(bytes) / 1e6
}

/// Of a daemon that was asked for nothing yet.
pub(super) async fn idle(stage: &Stage) -> Row {
    sleep(SETTLE).await;
    Row::new("idle RSS", Unit::Megabytes, megabytes(procfs::rss(stage.daemon.pid())), Some(Bound::memory(20.0)))
}

/// Of a daemon that works, or worked.
pub(super) async fn loaded(stage: &Stage, options: &Options) -> Result<Vec<Row>, BenchError> {
    let pid = stage.daemon.pid();
    let mut provider = Caller::connect(stage.provider.address()).await?;
    sleep(options.pick(SETTLE, SETTLE / 2)).await;
    let after = Row::new("RSS after the load", Unit::Megabytes, megabytes(procfs::rss(pid)), None);

    let left = provider.ask("/left").await?;
    let open = within("opening 1,000 streams", PATIENCE, streams(stage)).await?;
    sleep(options.pick(SETTLE, SETTLE / 2)).await;
    let row = |name, value, bound| Row::new(name, Unit::Megabytes, megabytes(value), Some(Bound::memory(bound)));
    let streams = row("RSS with 1,000 open streams", procfs::rss(pid), 64.0);
    drop(open);
    let all_left = format!("/left/{}", left + STREAMS as u64 - 1);
    within("ending 1,000 streams", PATIENCE, provider.ask(&all_left)).await?;

    let (growth, taken) = within("the flood", PATIENCE, flood(stage, &mut provider)).await?;
    let flood = row("growth by 256 MiB that nobody reads", growth, 24.0);
    let taken = Row::new("of these, taken from the provider", Unit::Megabytes, megabytes(taken), None);
    Ok(vec![after, streams, flood, taken])
}

async fn streams(stage: &Stage) -> Result<Vec<tokio::net::TcpStream>, BenchError> {
    let mut open = Vec::with_capacity(STREAMS);
    for _ in 0..STREAMS {
        let mut stream = send_raw(stage.daemon.address(), Script::Hold).await?;
        read_until(&mut stream, b"data: ").await?;
        open.push(stream);
    }
    Ok(open)
}

/// How much a daemon grew, and how much it took from the provider. A fresh one: memory that earlier work left behind
/// would hide the growth.
async fn flood(stage: &Stage, provider: &mut Caller) -> Result<(u64, u64), BenchError> {
    let daemon = Daemon::start(&stage.binary, stage.provider.address())?;
    let pid = daemon.pid();
    let mut warm = Caller::connect(daemon.address()).await?;
    warm.exchange(warm.request(Script::Events)).await?;
    let before = provider.ask("/produced").await?;
    let (rss, mark) = (procfs::rss(pid), procfs::peak_rss(pid));
    let mut peak = rss;
    let mut stream = send_raw(daemon.address(), Script::Flood).await?;
    read_until(&mut stream, b"\r\n\r\n").await?;
    let (mut taken, mut moved) = (0, clock::monotonic_now());
    while clock::monotonic_now().saturating_duration_since(moved) < STILL {
        sleep(LOOK).await;
        peak = peak.max(procfs::rss(pid));
        let now = provider.ask("/produced").await? - before;
        if now != taken {
            (taken, moved) = (now, clock::monotonic_now());
        }
    }
    if procfs::peak_rss(pid) > mark {
        peak = peak.max(procfs::peak_rss(pid));
    }
    if taken >= FLOOD / 2 {
        return Err(BenchError::Unexpected("the daemon read on although its client does not".to_owned()));
    }
    Ok((peak - rss, taken))
}
