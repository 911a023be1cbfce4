//! Requests in, replies out: the table of endpoints, what a call carries, bodies, errors.
//!
//! [`endpoints`] finds the line of the table; [`granted`] judges who calls; [`body`] reads what was sent, within bounds;
//! [`members`] takes a JSON body apart, [`query`] a query; [`idempotency`] answers a repeated POST as the first one; a handler gets a [`Call`] and makes a reply with [`reply`] or one of the [`error`]s. What is a page, an OAuth endpoint or REST is written on the line.

pub(crate) mod body;
pub(crate) mod endpoints;
pub(crate) mod error;
pub(crate) mod granted;
pub(crate) mod idempotency;
pub(crate) mod members;
pub(crate) mod query;
pub(crate) mod reply;
mod visitor;

use std::sync::Arc;

use bitrouter_gateway::http::{Caller, ResponseFuture};
use bytes::Bytes;
use tokio::sync::OwnedMutexGuard;

use self::granted::Granted;
pub use self::{
    endpoints::{Access, Endpoint, Kind, all_endpoints},
    error::{oauth_code, tokenroute_error},
    visitor::{AddressKey, Entrance, Visitor},
};
use crate::Node;

/// One request on its way to a handler: its body is read, its path is taken apart.
#[derive(Debug)]
pub struct Call {
    /// The node.
    pub(crate) node: Arc<Node>,
    /// Method, URI, headers.
    pub(crate) head: http::request::Parts,
    /// The whole body.
    pub(crate) body: Bytes,
    /// The credential that the listener judged, or [`Caller::Anyone`].
    pub(crate) caller: Caller,
    /// Who asks, from where.
    pub(crate) visitor: Visitor,
    /// The parts of the path that stand for ids, in order.
    pub(crate) params: Vec<String>,
    /// The line of the table.
    pub(crate) endpoint: &'static Endpoint,
    /// What it was granted before its handler sees it.
    pub(crate) granted: Granted,
    /// Held while it runs: no other call with its `Idempotency-Key` does.
    pub(crate) turn: Option<OwnedMutexGuard<()>>,
}

/// What answers an endpoint.
pub(crate) type Handler = fn(Call) -> ResponseFuture;

impl Call {
    /// The path with the ids that it means: one spelling for all ways to write it.
    pub(crate) fn canonical_path(&self) -> String {
        let mut sent = self.params.iter();
        let part = |part: &str| match (part.starts_with('{'), part) {
            (false, fixed) => fixed.to_owned(),
            (true, "{nsid}") => {
                let sent = sent.next().map(String::as_str).unwrap_or_default();
                self.granted.namespace.map_or_else(|| sent.to_owned(), |id| id.to_string())
            }
            (true, _) => sent.next().map(|sent| sent.to_ascii_lowercase()).unwrap_or_default(),
        };
        self.endpoint.path.split('/').map(part).collect::<Vec<_>>().join("/")
    }
}
