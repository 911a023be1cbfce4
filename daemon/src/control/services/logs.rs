//! `LogService`, and the streams of log lines that `DaemonService/Logs` answers.

use bitrouter_proto::{
    codes::Reason,
    wire::{LogsResponse, SetLevelRequest, SetLevelResponse, log_service_server::LogService},
};
use futures_util::{Stream, stream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::error;
use crate::{config::Level, log_control::LogControl, telemetry::LogReader};

pub(super) struct Service {
    log: LogControl,
}

impl Service {
    pub(super) fn new(log: LogControl) -> Self {
        Self { log }
    }
}

#[tonic::async_trait]
impl LogService for Service {
    async fn set_level(&self, request: Request<SetLevelRequest>) -> Result<Response<SetLevelResponse>, Status> {
        let text = request.into_inner().level;
        let Some(level) = Level::parse(&text.to_ascii_lowercase()) else {
            let message = "the log level must be one of `trace`, `debug`, `info`, `warn`, `error`";
            return Err(error::status(Reason::InvalidArgument, message, Some("bitrouter logs --level info")));
        };
        let previous = self.log.set_level(level);
        Ok(Response::new(SetLevelResponse { level: level.as_str().to_owned(), previous: previous.as_str().to_owned() }))
    }
}

/// The newest lines that are there.
pub(super) fn recent(reader: LogReader) -> impl Stream<Item = Result<LogsResponse, Status>> {
    stream::unfold(reader, async |mut reader| {
        let told = reader.next_of_the_past()?;
        Some((Ok(log_line(told)), reader))
    })
}

fn log_line((line, missed): (String, u64)) -> LogsResponse {
    LogsResponse { line, missed }
}

/// The lines as the client takes them; when the daemon closes, those that are there are still told.
pub(super) fn followed(
    reader: LogReader,
    closing: CancellationToken,
) -> impl Stream<Item = Result<LogsResponse, Status>> {
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
