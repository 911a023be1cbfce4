//! Whether a body is what it seems, or compressed (RFC 9110 §8.4).

use http::{HeaderMap, header};

/// True where the body is not compressed.
pub(super) fn is_identity(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().all(|value| {
        let value = value.as_bytes().trim_ascii();
        value.is_empty() || value.eq_ignore_ascii_case(b"identity")
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_identity_is_none() {
        let plain = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, HeaderValue::from_str(value).unwrap());
            }
            is_identity(&headers)
        };
        for none in [&[][..], &["identity"], &["Identity "], &[""], &["identity", "identity"]] {
            assert!(plain(none), "{none:?}");
        }
        for some in [&["gzip"][..], &["gzip, identity"], &["identity", "gzip"]] {
            assert!(!plain(some), "{some:?}");
        }
    }
}
