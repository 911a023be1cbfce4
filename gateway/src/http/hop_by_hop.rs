//! Headers that speak of one connection only, and the removal of those that must not go on (RFC 9110 §7.6.1).

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// True for headers that speak of one connection only (RFC 9110 §7.6.1, and older ones).
pub(super) fn is_hop_by_hop(name: &str) -> bool {
    let bytes = name.as_bytes();
    match bytes.len() {
        2 => bytes == b"te",
        7 => bytes == b"trailer" || bytes == b"upgrade",
        10 => bytes == b"connection" || bytes == b"keep-alive",
        16 => bytes == b"proxy-connection",
        17 => bytes == b"transfer-encoding",
        18 => bytes == b"proxy-authenticate",
        19 => bytes == b"proxy-authorization",
        _ => false,
    }
}

/// Removes what `should_remove` names, and what `Connection` names.
pub(super) fn strip(headers: &mut HeaderMap, should_remove: fn(&str) -> bool) {
    // Few enough in every usual message that no memory is needed for them.
    let mut batch: [Option<HeaderName>; 8] = [const { None }; 8];
    loop {
        let mut found = 0;
        for name in headers.keys().filter(|name| should_remove(name.as_str())).take(batch.len()) {
            batch[found] = Some(name.clone());
            found += 1;
        }
        if found > 0 && batch.iter().flatten().any(|name| *name == header::CONNECTION) {
            strip_named_by_connection(headers);
        }
        for name in batch.iter_mut().filter_map(Option::take) {
            headers.remove(name);
        }
        if found < batch.len() {
            return;
        }
    }
}

fn strip_named_by_connection(headers: &mut HeaderMap) {
    let tokens = |value: &HeaderValue| -> Vec<HeaderName> {
        let usual = |token: &[u8]| token.eq_ignore_ascii_case(b"close") || token.eq_ignore_ascii_case(b"keep-alive");
        let tokens = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        tokens.filter(|token| !usual(token)).filter_map(|token| HeaderName::from_bytes(token).ok()).collect()
    };
    let named: Vec<HeaderName> = headers.get_all(header::CONNECTION).iter().flat_map(tokens).collect();
    for name in named {
        headers.remove(name);
    }
}
