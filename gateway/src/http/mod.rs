//! The inference endpoint over HTTP. It binds nothing, and decides nothing about who may call: the listener has done both.
//!
//! The journey: [`context`] is what the listener says of a request → `routes` finds what answers it, `surface` what of that
//! reaches a model → `proxy` goes through `prepare` or `stored` (where rules bind the caller: `policies`, then `admission`; `request_media`, `request_body`, name, route, key,
//! `request_headers`, `query`), `attempt` (the call,
//! within `deadline`) and [`response_body`] (the reply, after `response_headers`). A provider's error goes through
//! `relay_error`; one of ours stays facts until [`render_error()`] makes a response of it. `explain` says what would become of a
//! call, by the same functions.

mod account;
mod admission;
mod attempt;
mod build_call;
mod caller_body;
mod content_coding;
mod context;
mod cost_bound;
mod deadline;
mod explain;
mod hop_by_hop;
mod model_errors;
mod model_in_path;
mod models;
mod objects;
mod own_response;
mod payer;
mod policies;
mod prepare;
mod proxy;
mod query;
mod quoted_key;
mod relay_error;
mod render_error;
mod request_body;
mod request_headers;
mod request_media;
mod response_body;
mod response_headers;
mod routes;
mod run;
mod stored;
mod surface;

#[cfg(test)]
pub(crate) use self::surface::SURFACE;
pub use self::{
    caller_body::CallerBody,
    context::{Caller, CallerConnection, Principal, RequestContext, RequestId},
    explain::{Candidate, Explanation, Question},
    own_response::{guard_own_response, set_own_response},
    render_error::render_error,
    response_body::{ResponseBody, ResponseBodyError, UpstreamResponseBody},
    routes::{ResponseFuture, missing_scope},
    surface::dialect_of,
};
pub(crate) use self::{
    own_response::json_response, payer::opened as opened_key, response_body::blocked, routes::handle,
};
pub use crate::percent::percent_decoded;
