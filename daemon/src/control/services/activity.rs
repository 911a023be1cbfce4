//! `ActivityService`: which programs call which models, for whoever watches.

use std::{pin::Pin, time::Duration};

use bitrouter_proto::{
    clock,
    wire::{WatchActivityRequest, WatchActivityResponse, activity_service_server::ActivityService},
};
use futures_util::{Stream, stream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::activity::Activity;

/// The time between two messages where nobody says, and its bounds.
const USUAL: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_mins(1);

/// How often owners are looked up meanwhile: programs that are gone by then stay unknown.
const LOOK: Duration = Duration::from_millis(200);

pub(super) struct Service {
    activity: Activity,
    closing: CancellationToken,
}

impl Service {
    pub(super) fn new(activity: Activity, closing: CancellationToken) -> Self {
        Self { activity, closing }
    }
}

type Messages = Pin<Box<dyn Stream<Item = Result<WatchActivityResponse, Status>> + Send>>;

/// Somebody who watches.
struct Watcher {
    activity: Activity,
    closing: CancellationToken,
    once: bool,
    interval: Duration,
    is_first: bool,
}

#[tonic::async_trait]
impl ActivityService for Service {
    type WatchActivityStream = Messages;

    async fn watch_activity(
        &self,
        request: Request<WatchActivityRequest>,
    ) -> Result<Response<Self::WatchActivityStream>, Status> {
        let WatchActivityRequest { once, interval_ms } = request.into_inner();
        let interval = interval_ms.map_or(USUAL, |millis| Duration::from_millis(millis.into()));
        let watcher = Watcher {
            activity: self.activity.clone(),
            closing: self.closing.clone(),
            once,
            interval: interval.clamp(SHORTEST, LONGEST),
            is_first: true,
        };
        Ok(Response::new(Box::pin(stream::unfold(watcher, next))))
    }
}

async fn next(mut watcher: Watcher) -> Option<(Result<WatchActivityResponse, Status>, Watcher)> {
    if !watcher.is_first && (watcher.once || !watcher.pause().await) {
        return None;
    }
    watcher.is_first = false;
    watcher.activity.look_up().await;
    Some((Ok(watcher.activity.now().into()), watcher))
}

impl Watcher {
    /// Lets the interval pass, and looks owners up meanwhile; false where the daemon closes.
    async fn pause(&self) -> bool {
        let until = clock::monotonic_now() + self.interval;
        loop {
            let step = (clock::monotonic_now() + LOOK).min(until);
            tokio::select! {
                biased;
                () = self.closing.cancelled() => return false,
                () = tokio::time::sleep_until(step.into()) => {}
            }
            if step == until {
                return true;
            }
            self.activity.look_up().await;
        }
    }
}
