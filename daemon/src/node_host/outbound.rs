//! The node's way to other servers: the daemon's client, with its certificates, proxies and bounds.

use std::time::Duration;

use bitrouter_gateway::{ProxySettings, ports::BoxFuture};
use bitrouter_node::outbound::{Outbound, OutboundError};
use bytes::Bytes;
use http::{Request, Response};

use crate::credentials::{CallError, Http};

/// What the node sends goes out here.
#[derive(Debug)]
pub(crate) struct NodeOutbound(Http);

impl NodeOutbound {
    /// One that goes through these proxies.
    pub(crate) fn new(proxies: &ProxySettings) -> Self {
        Self(Http::new(proxies))
    }
}

impl Outbound for NodeOutbound {
    fn send(&self, request: Request<Bytes>, within: Duration) -> BoxFuture<'_, Result<Response<Bytes>, OutboundError>> {
        Box::pin(async move {
            self.0.pass_on(request, within).await.map_err(|error| match error {
                CallError::Unreachable(words) | CallError::Refused(words) => OutboundError::Unreachable(words),
                CallError::Lost(words) => OutboundError::Lost(words),
            })
        })
    }
}
