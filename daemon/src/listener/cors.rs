//! What a web page needs that `[server] allow_origins` names: the answer to its preflight and the header on its replies.
//!
//! Exactly the page's own origin is echoed, never a wildcard, and never `Access-Control-Allow-Credentials`.

use bitrouter_gateway::http::{ResponseBody, guard_own_response};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

/// Longest list of requested header names that is echoed.
const ECHOED: usize = 1024;

/// True for the question a browser asks before a cross-origin request.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight of an allowed origin; [`mark`] adds the origin itself.
pub(super) fn preflight(request: &HeaderMap) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    guard_own_response(headers);
    headers
        .insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    headers.append(
        header::VARY,
        HeaderValue::from_static("Access-Control-Request-Method, Access-Control-Request-Headers"),
    );
    if let Some(names) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS).filter(|names| is_name_list(names)) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    response
}

/// Lets the page of `origin` read this reply.
pub(super) fn mark(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers
        .insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("x-bitrouter-request-id, retry-after"));
    // An upstream's permission to send cookies must not be combined with our origin.
    headers.remove(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

fn is_name_list(value: &HeaderValue) -> bool {
    value.len() <= ECHOED
        && value.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b',' | b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_list_of_names_is_echoed() {
        let mut request = HeaderMap::new();
        let answered = |request: &HeaderMap| {
            preflight(request).headers().get("access-control-allow-headers").map(|v| v.as_bytes().to_vec())
        };
        assert_eq!(answered(&request), None);
        request.insert("access-control-request-headers", HeaderValue::from_static("content-type, x-api-key"));
        assert_eq!(answered(&request).as_deref(), Some(&b"content-type, x-api-key"[..]));
        for bad in ["x\"y", "a;b", &"a".repeat(1025)] {
            request.insert("access-control-request-headers", HeaderValue::from_str(bad).unwrap());
            assert_eq!(answered(&request), None, "{bad}");
        }
    }

    #[test]
    fn replies_carry_one_origin_and_no_credentials() {
        let mut headers = HeaderMap::new();
        headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
        headers.insert("access-control-allow-credentials", HeaderValue::from_static("true"));
        headers.insert("vary", HeaderValue::from_static("accept"));
        mark(&mut headers, HeaderValue::from_static("https://app.example"));
        let origins: Vec<_> = headers.get_all("access-control-allow-origin").iter().collect();
        assert_eq!(origins, ["https://app.example"]);
        assert!(!headers.contains_key("access-control-allow-credentials"));
        assert_eq!(headers.get_all("vary").iter().count(), 2);
    }
}
