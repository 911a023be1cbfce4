//! The query of a caller on its way to a provider.

use http::Uri;

use crate::percent::percent_decoded;

/// Names under which services take a credential in a query, folded: without case, `-` and `_`.
const CREDENTIALS: [&[u8]; 8] =
    [b"key", b"apikey", b"accesstoken", b"authtoken", b"token", b"xapikey", b"xgoogapikey", b"subscriptionkey"];

/// The provider's path with the caller's query, but for credentials in it.
pub(super) fn upstream_uri(uri: Uri, query: &str) -> Uri {
    if query.is_empty() {
        return uri;
    }
    // However the name is spelt: a provider would decode it, and read the caller's key.
    let is_key = |pair: &&str| {
        let name = percent_decoded(pair.split('=').next().unwrap_or_default());
        let folded = name.iter().filter(|byte| !matches!(byte, b'-' | b'_')).map(u8::to_ascii_lowercase);
        CREDENTIALS.iter().any(|credential| folded.clone().eq(credential.iter().copied()))
    };
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !is_key(pair)).collect();
    if kept.is_empty() {
        return uri;
    }
    format!("{}?{}", uri.path(), kept.join("&")).parse().unwrap_or(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_goes_along_without_credentials() {
        let uri: Uri = "/v1/chat/completions".parse().unwrap();
        for (query, expected) in [
            ("", "/v1/chat/completions"),
            ("key=secret", "/v1/chat/completions"),
            ("a=1&KEY=x&&b", "/v1/chat/completions?a=1&b"),
            ("k%65y=x&%4B%65%79=y&a%20=1&keys=2&%6b", "/v1/chat/completions?a%20=1&keys=2&%6b"),
            ("%6bey", "/v1/chat/completions"),
            ("api_key=x&Api-Key=y&api%5fkey=z&access_token=t&tokens=5", "/v1/chat/completions?tokens=5"),
            ("", "/v1/chat/completions"),
        ] {
            assert_eq!(upstream_uri(uri.clone(), query), expected);
        }
    }
}
