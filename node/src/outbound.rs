//! The node's way out: what it asks of servers that its operator has named. It opens no socket; whoever carries it does.

use std::{fmt, time::Duration};

use bitrouter_gateway::ports::BoxFuture;
use bytes::Bytes;
use http::{Request, Response};

/// Sends a request to another server.
pub trait Outbound: fmt::Debug + Send + Sync + 'static {
    /// Sends `request`, whose URI is absolute, and reads the whole reply, all `within` that time. Redirects are not followed,
    /// and a reply has a bound.
    fn send(&self, request: Request<Bytes>, within: Duration) -> BoxFuture<'_, Result<Response<Bytes>, OutboundError>>;
}

/// Why there is no reply. The words name the server and nothing that was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// Nothing was sent.
    #[error("{0}")]
    Unreachable(String),
    /// It was sent, and no whole reply came: what the server made of it is not known.
    #[error("{0}")]
    Lost(String),
}

/// No way out: where a node is opened without a daemon around it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOutbound;

impl Outbound for NoOutbound {
    fn send(&self, _: Request<Bytes>, _: Duration) -> BoxFuture<'_, Result<Response<Bytes>, OutboundError>> {
        Box::pin(async { Err(OutboundError::Unreachable("this node has no way to other servers".to_owned())) })
    }
}
