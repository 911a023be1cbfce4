//! Replies that are no error.

use bitrouter_gateway::http::{ResponseBody, set_own_response};
use http::Response;
use serde::Serialize;

/// A JSON document; it ends with a newline, so that a shell's prompt does not follow on its line.
pub(crate) fn json(document: &impl Serialize) -> Response<ResponseBody> {
    // What we write are maps with text as keys: there is nothing in them that JSON has not.
    let mut text = serde_json::to_vec(document).unwrap_or_default();
    text.push(b'\n');
    let mut response = Response::new(ResponseBody::from(text));
    set_own_response(response.headers_mut(), "application/json");
    response
}
