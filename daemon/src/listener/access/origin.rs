//! Which browser context may pass. Pure: headers in, verdict out.
//!
//! A page on the internet can make a browser send requests to us: `Origin` and `Sec-Fetch-Site` betray it.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    host::OwnNames,
    once::{Once, once},
};

/// The browser's own statement of where a request comes from.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What browsers state there.
const SITES: [&[u8]; 4] = [b"none", b"same-origin", b"same-site", b"cross-site"];

/// Where an admitted request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestOrigin<'a> {
    /// No web page, or a page of our own.
    Own,
    /// A page that `[server] allow_origins` names: its replies carry its origin.
    Allowed(&'a HeaderValue),
}

/// Judges `Origin` and `Sec-Fetch-Site`; the error says what is wrong.
pub fn origin<'a>(headers: &'a HeaderMap, own: &OwnNames, allow: &[String]) -> Result<RequestOrigin<'a>, &'static str> {
    match once(headers, &header::ORIGIN) {
        Once::Absent => {}
        Once::Repeated => return Err("the request has more than one Origin header"),
        Once::Value(value) => {
            let is = |text: &String| text.as_bytes() == value.as_bytes();
            // A browser sends `null` for any page without an origin of its own: allowing it would allow them all.
            if value.as_bytes() != b"null" && allow.iter().any(is) {
                // The user named this page, so it may be another site; what no browser says is refused all the same.
                return match once(headers, &SEC_FETCH_SITE) {
                    Once::Absent => Ok(RequestOrigin::Allowed(value)),
                    Once::Value(site) if SITES.contains(&site.as_bytes()) => Ok(RequestOrigin::Allowed(value)),
                    _ => Err("the Sec-Fetch-Site header is none that a browser sends"),
                };
            }
            if !own.origins.iter().any(is) {
                return Err("a web page of another origin may not call this listener");
            }
        }
    }
    match once(headers, &SEC_FETCH_SITE) {
        Once::Absent => Ok(RequestOrigin::Own),
        Once::Value(value) if matches!(value.as_bytes(), b"same-origin" | b"none") => Ok(RequestOrigin::Own),
        _ => Err("a web page of another site may not call this listener"),
    }
}
