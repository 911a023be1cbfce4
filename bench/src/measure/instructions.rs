//! Instructions in user space for a request and for a stream, of the daemon with everything on and of a proxy that does
//! the least which the daemon must do too: take the whole body, look at `model`, send it on.
//!
//! Each is started three times and asked for nothing more, for requests, for streams; what its start, its connections
//! and its end cost is the same each time, and goes away in the difference.

use std::{net::SocketAddr, path::Path};

use super::Stage;
use crate::{
    args::Options,
    bound::{Bound, Row, Unit},
    child::Role,
    daemon::Daemon,
    error::BenchError,
    load::Callers,
    role,
    sse::Script,
    stats::number,
    valgrind::{self, Valgrind},
};

/// Kept connections.
const CONNECTIONS: usize = 4;
/// Requests of each kind on each connection before anything counts.
const WARM: usize = 12;

/// How often a daemon is started that was too slow for itself.
const STARTS: u32 = 10;

/// What a run asks for on each connection, warm-up aside.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    requests: usize,
    streams: usize,
}

/// Instructions for one request and for one stream.
struct Cost {
    request: f64,
    stream: f64,
}

pub(super) async fn rows(stage: &Stage, options: &Options) -> Result<Vec<Row>, BenchError> {
    let valgrind = Valgrind::find()?;
    let home = tempfile::tempdir().map_err(BenchError::io("make a temporary directory"))?;
    let log = home.path().join("count");
    let provider = stage.provider.address();
    let load = Load { requests: options.pick(250, 100), streams: options.pick(10, 4) };

    let proxy = cost(load, async |load| {
        let role = Role::start_under(&valgrind, &log, role::READING_PROXY, provider)?;
        ask(role.address(), load).await?;
        role.end()?;
        valgrind::count(&log)
    });
    let proxy = proxy.await?;
    let daemon = cost(load, async |load| of_daemon(&valgrind, &log, &stage.binary, provider, load).await).await?;

    let row = |name: &str, value, unit, bound| Row::new(name, unit, value, bound);
    Ok(vec![
        row("instructions per request, bare proxy that reads it", proxy.request, Unit::Count, None),
        row("instructions per request", daemon.request, Unit::Count, None),
        row("instructions per request, to the bare proxy", daemon.request / proxy.request, Unit::Times, REQUEST),
        row("instructions per stream of 50 events, bare proxy", proxy.stream, Unit::Count, None),
        row("instructions per stream of 50 events", daemon.stream, Unit::Count, None),
        row("instructions per stream, to the bare proxy", daemon.stream / proxy.stream, Unit::Times, STREAM),
    ])
}

const REQUEST: Option<Bound> = Some(Bound::instructions(1.6));
const STREAM: Option<Bound> = Some(Bound::instructions(1.0));

async fn of_daemon(
    valgrind: &Valgrind,
    log: &Path,
    binary: &Path,
    provider: SocketAddr,
    load: Load,
) -> Result<u64, BenchError> {
    let daemon = start(valgrind, log, binary, provider)?;
    ask(daemon.address(), load).await?;
    daemon.end()?;
    valgrind::count(log)
}

/// A daemon that counts. It asks itself whether it answers before it says that it is ready, and waits no longer for that
/// than an ordinary process needs: on a busy machine one under valgrind may miss it, and is started again.
fn start(valgrind: &Valgrind, log: &Path, binary: &Path, provider: SocketAddr) -> Result<Daemon, BenchError> {
    let mut tries = 1..=STARTS;
    loop {
        let started = Daemon::start_under(valgrind, log, binary, provider);
        if started.is_ok() || tries.next().is_none() {
            return started;
        }
    }
}

/// The difference that each kind of load makes, divided by its number.
async fn cost(load: Load, mut count: impl AsyncFnMut(Load) -> Result<u64, BenchError>) -> Result<Cost, BenchError> {
    let base = count(Load::default()).await?;
    let requests = count(Load { streams: 0, ..load }).await?;
    let streams = count(Load { requests: 0, ..load }).await?;
    let each = |all: u64, times: usize| number(all.saturating_sub(base)) / number((times * CONNECTIONS) as u64);
    Ok(Cost { request: each(requests, load.requests), stream: each(streams, load.streams) })
}

async fn ask(to: SocketAddr, load: Load) -> Result<(), BenchError> {
    for (script, times) in [(Script::Plain, load.requests), (Script::Stream, load.streams)] {
        let callers = Callers::connect(to, script, CONNECTIONS).await?;
        callers.times(if script == Script::Plain { WARM } else { 1 } + times).await?;
    }
    Ok(())
}
