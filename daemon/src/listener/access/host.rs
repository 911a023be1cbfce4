//! Which `Host` may pass. Pure: headers in, verdict out.
//!
//! A page on the internet can make a browser send requests to us under a name that was rebound to a loopback address:
//! `Host` still says that name. What is allowed is also the door by which a request came in: a loopback name, the node's
//! public one, or another that the settings list.

use std::net::{IpAddr, SocketAddr};

use http::{Uri, uri::Scheme};

use super::headers::SingleHeader;
use crate::config::PublicUrl;

/// The port that a `Host` without one means.
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// The names of this machine that only programs on it can mean.
const LOOPBACK_NAMES: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// What a listener may be called: made once from the address it is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::listener) struct ListenerAuthorities {
    port: u16,
    base_url: String,
    hosts: Vec<String>,
}

impl ListenerAuthorities {
    /// The names of a listener at `local`: the loopback names with its port, and the address itself where it is a loopback one.
    /// By what others call a listener on a network, only the settings can tell.
    pub(in crate::listener) fn new(local: SocketAddr) -> Self {
        let port = local.port();
        let mut names: Vec<String> = LOOPBACK_NAMES.map(str::to_owned).into();
        let own = match local.ip().to_canonical() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let is_loopback = local.ip().to_canonical().is_loopback();
        let base_url = format!("http://{}:{port}", if is_loopback { own.as_str() } else { LOOPBACK_NAMES[0] });
        if is_loopback && !names.contains(&own) {
            names.push(own);
        }
        let mut hosts: Vec<String> = names.iter().map(|name| format!("{name}:{port}")).collect();
        if port == HTTP_PORT {
            hosts.extend(names);
        }
        Self { port, base_url, hosts }
    }

    /// The URL that a refused caller should use.
    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// True for a host as nearly every client spells it.
    fn is_exactly(&self, host: &[u8]) -> bool {
        self.hosts.iter().any(|own| own.as_bytes() == host)
    }

    fn host_is_own(&self, host: &str) -> bool {
        self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
    }
}

/// Why a `Host` was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostRefused {
    /// None was sent.
    Missing,
    /// More than one was sent.
    Duplicate,
    /// It is not a host with an optional port.
    Malformed,
    /// The request line names another authority.
    Mismatch,
    /// It is a name that is not ours.
    Foreign,
}

impl HostRefused {
    /// The refusal in words.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Missing => "the request has no Host header",
            Self::Duplicate => "the request has more than one Host header",
            Self::Malformed => "the Host header is not a host with an optional port",
            Self::Mismatch => "the request line and the Host header name different hosts",
            Self::Foreign => "the Host header does not name this listener",
        }
    }
}

/// What an allowed `Host` is; neither of both where `[server] allow_hosts` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AllowedHost {
    /// A loopback name, with any port that is allowed.
    pub(super) is_loopback: bool,
    /// The authority of `[node] public_url`.
    pub(super) is_public: bool,
}

impl AllowedHost {
    /// One of our own addresses.
    pub(super) const OWN: Self = Self { is_loopback: true, is_public: false };
}

/// Judges `Host`, and the authority of an absolute request line.
pub(super) fn check_host(
    uri: &Uri,
    host: SingleHeader<'_>,
    own: &ListenerAuthorities,
    allow: &[String],
    public: Option<&PublicUrl>,
) -> Result<AllowedHost, HostRefused> {
    let host = match host {
        SingleHeader::Absent => return Err(HostRefused::Missing),
        SingleHeader::Repeated => return Err(HostRefused::Duplicate),
        SingleHeader::Value(value) if uri.authority().is_none() && own.is_exactly(value.as_bytes()) => {
            return Ok(AllowedHost::OWN);
        }
        SingleHeader::Value(value) => value.to_str().map_err(|_| HostRefused::Malformed)?,
    };
    if let Some(authority) = uri.authority() {
        let plain = uri.scheme().is_none_or(|scheme| *scheme == Scheme::HTTP);
        if !plain || !authority.as_str().eq_ignore_ascii_case(host) {
            return Err(HostRefused::Mismatch);
        }
    }
    if own.host_is_own(host) {
        return Ok(AllowedHost::OWN);
    }
    let (name, port) = split_host(host).ok_or(HostRefused::Malformed)?;
    let allowed = allow.iter().any(|entry| match split_host(entry) {
        Some((wanted, Some(wanted_port))) => {
            wanted.eq_ignore_ascii_case(name) && port.unwrap_or(HTTP_PORT) == wanted_port
        }
        Some((wanted, None)) => wanted.eq_ignore_ascii_case(name) && port.is_none_or(|port| port == own.port),
        None => false,
    });
    let is_loopback = LOOPBACK_NAMES.iter().any(|own| own.eq_ignore_ascii_case(name));
    let is_public = public.is_some_and(|public| is_authority_of(public, name, port));
    if allowed || is_public { Ok(AllowedHost { is_loopback, is_public }) } else { Err(HostRefused::Foreign) }
}

/// True where `name` and `port` are the authority of `public`; the port of its scheme may be left out.
fn is_authority_of(public: &PublicUrl, name: &str, port: Option<u16>) -> bool {
    let usual = if public.is_https() { HTTPS_PORT } else { HTTP_PORT };
    split_host(public.authority()).is_some_and(|(wanted, wanted_port)| {
        wanted.eq_ignore_ascii_case(name) && wanted_port.unwrap_or(usual) == port.unwrap_or(usual)
    })
}

/// A host and its port; `None` for anything that is not exactly that (user info, a trailing dot, an empty port, a list).
fn split_host(text: &str) -> Option<(&str, Option<u16>)> {
    let (name, port) = if text.starts_with('[') {
        let end = text.find(']')? + 1;
        let (name, rest) = text.split_at(end);
        name[1..end - 1].parse::<std::net::Ipv6Addr>().ok()?;
        (name, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
    } else {
        match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        }
    };
    let name_ok = name.starts_with('[')
        || (!name.is_empty()
            && !name.ends_with('.')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')));
    let port = match port {
        None => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0') => {
            Some(digits.parse().ok()?)
        }
        Some(_) => return None,
    };
    name_ok.then_some((name, port))
}
