//! `LogService`.

use std::sync::Arc;

use bitrouter_proto::{
    codes::Reason,
    wire::{SetLevelRequest, SetLevelResponse, log_service_server::LogService},
};
use tonic::{Request, Response, Status};

use crate::{agent::Agent, config::Level, control::refuse};

pub(super) struct Service {
    agent: Arc<Agent>,
}

impl Service {
    pub(super) fn new(agent: Arc<Agent>) -> Self {
        Self { agent }
    }
}

#[tonic::async_trait]
impl LogService for Service {
    async fn set_level(&self, request: Request<SetLevelRequest>) -> Result<Response<SetLevelResponse>, Status> {
        let text = request.into_inner().level;
        let Some(level) = Level::parse(&text.to_ascii_lowercase()) else {
            let message = "the log level must be one of `trace`, `debug`, `info`, `warn`, `error`";
            return Err(refuse::status(Reason::InvalidArgument, message, Some("bitrouter logs --level info")));
        };
        let previous = self.agent.set_log_level(level);
        Ok(Response::new(SetLevelResponse { level: level.as_str().to_owned(), previous: previous.as_str().to_owned() }))
    }
}
