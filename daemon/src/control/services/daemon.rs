//! `DaemonService`.

use std::{pin::Pin, sync::Arc, time::Duration};

use bitrouter_proto::wire::{
    LogsRequest, LogsResponse, ReloadRequest, ReloadResponse, StatusRequest, StatusResponse, StopRequest, StopResponse,
    WatchEventsRequest, WatchEventsResponse, daemon_service_server::DaemonService,
};
use futures_util::{Stream, stream};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{environment::variables, error, logs, peer_of};
use crate::{
    agent::Agent,
    health::events::{Event, Events},
    log_control::LogControl,
    phase::StopOrders,
    reload::Reloader,
    status::StatusReader,
};

pub(super) struct Service {
    status: StatusReader,
    reloader: Reloader,
    events: Events,
    log: LogControl,
    stop: StopOrders,
    closing: CancellationToken,
}

impl Service {
    pub(super) fn new(agent: &Agent, closing: CancellationToken) -> Self {
        Self {
            status: agent.status.clone(),
            reloader: agent.reloader.clone(),
            events: agent.events.clone(),
            log: agent.log.clone(),
            stop: agent.stop.clone(),
            closing,
        }
    }
}

type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl DaemonService for Service {
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        Ok(Response::new(self.status.read().await.into()))
    }

    async fn reload(&self, request: Request<ReloadRequest>) -> Result<Response<ReloadResponse>, Status> {
        let peer = peer_of(&request)?;
        let message = request.into_inner();
        let outcome = self
            .reloader
            .reload(peer, variables(message.variables), message.forget)
            .await
            .map_err(|refused| error::status(refused.reason, refused.message, refused.command.as_deref()))?;
        Ok(Response::new(outcome.into()))
    }

    async fn stop(&self, request: Request<StopRequest>) -> Result<Response<StopResponse>, Status> {
        let peer = peer_of(&request)?;
        tracing::info!(sender_uid = peer.uid, sender_pid = peer.pid, "stop");
        self.stop.order(request.into_inner().timeout_ms.map(Duration::from_millis));
        Ok(Response::new(StopResponse { pid: std::process::id() }))
    }

    type WatchEventsStream = Messages<WatchEventsResponse>;

    async fn watch_events(&self, _: Request<WatchEventsRequest>) -> Result<Response<Self::WatchEventsStream>, Status> {
        let feed = self.events.watch();
        Ok(Response::new(Box::pin(events(feed, self.closing.clone()))))
    }

    type LogsStream = Messages<LogsResponse>;

    async fn logs(&self, request: Request<LogsRequest>) -> Result<Response<Self::LogsStream>, Status> {
        let LogsRequest { follow, tail } = request.into_inner();
        let reader = self.log.ring().reader(tail.map(|n| n as usize));
        Ok(Response::new(if follow {
            Box::pin(logs::followed(reader, self.closing.clone()))
        } else {
            Box::pin(logs::recent(reader))
        }))
    }
}

/// The next word of a feed, or `None` when the daemon closes: what was said before that is still told.
async fn next<T: Clone>(feed: &mut broadcast::Receiver<T>, closing: &CancellationToken) -> Result<T, RecvError> {
    tokio::select! {
        biased;
        word = feed.recv() => word,
        () = closing.cancelled() => Err(RecvError::Closed),
    }
}

fn events(
    feed: broadcast::Receiver<Arc<Event>>,
    closing: CancellationToken,
) -> impl Stream<Item = Result<WatchEventsResponse, Status>> {
    stream::unfold((feed, closing), |(mut feed, closing)| async move {
        let message = match next(&mut feed, &closing).await {
            Ok(event) => WatchEventsResponse {
                at: event.at.clone(),
                kind: event.kind.to_owned(),
                message: event.message.clone(),
                fields: event.fields.clone().into_iter().collect(),
            },
            Err(RecvError::Lagged(n)) => WatchEventsResponse {
                at: bitrouter_proto::clock::now_rfc3339(),
                kind: "lagged".to_owned(),
                message: format!("lagged by {n} events"),
                fields: [("missed".to_owned(), n.to_string())].into(),
            },
            Err(RecvError::Closed) => return None,
        };
        Some((Ok(message), (feed, closing)))
    })
}
