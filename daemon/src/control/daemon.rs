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

use crate::{
    agent::Agent,
    control::{Peer, environment::variables, refuse},
    health::events::Event,
    telemetry::LogReader,
};

pub(super) struct Service {
    agent: Arc<Agent>,
    closing: CancellationToken,
}

impl Service {
    pub(super) fn new(agent: Arc<Agent>, closing: CancellationToken) -> Self {
        Self { agent, closing }
    }
}

type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl DaemonService for Service {
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        Ok(Response::new(self.agent.status().await.into()))
    }

    async fn reload(&self, request: Request<ReloadRequest>) -> Result<Response<ReloadResponse>, Status> {
        let peer = peer_of(&request)?;
        let message = request.into_inner();
        let changed = self
            .agent
            .reload_from_shell(peer, variables(message.variables), message.forget)
            .await
            .map_err(|refused| refuse::status(refused.reason, refused.message, refused.command.as_deref()))?;
        Ok(Response::new(ReloadResponse { changed: changed.into_iter().map(Into::into).collect() }))
    }

    async fn stop(&self, request: Request<StopRequest>) -> Result<Response<StopResponse>, Status> {
        let peer = peer_of(&request)?;
        tracing::info!(sender_uid = peer.uid, sender_pid = peer.pid, "stop");
        self.agent.stop(request.into_inner().timeout_ms.map(Duration::from_millis));
        Ok(Response::new(StopResponse { pid: std::process::id() }))
    }

    type WatchEventsStream = Messages<WatchEventsResponse>;

    async fn watch_events(&self, _: Request<WatchEventsRequest>) -> Result<Response<Self::WatchEventsStream>, Status> {
        let feed = self.agent.events().watch();
        Ok(Response::new(Box::pin(events(feed, self.closing.clone()))))
    }

    type LogsStream = Messages<LogsResponse>;

    async fn logs(&self, request: Request<LogsRequest>) -> Result<Response<Self::LogsStream>, Status> {
        let LogsRequest { follow, tail } = request.into_inner();
        let reader = self.agent.log_ring().reader(tail.map(|n| n as usize));
        Ok(Response::new(if follow {
            Box::pin(followed(reader, self.closing.clone()))
        } else {
            Box::pin(stream::unfold(reader, async |mut reader| {
                let told = reader.next_of_the_past()?;
                Some((Ok(log_line(told)), reader))
            }))
        }))
    }
}

/// Who calls, as the accept loop put it there.
pub(super) fn peer_of<T>(request: &Request<T>) -> Result<Peer, Status> {
    request.extensions().get::<Peer>().copied().ok_or_else(|| {
        refuse::status(bitrouter_proto::codes::Reason::Internal, "the peer of this connection is not known", None)
    })
}

/// The next word of a feed, or `None` when the daemon closes: what was said before that is still told.
async fn next<T: Clone>(feed: &mut broadcast::Receiver<T>, closing: &CancellationToken) -> Result<T, RecvError> {
    tokio::select! {
        biased;
        word = feed.recv() => word,
        () = closing.cancelled() => Err(RecvError::Closed),
    }
}

fn log_line((line, missed): (String, u64)) -> LogsResponse {
    LogsResponse { line, missed }
}

/// The lines as the client takes them; when the daemon closes, those that are there are still told.
fn followed(reader: LogReader, closing: CancellationToken) -> impl Stream<Item = Result<LogsResponse, Status>> {
    stream::unfold((reader, closing), async |(mut reader, closing)| {
        loop {
            if let Some(told) = reader.next_so_far() {
                return Some((Ok(log_line(told)), (reader, closing)));
            }
            tokio::select! {
                biased;
                () = reader.more() => {}
                () = closing.cancelled() => return None,
            }
        }
    })
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
