//! Instructions in user space for a request and for a stream, of the daemon with everything on and of a proxy that does
//! the least which the daemon must do too: take the whole body, look at `model`, send it on.
//!
//! Each is started several times and asked for nothing more, for requests, for streams; what its start, its connections
//! and its end cost is the same each time, and goes away in the difference. Under valgrind a process is slower than its
//! provider and finds several events of a stream in one read, as the daemon does under load; of those that come long
//! after each other it finds each alone.

use std::{net::SocketAddr, path::Path};

use super::Stage;
use crate::{
    args::Options,
    bound::{Bound, Row, Unit},
    child::Role,
    daemon::Daemon,
    dialect::{Ask, Dialect},
    error::BenchError,
    load::Callers,
    role,
    sse::Script,
    stats::number,
    valgrind::{self, Valgrind},
};

/// Kept connections.
const CONNECTIONS: usize = 4;

/// What is asked for, and how often on each connection before anything counts.
const KINDS: [(Script, usize); 3] = [(Script::Plain, 12), (Script::Fifty, 2), (Script::Paced, 1)];

/// Of the other dialects: the first two.
const FEWER: usize = 2;

/// Nothing is metered.
const LEDGER_OFF: &str = "[node]\nenabled = false\n";

/// How often a daemon is started that was too slow for itself.
const STARTS: u32 = 10;

/// How often each of [`KINDS`] is asked for on each connection, warm-up aside.
type Load = [usize; KINDS.len()];

pub(super) async fn rows(stage: &Stage, options: &Options) -> Result<Vec<Row>, BenchError> {
    let valgrind = Valgrind::find()?;
    let home = tempfile::tempdir().map_err(BenchError::io("make a temporary directory"))?;
    let log = home.path().join("count");
    let provider = stage.provider.address();
    let load = options.pick([250, 20, 6], [100, 10, 3]);

    let mut rows = Vec::new();
    // A short run asks for what has a bound.
    let others = options.pick(&Dialect::OTHERS[..], &[]);
    for dialect in [Dialect::Chat].iter().chain(others).copied() {
        let is_chat = dialect == Dialect::Chat;
        let kinds = if is_chat { KINDS.len() } else { FEWER };
        let proxy = cost(load, kinds, async |load| {
            let role = Role::start_under(&valgrind, &log, role::READING_PROXY, provider)?;
            ask(role.address(), dialect, load).await?;
            role.end()?;
            valgrind::count(&log)
        });
        let proxy = proxy.await?;
        let measured = Measured { valgrind: &valgrind, log: &log, binary: &stage.binary, provider, dialect };
        let daemon = cost(load, kinds, async |load| measured.daemon(LEDGER_OFF, load).await).await?;

        let bounds = [Some(Bound::instructions(1.6)), Some(Bound::instructions(1.0)), None];
        let names = ["request", "stream of 50 events", "stream, events apart"];
        let prefix = if is_chat { String::new() } else { format!("{}: ", dialect.name()) };
        for (kind, name) in names.into_iter().enumerate().take(kinds) {
            let row = |what: &str, unit, value, bound| {
                Row::new(format!("{prefix}instructions per {name}{what}"), unit, value, bound)
            };
            rows.push(row(", bare proxy", Unit::Count, proxy[kind], None));
            rows.push(row("", Unit::Count, daemon[kind], None));
            let bound = bounds[kind].filter(|_| is_chat);
            rows.push(row(", to the bare proxy", Unit::Times, daemon[kind] / proxy[kind], bound));
        }
        if is_chat {
            let metered = cost(load, FEWER, async |load| measured.daemon("", load).await).await?;
            for (kind, name) in names.into_iter().enumerate().take(FEWER) {
                let more = (metered[kind] - daemon[kind]) / proxy[kind];
                let what = format!("instructions per {name}, ledger on beside off, of the bare proxy");
                // Most of it is the database's work, in groups by time: under valgrind, where all is slow, they are small, and
                // how small depends on the machine. So nothing is promised of it.
                rows.push(Row::new(what, Unit::Times, more, None));
            }
        }
    }
    Ok(rows)
}

/// What is measured, and how.
struct Measured<'a> {
    valgrind: &'a Valgrind,
    log: &'a Path,
    binary: &'a Path,
    provider: SocketAddr,
    dialect: Dialect,
}

impl Measured<'_> {
    /// The instructions of a daemon with these settings under this load.
    async fn daemon(&self, settings: &str, load: Load) -> Result<u64, BenchError> {
        let daemon = start(self.valgrind, self.log, self.binary, self.provider, settings)?;
        ask(daemon.address(), self.dialect, load).await?;
        daemon.end()?;
        valgrind::count(self.log)
    }
}

/// A daemon that counts. It asks itself whether it answers before it says that it is ready, and waits no longer for that
/// than an ordinary process needs: on a busy machine one under valgrind may miss it, and is started again.
fn start(
    valgrind: &Valgrind,
    log: &Path,
    binary: &Path,
    provider: SocketAddr,
    settings: &str,
) -> Result<Daemon, BenchError> {
    let mut tries = 1..=STARTS;
    loop {
        let started = Daemon::start_under(valgrind, log, binary, provider, settings);
        if started.is_ok() || tries.next().is_none() {
            return started;
        }
    }
}

/// The difference that each of the first `kinds` of load makes, divided by its number.
async fn cost(
    load: Load,
    kinds: usize,
    mut count: impl AsyncFnMut(Load) -> Result<u64, BenchError>,
) -> Result<[f64; KINDS.len()], BenchError> {
    let base = count(Load::default()).await?;
    let mut costs = [0.0; KINDS.len()];
    for kind in 0..kinds {
        let mut alone = Load::default();
        alone[kind] = load[kind];
        let more = count(alone).await?.saturating_sub(base);
        costs[kind] = number(more) / number((load[kind] * CONNECTIONS) as u64);
    }
    Ok(costs)
}

async fn ask(to: SocketAddr, dialect: Dialect, load: Load) -> Result<(), BenchError> {
    for ((script, warm), times) in KINDS.into_iter().zip(load) {
        // What is never asked for needs no warming.
        if dialect != Dialect::Chat && script == Script::Paced {
            continue;
        }
        Callers::connect(to, Ask { dialect, script }, CONNECTIONS).await?.times(warm + times).await?;
    }
    Ok(())
}
