//! The HTTP listeners, the local one and that of a team: binds, accepts, asks the kernel who is calling, applies the host and
//! browser rules, and hands what may pass to a service.
//!
//! The journey of a request: [`bind`] opens the sockets → `accept` takes a connection and asks [`peer`] once whose it is
//! → `connection` drives HTTP/1.1 on it and bounds every wait → `service` gives each request its id, finds its line in
//! `routing` and asks `access` (host, origin, who it is) → a [`RequestService`] or the [`NodeService`], or a refusal as JSON.
//!
//! It must never know providers, models or their keys, look into a request's body, or log a header, a query or a body.

mod accept;
mod access;
pub mod bind;
mod connection;
mod cors;
mod options;
mod own_pages;
pub mod peer;
mod port_owner;
mod refusal;
mod request_id;
mod routing;
mod seen_ids;
mod server;
mod settings;
mod shared;

#[cfg(test)]
mod tests;

pub use access::{
    Authentication, Authenticator, CallerEvidence, PendingCaller, PresentedKey, ProvenPeer, not_served,
    not_the_operators, two_keys,
};
pub use bind::{BindError, adopt, bind, reached_at};
pub use options::{Audience, Limits, MetricsBody, NodeFuture, NodeService, RefusalSink, RequestService, ServerOptions};
pub(crate) use peer::who_listens;
pub use peer::{Peer, PeerIdentity, PeerLookup, PortUid, who_takes};
pub(crate) use port_owner::{find_port_owner, in_the_way};
pub use routing::Access;
pub use server::HttpServer;
pub use settings::{Keyless, ListenerSettings};
