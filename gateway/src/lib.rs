//! The inference path: names, providers, upstream connections, errors in the caller's dialect.
//!
//! * [`registry`] says which providers exist; [`route`] finds the one that a model name means (pure).
//! * [`protocol`] reads what routing needs of a request and watches replies go by (pure, bytes in, bytes out).
//! * `upstream` holds connections to providers; `demo` is a provider inside the process.
//! * [`http`] is the surface: paths, headers, time limits, errors. [`meter`] reckons what it costs, and records it once.
//! * `shown_name` keeps credentials out of what is shown and kept of names.
//! * `reach` asks providers whether they answer, for whoever looks for what is wrong.
//! * `stored_responses` remembers which provider holds which response.
//! * [`account`] says whether the account's credential is good for calls; `account_models` asks its server for its models.
//! * [`ports`] is what this crate asks of the world; [`snapshot`] is what one request is served with.
//!
//! * [`error`](InferenceError) is what went wrong, as facts.
//!
//! The journey of a call: the listener has decided that the caller may speak, and says so in a [`http::RequestContext`] →
//! `http::routes` finds the path → `http::prepare` takes the body whole, [`protocol::routing_fields`] finds the model's
//! name, [`route`] the provider; the name is spliced, the key put in → `http::attempt` has `upstream` send it and waits for
//! the first body byte → `http::response_body` passes the bytes on as they arrive, and ends a stream that breaks with an
//! event that says so.
//!
//! Absent on purpose: accounts, files, listening sockets, retries after a byte was sent, and any parse of a whole
//! request or reply. This crate must never learn where a key comes from or who the caller is.

pub mod account;
mod account_models;
pub mod content_rules;
mod credential;
mod demo;
mod error;
mod gateway;
pub mod host;
pub mod http;
mod interrupt;
mod live_models;
pub mod meter;
mod percent;
pub mod ports;
pub mod protocol;
mod reach;
pub mod registry;
pub mod route;
mod shown_name;
pub mod snapshot;
mod stored_responses;
mod upstream;

pub use self::{
    account_models::AccountModels,
    error::InferenceError,
    gateway::{Gateway, GatewayOptions},
    live_models::OwnModels,
    reach::Reached,
    snapshot::{Limits, Snapshot},
    upstream::{OwnConnections, ProxyRules, ProxySettings, ThroughProxy, trusted_tls, untrusting_tls},
};
