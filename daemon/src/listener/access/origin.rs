//! Which browser context may pass. Pure: headers in, verdict out.
//!
//! A page on the internet can make a browser send requests to us: `Origin` and `Sec-Fetch-Site` betray it.

use http::HeaderValue;

use super::{
    headers::{AccessHeaders, SingleHeader},
    host::ListenerAuthorities,
};

/// What browsers state in `Sec-Fetch-Site`.
const SITES: [&[u8]; 4] = [b"none", b"same-origin", b"same-site", b"cross-site"];

/// Where an admitted request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestOrigin<'a> {
    /// No web page, or a page of our own.
    Own,
    /// A page that `[server] allow_origins` names: its replies carry its origin.
    Allowed(&'a HeaderValue),
}

/// Judges `Origin` and `Sec-Fetch-Site` of a request whose `Host` was allowed; the error says what is wrong.
pub(super) fn check_origin<'a>(
    headers: &AccessHeaders<'a>,
    own: &ListenerAuthorities,
    allow: &[String],
) -> Result<RequestOrigin<'a>, &'static str> {
    match headers.origin {
        SingleHeader::Absent => {}
        SingleHeader::Repeated => return Err("the request has more than one Origin header"),
        SingleHeader::Value(value) => {
            // A browser sends `null` for any page without an origin of its own: allowing it would allow them all.
            if value.as_bytes() != b"null" && allow.iter().any(|origin| origin.as_bytes() == value.as_bytes()) {
                // The user named this page, so it may be another site; what no browser says is refused all the same.
                return match headers.sec_fetch_site {
                    SingleHeader::Absent => Ok(RequestOrigin::Allowed(value)),
                    SingleHeader::Value(site) if SITES.contains(&site.as_bytes()) => Ok(RequestOrigin::Allowed(value)),
                    _ => Err("the Sec-Fetch-Site header is none that a browser sends"),
                };
            }
            if !own.is_own_origin(value.as_bytes()) && !is_of_host(value.as_bytes(), headers.host) {
                return Err("a web page of another origin may not call this listener");
            }
        }
    }
    match headers.sec_fetch_site {
        SingleHeader::Absent => Ok(RequestOrigin::Own),
        SingleHeader::Value(value) if matches!(value.as_bytes(), b"same-origin" | b"none") => Ok(RequestOrigin::Own),
        _ => Err("a web page of another site may not call this listener"),
    }
}

/// True for a page of the very host that the request is for, which was allowed.
fn is_of_host(origin: &[u8], host: SingleHeader<'_>) -> bool {
    let SingleHeader::Value(host) = host else { return false };
    origin.strip_prefix(b"http://").is_some_and(|authority| authority == host.as_bytes())
}
