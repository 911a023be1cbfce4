//! One-time links that sign the node's owner in: in memory, for a minute, for the user who asked.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, Method};
use secrecy::SecretString;

use crate::{
    Node,
    http::{Entrance, Visitor},
    secret::{TokenHash, random_bytes},
};

const LIFETIME: Duration = Duration::from_mins(1);
/// The most that are open at once; the oldest gives way.
const MOST: usize = 64;

/// A link that signs the node's owner in, once.
#[derive(Debug)]
pub struct ConsoleLink {
    /// Path and query, to be put behind `http://127.0.0.1:<port>`.
    pub path: SecretString,
    /// How long it is good.
    pub expires_in: Duration,
}

/// The links that are open.
#[derive(Debug, Default)]
pub(crate) struct ConsoleLinks(Mutex<VecDeque<Link>>);

#[derive(Debug)]
struct Link {
    hash: TokenHash,
    uid: Option<u32>,
    until: Instant,
}

impl Node {
    /// A link that signs the node's owner in: good once, for a minute, in a browser of the user `uid` alone. Where the
    /// kernel does not name the peers of connections, `uid` is none, and whoever has the link can use it.
    pub fn console_link(&self, uid: Option<u32>) -> ConsoleLink {
        let token = URL_SAFE_NO_PAD.encode(random_bytes::<32>());
        self.web.links.add(&token, uid, self.clock.monotonic());
        ConsoleLink { path: format!("/console?link={token}").into(), expires_in: LIFETIME }
    }
}

impl ConsoleLinks {
    fn add(&self, token: &str, uid: Option<u32>, now: Instant) {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|link| link.until > now);
        if links.len() >= MOST {
            links.pop_front();
        }
        links.push_back(Link { hash: TokenHash::of(token.as_bytes()), uid, until: now + LIFETIME });
    }

    /// Spends a link: true the first time, in time, for the user who asked.
    pub(super) fn spend(&self, token: &str, visitor: &Visitor, now: Instant) -> bool {
        if visitor.entrance == Entrance::Public {
            return false;
        }
        let hash = TokenHash::of(token.as_bytes());
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|link| link.until > now);
        let theirs = |link: &Link| link.hash == hash && (link.uid.is_none() || link.uid == visitor.uid);
        let found = links.iter().position(theirs);
        found.and_then(|at| links.remove(at)).is_some()
    }
}

/// True where a person follows the link: neither a scanner that asks for the head, nor a browser that loads ahead, nor a
/// frame or a script in a page.
pub(super) fn is_followed(method: &Method, headers: &HeaderMap) -> bool {
    let value = |name: &str| headers.get(name).map(http::HeaderValue::as_bytes);
    let navigates = match value("sec-fetch-mode") {
        Some(mode) => mode == b"navigate" && value("sec-fetch-dest").is_none_or(|dest| dest == b"document"),
        None => !headers.keys().any(|name| name.as_str().starts_with("sec-fetch-")),
    };
    *method == Method::GET && navigates && !headers.contains_key("sec-purpose")
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use bitrouter_proto::clock::monotonic_now;

    use super::*;

    fn visitor(uid: Option<u32>) -> Visitor {
        let entrance = Entrance::Loopback { authority: "127.0.0.1:1".to_owned() };
        Visitor { uid, is_own_user: true, address: IpAddr::V4(Ipv4Addr::LOCALHOST), entrance }
    }

    #[test]
    fn a_link_is_good_once_for_a_minute_for_whoever_asked() {
        let (links, now) = (ConsoleLinks::default(), monotonic_now());
        links.add("a", Some(7), now);
        for stranger in [visitor(Some(8)), visitor(None), Visitor { entrance: Entrance::Public, ..visitor(Some(7)) }] {
            assert!(!links.spend("a", &stranger, now));
        }
        assert!(!links.spend("b", &visitor(Some(7)), now));
        assert!(links.spend("a", &visitor(Some(7)), now));
        assert!(!links.spend("a", &visitor(Some(7)), now), "spent");
        links.add("c", Some(7), now);
        assert!(!links.spend("c", &visitor(Some(7)), now + LIFETIME), "a minute is over");
        links.add("d", None, now);
        assert!(links.spend("d", &visitor(None), now), "where the kernel cannot be asked");
    }

    #[test]
    fn links_are_bounded() {
        let (links, now) = (ConsoleLinks::default(), monotonic_now());
        for at in 0..=MOST {
            links.add(&at.to_string(), Some(7), now);
        }
        assert!(!links.spend("0", &visitor(Some(7)), now) && links.spend("1", &visitor(Some(7)), now));
    }

    #[test]
    fn n16_nobody_but_a_person_spends_a_link() {
        let followed = |method: Method, headers: &[(&'static str, &'static str)]| {
            let map = headers
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)));
            is_followed(&method, &map.collect())
        };
        let navigation = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        assert!(followed(Method::GET, &[]) && followed(Method::GET, &navigation));
        assert!(!followed(Method::HEAD, &[]) && !followed(Method::HEAD, &navigation));
        for refused in [
            &[("sec-fetch-mode", "navigate"), ("sec-purpose", "prefetch")][..],
            &[("sec-purpose", "prefetch;prerender")],
            &[("sec-fetch-mode", "no-cors")],
            &[("sec-fetch-mode", "cors")],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
        ] {
            assert!(!followed(Method::GET, refused), "{refused:?}");
        }
    }
}
