//! Load: callers that send their next request when the last one is answered.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bitrouter_proto::clock;
use http::HeaderValue;
use tokio::task::JoinSet;

use crate::{
    caller::Caller,
    dialect::Ask,
    error::BenchError,
    sse::Script,
    stats::{number, percentile},
};

/// What a span of load showed. Times are in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Window {
    whole: Vec<f64>,
    first: Vec<f64>,
    span: Duration,
}

impl Window {
    pub(crate) fn requests(&self) -> f64 {
        number(self.whole.len() as u64)
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.requests() / self.span.as_secs_f64()
    }

    /// A percentile of the time until the end of the reply.
    pub(crate) fn whole(&self, percent: usize) -> f64 {
        percentile(&self.whole, percent)
    }

    /// A percentile of the time until the first bytes of the reply's body.
    pub(crate) fn first(&self, percent: usize) -> f64 {
        percentile(&self.first, percent)
    }
}

/// Callers that are connected and warm.
pub(crate) struct Callers {
    callers: Vec<Caller>,
    ask: Ask,
}

impl Callers {
    pub(crate) async fn connect(to: SocketAddr, ask: impl Into<Ask>, connections: usize) -> Result<Self, BenchError> {
        Self::connect_as(to, ask, connections, None).await
    }

    /// The same, with this `Authorization` on each request.
    pub(crate) async fn connect_as(
        to: SocketAddr,
        ask: impl Into<Ask>,
        connections: usize,
        authorization: Option<&HeaderValue>,
    ) -> Result<Self, BenchError> {
        let ask = ask.into();
        let mut callers = Vec::with_capacity(connections);
        for _ in 0..connections {
            let caller = Caller::connect(to).await?;
            let mut caller = match authorization {
                Some(authorization) => caller.authorized(authorization.clone()),
                None => caller,
            };
            caller.exchange(caller.request(ask)).await?;
            callers.push(caller);
        }
        Ok(Self { callers, ask })
    }

    /// Lets all of them call for `span`.
    pub(crate) async fn run(self, span: Duration) -> Result<Window, BenchError> {
        let started = clock::monotonic_now();
        let until = started + span;
        let mut running = JoinSet::new();
        for caller in self.callers {
            running.spawn(call(caller, self.ask, until));
        }
        let mut window = Window::default();
        while let Some(ended) = running.join_next().await {
            let (whole, first) = ended.map_err(|error| BenchError::Unexpected(error.to_string()))??;
            window.whole.extend(whole);
            window.first.extend(first);
        }
        window.span = clock::monotonic_now().saturating_duration_since(started);
        Ok(window)
    }
}

impl Callers {
    /// Lets each of them call `count` times.
    pub(crate) async fn times(self, count: usize) -> Result<(), BenchError> {
        let mut running = JoinSet::new();
        for mut caller in self.callers {
            running.spawn(async move {
                let template = caller.request(self.ask);
                for _ in 0..count {
                    caller.exchange(template.clone()).await?;
                }
                Ok::<_, BenchError>(())
            });
        }
        while let Some(ended) = running.join_next().await {
            ended.map_err(|error| BenchError::Unexpected(error.to_string()))??;
        }
        Ok(())
    }
}

type Times = (Vec<f64>, Vec<f64>);

async fn call(mut caller: Caller, ask: Ask, until: Instant) -> Result<Times, BenchError> {
    let template = caller.request(ask);
    let mut times = Times::default();
    loop {
        let started = clock::monotonic_now();
        if started >= until {
            return Ok(times);
        }
        let exchange = caller.exchange(template.clone()).await?;
        times.0.push(micros(exchange.last.saturating_duration_since(started)));
        times.1.push(micros(exchange.first.saturating_duration_since(started)));
    }
}

/// One request on each of many new connections, for `span`; the connect counts.
pub(crate) async fn fresh(to: SocketAddr, script: Script, span: Duration) -> Result<Window, BenchError> {
    let begun = clock::monotonic_now();
    let mut window = Window::default();
    while clock::monotonic_now().saturating_duration_since(begun) < span {
        let started = clock::monotonic_now();
        let mut caller = Caller::connect(to).await?;
        let exchange = caller.exchange(caller.request(script)).await?;
        window.whole.push(micros(exchange.last.saturating_duration_since(started)));
    }
    window.span = clock::monotonic_now().saturating_duration_since(begun);
    Ok(window)
}

/// Load and nothing else, in a runtime of its own.
pub(crate) fn alone(to: SocketAddr, script: Script, connections: usize, span: Duration) -> Result<Window, BenchError> {
    runtime()?.block_on(async { Callers::connect(to, script, connections).await?.run(span).await })
}

/// The runtime of a client: one thread, so that it costs the others as little as it can.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, BenchError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(BenchError::io("start a runtime"))
}

/// A duration in microseconds.
pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// A duration in milliseconds.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
