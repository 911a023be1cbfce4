//! Which browser contexts may call. Pure: headers in, verdict out.
//!
//! A web page anywhere can make a browser send requests to us: `Origin` and `Sec-Fetch-Site` betray it.

use http::{HeaderValue, Method};

use super::{
    headers::{AccessHeaders, SingleHeader},
    host::AllowedHost,
};
use crate::config::PublicUrl;

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

/// What a request's `Origin` and `Sec-Fetch-Site` are judged by.
pub(super) struct Door<'a> {
    /// What its `Host` was.
    pub(super) host: AllowedHost,
    pub(super) public: Option<&'a PublicUrl>,
    /// `[server] allow_origins`.
    pub(super) allow: &'a [String],
    pub(super) method: &'a Method,
    /// True for a page to which a link anywhere may lead.
    pub(super) may_be_linked_to: bool,
}

impl Door<'_> {
    /// Judges a request whose `Host` was allowed; the error says what is wrong.
    pub(super) fn check_origin<'a>(&self, headers: &AccessHeaders<'a>) -> Result<RequestOrigin<'a>, &'static str> {
        match headers.origin {
            SingleHeader::Absent => {}
            SingleHeader::Repeated => return Err("the request has more than one Origin header"),
            SingleHeader::Value(value) => {
                // A browser sends `null` for any page without an origin of its own: allowing it would allow them all.
                if value.as_bytes() != b"null" && self.allow.iter().any(|origin| origin.as_bytes() == value.as_bytes())
                {
                    // The user named this page, so it may be another site; what no browser says is refused all the same.
                    return match headers.sec_fetch_site {
                        SingleHeader::Absent => Ok(RequestOrigin::Allowed(value)),
                        SingleHeader::Value(site) if is_site(site) => Ok(RequestOrigin::Allowed(value)),
                        _ => Err(NO_SITE),
                    };
                }
                if !self.is_own(value.as_bytes(), headers.host) {
                    return Err("a web page of another origin may not call this listener");
                }
            }
        }
        match headers.sec_fetch_site {
            SingleHeader::Absent => Ok(RequestOrigin::Own),
            SingleHeader::Value(value) if matches!(value.as_bytes(), b"same-origin" | b"none") => {
                Ok(RequestOrigin::Own)
            }
            SingleHeader::Value(value) if !is_site(value) => Err(NO_SITE),
            SingleHeader::Value(_) if self.is_navigation(headers) => Ok(RequestOrigin::Own),
            _ => Err("a web page of another site may not call this listener"),
        }
    }

    /// True for the origin of a page that came from this very door.
    fn is_own(&self, origin: &[u8], host: SingleHeader<'_>) -> bool {
        match self.public.filter(|_| self.host.is_public) {
            Some(public) => public.to_string().as_bytes() == origin,
            None => is_of_host(origin, host),
        }
    }

    /// True where a link or an address bar shows one of our pages: nothing but its reader sees what comes back.
    fn is_navigation(&self, headers: &AccessHeaders<'_>) -> bool {
        let is = |header, value: &[u8]| matches!(header, SingleHeader::Value(sent) if sent.as_bytes() == value);
        self.may_be_linked_to
            && *self.method == Method::GET
            && is(headers.sec_fetch_mode, b"navigate")
            && is(headers.sec_fetch_dest, b"document")
    }
}

const NO_SITE: &str = "the Sec-Fetch-Site header is none that a browser sends";

fn is_site(value: &HeaderValue) -> bool {
    SITES.contains(&value.as_bytes())
}

/// True for a page of the very host that the request is for, which was allowed.
fn is_of_host(origin: &[u8], host: SingleHeader<'_>) -> bool {
    let SingleHeader::Value(host) = host else { return false };
    origin.strip_prefix(b"http://").is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_bytes()))
}
