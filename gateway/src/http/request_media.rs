//! Which media type a request's body must have: a form post, which any web page can make a browser send, is never one.

use bitrouter_proto::codes::InferenceCode;
use http::{HeaderMap, header};
use http_body::Body;

use super::content_coding::is_identity;
use crate::error::InferenceError;

/// Refuses a body that is not plain `application/json`. A request without a body needs no type.
pub(super) fn check_media(headers: &HeaderMap, body: &impl Body) -> Result<(), InferenceError> {
    let refuse = |message: &str| Err(InferenceError::new(InferenceCode::UnsupportedMediaType, message));
    if !is_identity(headers) {
        return refuse("a compressed request body is not supported; send it without Content-Encoding");
    }
    if body.is_end_stream() || is_json(headers) {
        return Ok(());
    }
    refuse("the request body must be sent with `Content-Type: application/json`")
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http_body_util::{Empty, Full};

    use super::*;

    #[test]
    fn only_plain_json_is_a_body() {
        let body = Full::new(bytes::Bytes::from_static(b"{}"));
        let code = |headers: &[(&'static str, &str)]| {
            let pair = |(name, value): &(&'static str, &str)| {
                (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
            };
            let mut map = HeaderMap::new();
            for (name, value) in headers.iter().map(pair) {
                map.append(name, value);
            }
            check_media(&map, &body).err().map(|error| error.code())
        };
        let refused = Some(InferenceCode::UnsupportedMediaType);
        assert_eq!(code(&[("content-type", "application/json")]), None);
        assert_eq!(code(&[("content-type", "Application/JSON ; charset=utf-8")]), None);
        assert_eq!(code(&[("content-type", "application/json"), ("content-encoding", "identity")]), None);
        assert_eq!(code(&[("content-type", "application/json"), ("content-encoding", "gzip")]), refused);
        for other in
            ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "", "application/json, text/plain"]
        {
            assert_eq!(code(&[("content-type", other)]), refused, "{other}");
        }
        assert_eq!(code(&[]), refused);
        assert_eq!(code(&[("content-type", "application/json"), ("content-type", "application/json")]), refused);
        assert!(check_media(&HeaderMap::new(), &Empty::<bytes::Bytes>::new()).is_ok());
    }
}
