//! Which addresses of providers are our own: a call that went there would come back, and go there again, without end.
//!
//! Decided by the spelling, without asking a name server. That is enough where we listen: plain http goes only to
//! `localhost` and loopback addresses, and over https nobody reaches our listener but through a proxy, whose loop shows
//! only when a call comes round.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::Uri;

use super::Listen;

impl Listen {
    /// The addresses that are bound for it; none while the port is not known.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let both = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let one = [self.address()];
        let ips = if both.contains(&self.address()) { &both[..] } else { &one[..] };
        ips.iter().filter(|_| self.port() != 0).map(|ip| SocketAddr::new(*ip, self.port())).collect()
    }
}

/// The one of our `own` addresses that `url` leads to.
pub fn own_address(url: &str, own: &[SocketAddr]) -> Option<SocketAddr> {
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority()?;
    let port = authority.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let host =
        authority.host().trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    let is_localhost = host == "localhost" || host.ends_with(".localhost");
    let ip = host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    let leads_to = |own: IpAddr| {
        let own = own.to_canonical();
        is_localhost && own.is_loopback() || ip == Some(own) || own.is_unspecified() && (is_localhost || ip.is_some())
    };
    own.iter().copied().find(|own| own.port() == port && leads_to(own.ip()))
}

/// Why an address of a provider is refused.
pub(crate) fn reason(own: SocketAddr) -> String {
    format!(
        "leads back to bitrouter itself, which listens at {own}: a call would come round again and again; name the \
         provider's own address"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r1_02_every_spelling_of_our_own_address_is_known() {
        let own = "127.0.0.1:4356".parse::<Listen>().unwrap().addresses();
        for (url, is_own) in [
            ("http://127.0.0.1:4356/v1", true),
            ("http://[::1]:4356/v1", true),
            ("http://[0:0:0:0:0:0:0:1]:4356/v1", true),
            ("http://[::ffff:127.0.0.1]:4356/v1", true),
            ("http://localhost:4356/v1", true),
            ("http://LocalHost.:4356/v1", true),
            ("http://box.localhost:4356/v1", true),
            ("https://localhost:4356/v1", true),
            ("http://127.0.0.1:4357/v1", false),
            ("http://127.0.0.2:4356/v1", false),
            ("http://localhost/v1", false),
            ("https://api.openai.com:4356/v1", false),
            ("https://localhost.example.com:4356/v1", false),
            ("", false),
        ] {
            assert_eq!(own_address(url, &own).is_some(), is_own, "{url}");
        }
        let eighty = "127.0.0.1:80".parse::<Listen>().unwrap().addresses();
        assert!(own_address("http://localhost/v1", &eighty).is_some());
        assert!(own_address("http://127.9.9.9:1/v1", &["0.0.0.0:1".parse().unwrap()]).is_some());
        assert!("127.0.0.1:0".parse::<Listen>().unwrap().addresses().is_empty());
        assert_eq!("127.0.0.2:1".parse::<Listen>().unwrap().addresses(), ["127.0.0.2:1".parse().unwrap()]);
    }
}
