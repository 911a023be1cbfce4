//! Where a browser may be sent back to (RFC 6749 §3.1.2, RFC 9700 §2.1).

use http::Uri;

use super::{ClientError, MOST_URIS};

/// The longest redirect URI, bytes.
const LONGEST: usize = 2_048;
const FIELD: &str = "redirect_uris";

/// The URIs, each once.
///
/// # Errors
/// Where one is none, or they are too many.
pub(super) fn judged(uris: Vec<String>) -> Result<Vec<String>, ClientError> {
    let mut each: Vec<String> = Vec::new();
    for uri in uris {
        if let Some(wrong) = wrong(&uri) {
            let shown: String = uri.chars().take(128).collect();
            return Err(ClientError::wrong(FIELD, format!("the redirect URI `{shown}` {wrong}")));
        }
        if !each.contains(&uri) {
            each.push(uri);
        }
    }
    if each.len() > MOST_URIS {
        return Err(ClientError::wrong(FIELD, format!("a client has at most {MOST_URIS} redirect URIs")));
    }
    Ok(each)
}

/// What is wrong with a redirect URI.
fn wrong(uri: &str) -> Option<&'static str> {
    // What a browser reads otherwise than we do leads elsewhere.
    if uri.len() > LONGEST || !uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&byte)) {
        return Some("is too long, or has characters that no URI has");
    }
    if uri.contains('#') {
        return Some("has a fragment");
    }
    let Ok(parsed) = uri.parse::<Uri>() else { return Some("is no absolute URI") };
    let Some(authority) = parsed.authority() else { return Some("is no absolute URI") };
    if authority.as_str().contains('@') {
        return Some("has a user or a password");
    }
    let has_port = authority.as_str().len() > authority.host().len();
    if authority.host().is_empty() || (has_port && authority.port_u16().is_none()) {
        return Some("has no host, or a port that is none");
    }
    if authority.host().contains('*') {
        return Some("has a `*` in its host: it is compared as it is written");
    }
    match parsed.scheme_str() {
        // As it is written: it is compared as a string, and a browser would send another one.
        Some("https") if uri.starts_with("https://") => None,
        Some("http") if uri.starts_with("http://") && is_loopback(authority.host()) => None,
        _ => Some("must begin with `https://`, or with `http://` and a loopback host"),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// The host that `uri` leads to, with its port.
pub(crate) fn host(uri: &str) -> Option<String> {
    let parsed: Uri = uri.parse().ok()?;
    Some(parsed.authority()?.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_uri_is_https_or_of_this_machine() {
        for good in [
            "https://agent.example/cb",
            "https://agent.example:8443/cb?x=1&y=%20",
            "http://127.0.0.1:7777/cb",
            "http://127.1.2.3/cb",
            "http://localhost/cb",
            "http://[::1]:1/cb",
            "https://agent.example",
        ] {
            assert_eq!(wrong(good), None, "{good}");
        }
        for bad in [
            "",
            "/cb",
            "cb",
            "https:///cb",
            "https://",
            "http://agent.example/cb",
            "http://localhost.example/cb",
            "http://127.0.0.1.example/cb",
            "http://10.0.0.1/cb",
            "HTTPS://agent.example/cb",
            "https://agent.example/cb#x",
            "https://u:p@agent.example/cb",
            "https://u@agent.example/cb",
            "https://agent.example\\@evil.example/cb",
            "https://agent.example/a b",
            "https://agent.example/\u{e9}",
            "https://agent.example:/cb",
            "https://agent.example:99999/cb",
            "https://*.example/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "custom://cb",
            &format!("https://agent.example/{}", "x".repeat(LONGEST)),
        ] {
            assert!(wrong(bad).is_some(), "{bad}");
        }
        let twice = || "https://a.example/".to_owned();
        assert_eq!(judged(vec![twice(), twice()]).unwrap(), [twice()]);
        let many = (0..=MOST_URIS).map(|n| format!("https://a.example/{n}")).collect();
        assert!(judged(many).is_err());
    }

    #[test]
    fn people_see_the_host_and_its_port() {
        assert_eq!(host("https://agent.example:8443/cb?x").as_deref(), Some("agent.example:8443"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_judged_without_a_panic(text in "\\PC{0,60}") {
            let _ = (wrong(&text), host(&text));
        }
    }
}
