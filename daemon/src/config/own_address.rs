//! Which addresses of providers are our own: a call that went there would come back, and go there again, without end.
//!
//! Decided by the spelling, without asking a name server. That is enough wherever we listen: plain http goes only to
//! `localhost` and loopback addresses, and over https nobody reaches our listener but through a proxy, whose loop shows
//! only when a call comes round.

use std::net::{IpAddr, SocketAddr};

use http::Uri;

use super::{Config, Listen};

impl Config {
    /// Where we will listen, as far as the settings tell; `server` is where the local endpoint does, where something stronger
    /// decides about it. None where a port is not known.
    pub fn own_addresses(&self, server: Option<&[SocketAddr]>) -> Vec<SocketAddr> {
        let mut own = server.map_or_else(|| self.server.listen.at_its_port_here(), <[_]>::to_vec);
        own.extend(self.node.listens().into_iter().flat_map(Listen::at_its_port_for_a_team));
        own
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
    let is_here = is_localhost || ip.is_some_and(|ip| ip.is_loopback() || ip.is_unspecified());
    let leads_to = |own: IpAddr| {
        let own = own.to_canonical();
        is_localhost && own.is_loopback() || ip == Some(own) || own.is_unspecified() && is_here
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
        let own = |listen: &str| listen.parse::<Listen>().unwrap().at_its_port_here();
        let here = own("127.0.0.1:4356");
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
            assert_eq!(own_address(url, &here).is_some(), is_own, "{url}");
        }
        for (url, listen, is_own) in [
            ("http://localhost/v1", "127.0.0.1:80", true),
            ("http://127.9.9.9:1/v1", "0.0.0.0:1", true),
            ("http://0.0.0.0:1/v1", "0.0.0.0:1", true),
            ("http://[::1]:1/v1", "[::]:1", true),
            ("http://localhost:1/v1", "192.0.2.7:1", true),
            ("https://192.0.2.7:1/v1", "192.0.2.7:1", true),
            ("https://192.0.2.8:1/v1", "192.0.2.7:1", false),
            // An address of the network may be anybody's.
            ("https://192.0.2.8:443/v1", "0.0.0.0:443", false),
        ] {
            assert_eq!(own_address(url, &own(listen)).is_some(), is_own, "{url} {listen}");
        }
    }

    #[test]
    fn both_listeners_are_ours() {
        let mut config = Config::default();
        config.node.listen = Some("192.0.2.7:8443".parse().unwrap());
        let at = |texts: &[&str]| -> Vec<SocketAddr> { texts.iter().map(|at| at.parse().unwrap()).collect() };
        assert_eq!(config.own_addresses(None), at(&["127.0.0.1:4356", "[::1]:4356", "192.0.2.7:8443"]));
        assert_eq!(config.own_addresses(Some(&[])), at(&["192.0.2.7:8443"]));
        config.node.enabled = false;
        assert_eq!(config.own_addresses(Some(&[])), []);
    }
}
