//! The loopback HTTP listener: binds, accepts, asks the kernel who is calling, applies the host and browser rules, and
//! hands what may pass to a service.
//!
//! The journey of a request: [`bind`] opens the sockets → `accept` takes a connection and asks [`peer`] once whose it is
//! → `connection` drives HTTP/1.1 on it and bounds every wait → `service` gives each request its id and asks `gate`
//! ([`rules`] for host, origin and media type, [`caller`] for who it is) → the router, or a refusal as JSON.
//!
//! It must never know providers, models or keys, read a request's body, or log a header, a query or a body.

mod accept;
pub mod bind;
pub mod caller;
mod connection;
mod cors;
mod gate;
mod guard;
mod holder;
pub mod peer;
mod refusal;
mod request_id;
pub mod rules;
pub mod serve;
mod service;
mod settings;
mod stream;

#[cfg(test)]
mod tests;

pub use bind::{BindError, adopt, bind};
pub use peer::{Peer, PeerLookup};
pub use serve::{HttpServer, Limits, MetricsBody, RefusalSink, RequestService, ServerOptions, ServiceFuture};
pub use settings::{Keyless, ListenerSettings};
