//! The address of the local endpoint: loopback only.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// A loopback address and a port (0: any that is free).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listen {
    address: IpAddr,
    port: u16,
}

/// Why an address is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// It is not `host:port`.
    #[error("must be a host and a port")]
    NotHostAndPort,
    /// The port is none.
    #[error("must have a port between 0 and 65535 after the last `:`")]
    BadPort,
    /// Other machines could reach it.
    #[error(
        "must be a loopback address (`127.0.0.1`, `[::1]` or `localhost`), not `{0}`: this listener serves programs of \
         this machine; others reach it through a proxy, at the `[node] public_url`"
    )]
    NotLoopback(IpAddr),
    /// A name other than `localhost` can become any address.
    #[error("must name `127.0.0.1`, `[::1]` or `localhost`: any other name could become an address others can reach")]
    NotAnAddress,
}

impl Listen {
    /// The loopback address that was asked for.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The port; 0 asks for any that is free.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 4356 }
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let (host, port) = text.trim().rsplit_once(':').ok_or(ListenError::NotHostAndPort)?;
        if host.is_empty() {
            return Err(ListenError::NotHostAndPort);
        }
        // `u16::from_str` takes a sign.
        let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        let port = port.parse().ok().filter(|_| digits).ok_or(ListenError::BadPort)?;
        let address = match host.strip_prefix('[').map(|inner| inner.strip_suffix(']')) {
            Some(inner) => {
                let inner = inner.and_then(|inner| inner.parse::<Ipv6Addr>().ok());
                IpAddr::V6(inner.ok_or(ListenError::NotHostAndPort)?)
            }
            None if host.eq_ignore_ascii_case("localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
            None => IpAddr::V4(host.parse::<Ipv4Addr>().map_err(|_| ListenError::NotAnAddress)?),
        };
        if !address.is_loopback() {
            return Err(ListenError::NotLoopback(address));
        }
        Ok(Self { address, port })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::net::SocketAddr::new(self.address, self.port).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_addresses_are_taken() {
        for (text, shown) in [
            ("127.0.0.1:4356", "127.0.0.1:4356"),
            ("127.8.8.8:1", "127.8.8.8:1"),
            ("localhost:0", "127.0.0.1:0"),
            ("LocalHost:80", "127.0.0.1:80"),
            ("[::1]:65535", "[::1]:65535"),
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), shown);
        }
        assert_eq!(Listen::default().to_string(), "127.0.0.1:4356");
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        let not_loopback = |text: &str| ListenError::NotLoopback(text.parse().unwrap());
        for (text, expected) in [
            ("0.0.0.0:4356", not_loopback("0.0.0.0")),
            ("192.168.1.4:4356", not_loopback("192.168.1.4")),
            ("[::]:4356", not_loopback("::")),
            ("[::ffff:127.0.0.1]:4356", not_loopback("::ffff:127.0.0.1")),
            ("4356", ListenError::NotHostAndPort),
            (":4356", ListenError::NotHostAndPort),
            ("[::1:4356", ListenError::NotHostAndPort),
            ("[localhost]:1", ListenError::NotHostAndPort),
            ("127.0.0.1:", ListenError::BadPort),
            ("127.0.0.1:65536", ListenError::BadPort),
            ("127.0.0.1:+80", ListenError::BadPort),
            ("127.0.0.1:http", ListenError::BadPort),
            ("::1:4356", ListenError::NotAnAddress),
            ("example.com:4356", ListenError::NotAnAddress),
            ("127.1:4356", ListenError::NotAnAddress),
        ] {
            assert_eq!(text.parse::<Listen>(), Err(expected), "{text}");
        }
        assert!(not_loopback("0.0.0.0").to_string().contains("`[node] public_url`"));
    }
}
