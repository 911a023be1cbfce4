//! The HTTP surface: paths, journeys of requests, errors. It binds nothing and knows nothing of who is calling; the
//! listener has decided that before.

mod body;
mod drain;
pub mod error;
mod failure;
pub(crate) mod headers;
mod inference;
mod models;
mod percent;
mod refusal;
mod reply;
mod surface;

use std::time::Instant;

use tokio_util::sync::CancellationToken;

pub use self::{error::InferenceError, headers::guard_own_reply, percent::percent_decoded};
pub(crate) use self::{
    inference::Operation,
    surface::{answer, surface},
};

/// The request's id, which the listener puts into the extensions of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

/// When the head of the request arrived; the listener puts it into the extensions of the request.
#[derive(Clone, Copy, Debug)]
pub struct Started(pub Instant);

/// Cancelled by the gateway when the caller's connection must not be used again after this reply (a stream that
/// failed). The listener puts it into the extensions of each request and then ends the connection gracefully.
/// Without it the reply ends cleanly and the connection stays open.
#[derive(Clone, Debug)]
pub struct CloseAfter(pub CancellationToken);
