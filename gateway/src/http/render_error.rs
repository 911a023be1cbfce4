//! The edge where an error becomes a response in the caller's dialect. Nothing renders an error anywhere else.

use http::{Response, StatusCode};

use super::{own_response::set_own_response, response_body::ResponseBody};
use crate::{
    error::{InferenceError, challenge},
    protocol::Dialect,
};

/// `error` as a response.
pub fn render_error(error: &InferenceError, dialect: Dialect) -> Response<ResponseBody> {
    let mut document = dialect.error_document(error);
    document.push(b'\n');
    let mut response = Response::new(ResponseBody::from(document));
    *response.status_mut() = error.status();
    let headers = response.headers_mut();
    set_own_response(headers, "application/json");
    if error.status() == StatusCode::UNAUTHORIZED {
        let (name, value) = challenge();
        headers.insert(name, value);
    }
    headers.extend(error.headers().iter().cloned());
    response
}
