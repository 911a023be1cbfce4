//! A caller that leaves: how long until the provider sees it.

use std::time::Duration;

use bitrouter_proto::clock;

use super::{Stage, within};
use crate::{
    args::Options,
    bound::{Bound, Row, Unit},
    caller::{Caller, read_until, send_raw},
    error::BenchError,
    load::millis,
    sse::Script,
    stats::percentile,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// In mid-stream, and before the first byte.
pub(super) async fn rows(stage: &Stage, options: &Options) -> Result<Vec<Row>, BenchError> {
    let mut provider = Caller::connect(stage.provider.address()).await?;
    let mut rows = Vec::new();
    for (name, script) in [("in mid-stream", Script::Hold), ("before the first byte", Script::Silent)] {
        let mut times = Vec::new();
        for _ in 0..options.pick(60, 20) {
            times.push(within("a cancelled call", PATIENCE, once(stage, &mut provider, script)).await?);
        }
        let row = |what: &str, percent, bound| {
            let name = format!("cancel {name}, {what}");
            Row::new(name, Unit::Millis, percentile(&times, percent), bound)
        };
        rows.extend([row("p50", 50, None), row("max", 100, Some(Bound::deadline(100.0)))]);
    }
    Ok(rows)
}

async fn once(stage: &Stage, provider: &mut Caller, script: Script) -> Result<f64, BenchError> {
    let arrived = provider.ask("/arrived").await?;
    let left = provider.ask("/left").await?;
    let mut stream = send_raw(stage.daemon.address(), script).await?;
    provider.ask(&format!("/arrived/{arrived}")).await?;
    if script == Script::Hold {
        read_until(&mut stream, b"data: ").await?;
    }
    let gone = clock::monotonic_now();
    drop(stream);
    provider.ask(&format!("/left/{left}")).await?;
    Ok(millis(clock::monotonic_now().saturating_duration_since(gone)))
}
