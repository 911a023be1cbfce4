//! The edge where an error of ours becomes a response in the caller's dialect. (What wraps a provider's error that is no
//! JSON is made in `relay_error`, because its status and headers are the provider's.)

use http::{HeaderValue, Response, StatusCode, header};

use super::{own_response::json_response, response_body::ResponseBody};
use crate::{error::InferenceError, protocol::Dialect};

/// `error` as a response.
pub fn render_error(error: &InferenceError, dialect: Dialect) -> Response<ResponseBody> {
    let mut response = json_response(dialect.error_document(error));
    *response.status_mut() = error.status();
    let headers = response.headers_mut();
    if error.status() == StatusCode::UNAUTHORIZED {
        // The challenge that every 401 carries (RFC 9110 §11.6.1).
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"bitrouter\""));
    }
    headers.extend(error.headers().iter().cloned());
    response
}
