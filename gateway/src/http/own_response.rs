//! What every reply of our own carries.

use http::{HeaderMap, HeaderValue, Response, header};

use super::response_body::ResponseBody;

/// Marks a reply as our own: its type, not to be guessed at, not to be kept.
pub fn set_own_response(headers: &mut HeaderMap, media_type: &'static str) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    guard_own_response(headers);
}

/// What keeps a browser from making anything else of a reply of ours.
pub fn guard_own_response(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
}

/// A JSON document as a response; it ends with a newline, so that a shell's prompt does not follow on its line.
pub(crate) fn json_response(mut document: Vec<u8>) -> Response<ResponseBody> {
    document.push(b'\n');
    let mut response = Response::new(ResponseBody::from(document));
    set_own_response(response.headers_mut(), "application/json");
    response
}
