//! The query of a caller on its way to a provider.

use http::Uri;

use super::percent::percent_decoded;

/// The provider's path with the caller's query, but for a key in it.
pub(super) fn with_query(uri: &Uri, query: Option<&str>) -> Uri {
    let Some(query) = query else { return uri.clone() };
    // However the name is spelt: a provider would decode it, and read the caller's key.
    let is_key = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        percent_decoded(name).eq_ignore_ascii_case(b"key")
    };
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !is_key(pair)).collect();
    if kept.is_empty() {
        return uri.clone();
    }
    format!("{}?{}", uri.path(), kept.join("&")).parse().unwrap_or_else(|_| uri.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_goes_along_without_a_key() {
        let uri: Uri = "/v1/chat/completions".parse().unwrap();
        for (query, expected) in [
            (None, "/v1/chat/completions"),
            (Some("key=secret"), "/v1/chat/completions"),
            (Some("a=1&KEY=x&&b"), "/v1/chat/completions?a=1&b"),
            (Some("k%65y=x&%4B%65%79=y&a%20=1&keys=2&%6b"), "/v1/chat/completions?a%20=1&keys=2&%6b"),
            (Some("%6bey"), "/v1/chat/completions"),
            (Some(""), "/v1/chat/completions"),
        ] {
            assert_eq!(with_query(&uri, query), expected);
        }
    }
}
