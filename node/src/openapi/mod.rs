//! `GET /openapi.json`: the REST interface as OpenAPI 3.1 (<https://spec.openapis.org/oas/v3.1.1>), made of the table of endpoints
//! and of the types that its handlers read and write.
//!
//! * [`operations`]: what stands behind each endpoint. [`bodies`]: what is sent. [`replies`]: what is answered where no type of the account says so. [`parameters`]: what stands in paths and queries.
//!   [`document`]: all of it together.

mod bodies;
mod document;
mod operations;
mod parameters;
mod replies;

use std::sync::LazyLock;

use bitrouter_gateway::http::{ResponseBody, ResponseFuture, set_own_response};
use bytes::Bytes;
use http::{Method, Response};

use crate::{
    api::rest,
    http::{Access, Call, Endpoint},
};

/// The endpoint.
pub(crate) const ENDPOINTS: &[Endpoint] = &[rest(Method::GET, "/openapi.json", Access::Open, get)];

/// The document as it is sent: it is the same for everybody, for as long as the process lives.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(format!("{}\n", document::document())));

fn get(_: Call) -> ResponseFuture {
    Box::pin(async {
        let mut response = Response::new(ResponseBody::from(DOCUMENT.clone()));
        set_own_response(response.headers_mut(), "application/json");
        response
    })
}
