//! The same calls with a token of the node, which is judged for each of them, and without any.

use std::time::Duration;

use super::Stage;
use crate::{
    args::Options,
    bound::{Bound, Row, Unit},
    error::BenchError,
    load::{self, Callers, Window},
    procfs,
    sse::Script,
    stats::{median, median_of},
    token,
};

/// Connections where there are many.
const MANY: usize = 32;

/// Who calls, in the order of a round.
#[derive(Clone, Copy)]
enum Side {
    Proxy,
    Keyless,
    Token,
}

const SIDES: [Side; 3] = [Side::Proxy, Side::Keyless, Side::Token];

pub(super) async fn rows(stage: &Stage, options: &Options) -> Result<Vec<Row>, BenchError> {
    let authorization = token::authorization(&stage.daemon)?;
    let measured = async |side: Side, connections: usize| -> Result<(Window, f64), BenchError> {
        let (to, pid) = match side {
            Side::Proxy => (stage.proxy.address(), stage.proxy.pid()),
            Side::Keyless | Side::Token => (stage.daemon.address(), stage.daemon.pid()),
        };
        let authorization = matches!(side, Side::Token).then_some(&authorization);
        let callers = Callers::connect_as(to, Script::Plain, connections, authorization).await?;
        let before = procfs::cpu(pid);
        let window = callers.run(Duration::from_millis(options.pick(400, 250))).await?;
        let cpu = load::micros(procfs::cpu(pid).saturating_sub(before)) / window.requests().max(1.0);
        Ok((window, cpu))
    };
    let (mut cpu, mut half) = (<[Vec<f64>; 3]>::default(), <[Vec<f64>; 3]>::default());
    for round in 0..options.pick(9, 4) {
        for turn in 0..SIDES.len() {
            let index = (turn + round) % SIDES.len();
            cpu[index].push(measured(SIDES[index], MANY).await?.1);
            half[index].push(measured(SIDES[index], 1).await?.0.whole(50));
        }
    }
    let ratio = |a: f64, b: f64| a / b.max(f64::MIN_POSITIVE);
    let [proxy, keyless, token] = &cpu;
    let [_, keyless_half, token_half] = &half;
    let name = |what: &str| format!("with a token: {what}");
    Ok(vec![
        Row::new(name("CPU per request, 32 connections"), Unit::Micros, median(token), None),
        Row::new(
            name("CPU per request, 32 connections, to the bare proxy"),
            Unit::Times,
            median_of(token, proxy, ratio),
            Some(Bound::ratio(1.5)),
        ),
        Row::new(name("CPU per request, 32 connections, to none"), Unit::Times, median_of(token, keyless, ratio), None),
        Row::new(
            name("latency p50, 1 connection, added over none"),
            Unit::Micros,
            median_of(token_half, keyless_half, |a, b| a - b),
            None,
        ),
    ])
}
