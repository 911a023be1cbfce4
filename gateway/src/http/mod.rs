//! The inference endpoint over HTTP. It binds nothing, and decides nothing about who may call: the listener has done both.
//!
//! The journey: [`context`] is what the listener says of a request → `routes` finds what answers it → `proxy` goes
//! through `prepare` (`request_media`, `request_body`, name, route, key, `request_headers`, `query`), `attempt` (the call,
//! within `deadline`) and [`response_body`] (the reply, after `response_headers`). A provider's error goes through
//! `relay_error`; one of ours stays facts until [`render_error()`] makes a response of it.

mod attempt;
mod caller_body;
mod content_coding;
mod context;
mod deadline;
mod hop_by_hop;
mod model_errors;
mod models;
mod own_response;
mod percent;
mod prepare;
mod proxy;
mod query;
mod relay_error;
mod render_error;
mod request_body;
mod request_headers;
mod request_media;
mod response_body;
mod response_headers;
mod routes;

pub use self::{
    caller_body::CallerBody,
    context::{Caller, CallerConnection, RequestContext, RequestId},
    own_response::{guard_own_response, set_own_response},
    percent::percent_decoded,
    render_error::render_error,
    response_body::{ResponseBody, ResponseBodyError, UpstreamResponseBody},
    routes::ResponseFuture,
};
pub(crate) use self::{own_response::json_response, prepare::Operation, routes::handle};
