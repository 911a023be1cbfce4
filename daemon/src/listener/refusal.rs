//! Where a refusal becomes a response: in the dialect of the caller, or as the node's endpoints write theirs.

use bitrouter_gateway::{
    InferenceError,
    http::{ResponseBody, render_error, set_own_response},
};
use bitrouter_node::http::{oauth_code, tokenroute_error};
use bitrouter_proto::codes::InferenceCode;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use super::routing::ErrorShape;

/// `error` as a response in `shape`.
pub(super) fn render(error: &InferenceError, shape: ErrorShape) -> Response<ResponseBody> {
    let flat = |code: &str| json!({ "error": code, "error_description": error.message() });
    let document = match shape {
        ErrorShape::Dialect(dialect) => return render_error(error, dialect),
        ErrorShape::Flat => flat(flat_code(error)),
        ErrorShape::OAuth => flat(oauth_code(flat_code(error))),
        ErrorShape::Tokenroute => tokenroute_error(error.status(), error.message()),
    };
    let mut response = Response::new(ResponseBody::from(format!("{document}\n")));
    *response.status_mut() = error.status();
    let headers = response.headers_mut();
    set_own_response(headers, "application/json");
    if error.status() == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"bitrouter\""));
    }
    headers.extend(error.headers().iter().cloned());
    response
}

fn flat_code(error: &InferenceError) -> &'static str {
    match (error.code(), error.status()) {
        (code @ (InferenceCode::HostNotAllowed | InferenceCode::OriginNotAllowed), _) => code.as_str(),
        (_, StatusCode::UNAUTHORIZED) => "unauthorized",
        (_, StatusCode::FORBIDDEN) => "forbidden",
        (_, StatusCode::NOT_FOUND) => "not_found",
        (_, StatusCode::SERVICE_UNAVAILABLE) => "unavailable",
        (_, status) if status.is_client_error() => "bad_request",
        _ => "internal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_comes_in_the_shape_of_its_path() {
        for (code, status, flat, oauth) in [
            (InferenceCode::HostNotAllowed, 403, "host_not_allowed", "host_not_allowed"),
            (InferenceCode::OriginNotAllowed, 403, "origin_not_allowed", "origin_not_allowed"),
            (InferenceCode::InvalidApiKey, 401, "unauthorized", "invalid_client"),
            (InferenceCode::PeerNotAllowed, 403, "forbidden", "invalid_request"),
            (InferenceCode::InvalidRequest, 400, "bad_request", "invalid_request"),
            (InferenceCode::NotFound, 404, "not_found", "invalid_request"),
            (InferenceCode::Unavailable, 503, "unavailable", "temporarily_unavailable"),
            (InferenceCode::Internal, 500, "internal", "server_error"),
        ] {
            let error = InferenceError::new(code, "why");
            let response = render(&error, ErrorShape::Flat);
            assert_eq!(response.status(), status);
            assert_eq!(response.headers().contains_key("www-authenticate"), status == 401, "{code}");
            assert_eq!(response.headers()["content-type"], "application/json");
            assert_eq!((flat_code(&error), oauth_code(flat_code(&error))), (flat, oauth));
            let response = render(&error, ErrorShape::Tokenroute);
            assert_eq!(response.status(), status);
            assert_eq!(response.headers().contains_key("www-authenticate"), status == 401, "{code}");
            let said = tokenroute_error(error.status(), error.message());
            assert_eq!(
                (said["error"]["message"].as_str(), said["error"]["code"].as_u64()),
                (Some("why"), Some(u64::from(status)))
            );
        }
    }
}
