//! What a server is made of: the service behind it, what it asks and tells, and its bounds.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bitrouter_gateway::{
    Gateway, InferenceError,
    http::{CallerBody, RequestContext, ResponseBody, ResponseFuture},
};
use http::{Request, Response};

use bitrouter_node::http::Visitor;

use crate::activity::Activity;

use super::{
    access::{Authenticator, ProvenPeer},
    peer::PeerLookup,
    settings::ListenerSettings,
};

/// Where refusals are counted.
pub trait RefusalSink: Send + Sync + 'static {
    /// Called for each refusal; `reason` is an error code of the contract, or `connection_limit`.
    fn refused(&self, reason: &'static str);

    /// Called where it was asked whose process calls, and a proxy that nobody trusts kept it from being known; `seen` is
    /// how it showed.
    fn came_through_a_proxy(&self, seen: ProvenPeer<'_>);
}

/// Makes the text of `/metrics`, in the OpenMetrics format.
pub type MetricsBody = Arc<dyn Fn() -> String + Send + Sync>;

/// Whom a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The programs of this machine, of which those of the daemon's own user need no credential. Where it is bound to an
    /// address of a network, also those of others.
    ThisMachine,
    /// A team, which reaches it at the `public_url`: everybody needs a credential, and nobody's user is asked for.
    Team,
}

/// Bounds that only a restart changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once. A team's listeners get half of them, and of what is this machine's, other users together a
    /// quarter.
    pub connections: usize,
    /// How long the head of a request may take, from its first byte (of a new connection: from accept).
    pub head: Duration,
    /// How long a kept connection may be idle.
    pub idle: Duration,
    /// How long a client that is still sending is listened to after its last reply.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16 * 1024,
            head: Duration::from_secs(10),
            idle: Duration::from_mins(2),
            linger: Duration::from_secs(1),
        }
    }
}

/// Answers the requests that may pass.
pub trait RequestService: Send + Sync + 'static {
    /// Answers one request. The task of its connection polls the answer, and so the body of it.
    fn call(self: Arc<Self>, request: Request<CallerBody>, context: RequestContext) -> ResponseFuture;
}

impl RequestService for Gateway {
    fn call(self: Arc<Self>, request: Request<CallerBody>, context: RequestContext) -> ResponseFuture {
        self.answer(request, context)
    }
}

/// Answers the requests that are the node's.
pub trait NodeService: Send + Sync + 'static {
    /// Answers one request of `visitor`, or says, as an error to be written in the shape of its path, why there is no node.
    fn call(&self, request: Request<CallerBody>, context: RequestContext, visitor: Visitor) -> NodeFuture;
}

/// An answer of the node in the making.
pub type NodeFuture = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, InferenceError>> + Send>>;

/// What the server is made of.
pub struct ServerOptions {
    /// Answers every request that may pass.
    pub service: Arc<dyn RequestService>,
    /// Answers what is the node's.
    pub node: Arc<dyn NodeService>,
    /// What a reload may change.
    pub settings: Arc<ArcSwap<ListenerSettings>>,
    /// Asks the kernel who is calling.
    pub peers: Arc<PeerLookup>,
    /// Says who may.
    pub authenticator: Arc<dyn Authenticator>,
    /// Where refusals are counted.
    pub refusals: Arc<dyn RefusalSink>,
    /// The text of `/metrics`.
    pub metrics: MetricsBody,
    /// Who calls what, for whoever watches.
    pub activity: Activity,
    /// The bounds.
    pub limits: Limits,
}
