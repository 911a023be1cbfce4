//! Which headers of a caller reach the provider.

use http::{HeaderMap, HeaderValue, header};

use super::hop_by_hop::{is_hop_by_hop, strip};
use crate::registry::Target;

/// True for headers of a request that must not reach a provider. `host` and `accept-encoding` are not among them: ours
/// take their place.
fn is_withheld(name: &str) -> bool {
    // By length first, since most names share it with few of these or with none; each of these comparisons is a few
    // instructions then.
    let bytes = name.as_bytes();
    let is_named = match bytes.len() {
        3 => bytes == b"via",
        6 => bytes == b"cookie" || bytes == b"expect" || bytes == b"origin",
        7 => bytes == b"api-key" || bytes == b"referer",
        9 => bytes == b"forwarded" || bytes == b"x-api-key" || bytes == b"x-real-ip",
        11 => bytes == b"x-client-ip",
        12 => bytes == b"x-auth-token",
        13 => bytes == b"authorization",
        14 => bytes == b"content-length" || bytes == b"true-client-ip" || bytes == b"x-goog-api-key",
        15 => bytes == b"x-original-host",
        // With a field mask a reply could leave out what was counted.
        16 => bytes == b"cf-connecting-ip" || bytes == b"content-encoding" || bytes == b"x-goog-fieldmask",
        20 => bytes == b"x-amz-security-token",
        25 => bytes == b"ocp-apim-subscription-key",
        _ => false,
    };
    is_named || bytes.starts_with(b"sec-") || bytes.starts_with(b"x-forwarded-") || is_hop_by_hop(name)
}

/// Makes the headers of the caller's request those of the request to the provider.
pub(super) fn build_upstream_headers(headers: &mut HeaderMap, target: &Target, auth: Option<HeaderValue>) {
    strip(headers, is_withheld);
    headers.insert(header::HOST, target.host.clone());
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for (name, value) in &target.extra_headers {
        headers.entry(name).or_insert_with(|| value.clone());
    }
    // Whatever the caller sent under a name that carries a key at this provider is a credential too.
    for name in &target.key_headers {
        headers.remove(name);
    }
    match auth {
        Some(auth) => drop(headers.insert(target.auth_header.clone(), auth)),
        None => drop(headers.remove(&target.auth_header)),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use super::*;
    use crate::{
        protocol::Dialect,
        registry::{Catalog, shipped},
    };

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (name.parse::<http::HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        };
        let mut headers = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            headers.append(name, value);
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<String> {
        let mut names: Vec<_> = headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        names.sort();
        names
    }

    #[test]
    fn r5_08_nothing_of_the_callers_connection_or_credentials_goes_up() {
        let catalog = Arc::new(Catalog::build(shipped().unwrap(), vec![], BTreeMap::new(), false).unwrap());
        let mut headers = map(&[
            ("host", "127.0.0.1:4356"),
            ("connection", "keep-alive, X-Hop"),
            ("x-hop", "1"),
            ("authorization", "Bearer caller"),
            ("x-api-key", "caller"),
            ("x-goog-api-key", "caller"),
            ("api-key", "caller"),
            ("proxy-authorization", "caller"),
            ("cookie", "a=b"),
            ("origin", "http://localhost"),
            ("referer", "http://localhost"),
            ("sec-fetch-mode", "cors"),
            ("x-forwarded-for", "1.2.3.4"),
            ("forwarded", "for=1.2.3.4"),
            ("via", "1.1 tunnel"),
            ("x-real-ip", "1.2.3.4"),
            ("x-client-ip", "1.2.3.4"),
            ("true-client-ip", "1.2.3.4"),
            ("cf-connecting-ip", "1.2.3.4"),
            ("x-original-host", "tunnel.example"),
            ("x-auth-token", "caller"),
            ("ocp-apim-subscription-key", "caller"),
            ("x-amz-security-token", "caller"),
            ("x-goog-fieldmask", "candidates"),
            ("accept-encoding", "gzip"),
            ("expect", "100-continue"),
            ("content-length", "3"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("content-type", "application/json"),
            ("user-agent", "sdk"),
            ("x-stainless-lang", "python"),
            ("x-stainless-lang", "twice"),
        ]);
        let target = catalog.find("openai").unwrap().target(Dialect::ChatCompletions).unwrap();
        build_upstream_headers(&mut headers, target, Some(HeaderValue::from_static("Bearer ours")));
        assert_eq!(
            names(&headers),
            [
                "accept-encoding: identity",
                "authorization: Bearer ours",
                "content-type: application/json",
                "host: api.openai.com",
                "user-agent: sdk",
                "x-stainless-lang: python",
                "x-stainless-lang: twice",
            ]
        );
    }

    #[test]
    fn the_header_that_carries_a_key_is_never_the_callers() {
        let text = "id = \"x\"\nkind = \"local\"\nendpoint = \"http://localhost:1/v1\"\nprotocol = \"chat_completions\"\n[auth]\nheader = \"X-Token\"\nextra_headers = { x-version = \"1\" }";
        let manifest = crate::registry::Manifest::parse(text, std::path::Path::new("x")).unwrap();
        let catalog = Catalog::build(vec![manifest], vec![], BTreeMap::new(), false).unwrap();
        let mut headers = map(&[("x-token", "caller"), ("x-version", "2")]);
        build_upstream_headers(
            &mut headers,
            catalog.find("x").unwrap().target(Dialect::ChatCompletions).unwrap(),
            None,
        );
        assert_eq!(names(&headers), ["accept-encoding: identity", "host: localhost:1", "x-version: 2"]);
    }

    #[test]
    fn p03_a_header_that_carries_a_key_at_another_endpoint_stays_here() {
        let text = "id = \"x\"\nkind = \"local\"\nendpoint = \"http://localhost:1/v1\"\nprotocol = \"messages\"\n[auth]\nheader = \"X-My-Key\"\n[endpoints.chat_completions]\nurl = \"http://localhost:1/v1\"\nheader = \"X-Chat-Key\"\n[endpoints.responses]\nurl = \"http://localhost:1/v1\"\nheader = \"X-Other-Key\"";
        let manifest = crate::registry::Manifest::parse(text, std::path::Path::new("x")).unwrap();
        let catalog = Catalog::build(vec![manifest], vec![], BTreeMap::new(), false).unwrap();
        let target = catalog.find("x").unwrap().target(Dialect::ChatCompletions).unwrap();
        for auth in [None, Some(HeaderValue::from_static("ours"))] {
            let mut headers = map(&[("x-my-key", "caller"), ("x-chat-key", "caller"), ("x-other-key", "caller")]);
            build_upstream_headers(&mut headers, target, auth.clone());
            assert!(!names(&headers).iter().any(|header| header.contains("caller")), "{headers:?}");
            assert_eq!(headers.get("x-chat-key"), auth.as_ref());
        }
    }
}
