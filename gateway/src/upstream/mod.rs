//! Connections to providers: HTTP/1.1 over TCP or TLS, pooled, with every wait bounded by its caller.
//!
//! A connection is driven by whoever uses it, never by a task of its own: dropping a request or a reply drops the
//! connection with it, reading stops when the caller stops reading, and nothing has to be woken up in between.
//! This module knows origins and bytes; it never knows providers, models or dialects.

mod connect;
mod dns;
mod error;
pub(crate) mod hop;
mod http1_connection;
mod no_proxy;
mod origin;
mod own_connections;
mod pool;
mod proxy;
mod public_address;
mod stream;
mod tls;

pub(crate) use self::{
    connect::Connector,
    error::{Side, UpstreamError},
    http1_connection::{RequestBody, UpstreamBody},
    origin::UpstreamOrigin,
    pool::Pool,
    proxy::Proxy,
    public_address::is_public,
};
pub use self::{
    own_connections::OwnConnections,
    proxy::{ProxyRules, ProxySettings, ThroughProxy},
    tls::{trusted_tls, untrusting_tls},
};
