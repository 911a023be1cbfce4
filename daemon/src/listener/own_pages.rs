//! The pages that the listener answers itself.

use bitrouter_gateway::{
    InferenceError,
    http::{ResponseBody, set_own_response},
};
use bitrouter_proto::codes::InferenceCode;
use http::{HeaderValue, Method, Response, header};

use super::options::MetricsBody;

/// The answer to `method` at `/metrics`.
pub(super) fn metrics(method: &Method, text: &MetricsBody) -> Result<Response<ResponseBody>, InferenceError> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(InferenceError::new(InferenceCode::MethodNotAllowed, "this path takes GET, HEAD")
            .with_header(header::ALLOW, HeaderValue::from_static("GET, HEAD")));
    }
    let mut response = Response::new(ResponseBody::from(text()));
    set_own_response(response.headers_mut(), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(response)
}
