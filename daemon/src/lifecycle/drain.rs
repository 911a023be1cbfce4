//! The end: listeners first, then running requests until a bound, then whatever is left with its dialect's error.

use std::time::Duration;

use bitrouter_proto::clock;

use crate::{agent::Agent, control::ControlServer, listener::HttpServer, service_manager::Notifier};

/// How long running requests may take where nobody said otherwise.
pub(super) const DEFAULT: Duration = Duration::from_secs(30);

/// How long an idle keep-alive connection is left open, so that a request on its way is still answered.
const IDLE_GRACE: Duration = Duration::from_millis(250);

/// How long forced streams have to say their last event.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How the drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drained {
    /// Every request finished.
    Whole,
    /// Some were ended by the bound, or by a second order.
    Cut,
}

/// Drains within `bound`. Whenever `shorter` returns, what is left of the bound is at most what it said.
pub(super) async fn drain(
    agent: &Agent,
    http: &HttpServer,
    control: &ControlServer,
    notifier: &Notifier,
    bound: Duration,
    mut shorter: impl AsyncFnMut() -> Duration,
) -> Drained {
    agent.phase.begin_draining();
    notifier.stopping();
    let mut deadline = clock::after(bound);
    let in_flight = http.in_flight();
    tracing::info!(in_flight, bound_s = bound.as_secs(), "draining");
    http.drain(IDLE_GRACE.min(bound)).await;
    let whole = loop {
        tokio::select! {
            whole = http.wait_idle(deadline) => break whole,
            left = shorter() => deadline = deadline.min(clock::after(left)),
        }
    };
    let drained = if whole {
        Drained::Whole
    } else {
        tracing::warn!(in_flight = http.in_flight(), "running requests are ended");
        agent.gateway.interrupt();
        http.wake_connections();
        http.wait_idle(clock::monotonic_now() + LAST_WORDS).await;
        http.abort_all().await;
        Drained::Cut
    };
    agent.gateway.close_idle();
    agent.reloader.end();
    control.close().await;
    agent.credentials.close().await;
    agent.node.close().await;
    drained
}
