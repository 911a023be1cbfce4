//! Where a listener is: an address of this machine, or all of them.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

/// By what programs of this machine find the local endpoint.
const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// An address and a port (0: any that is free).
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
    /// A name other than `localhost` can become any address.
    #[error("must hold an IP address or `localhost`: any other name could become an address that others can reach")]
    NotAnAddress,
}

impl Listen {
    /// The address that was asked for.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The port; 0 asks for any that is free.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The addresses that are bound for it as `[server] listen`: programs of this machine always find that one at 127.0.0.1 and,
    /// where present, [::1], so that an address of a network is bound besides them. Another loopback address is bound alone,
    /// and so is one that stands for all of its family.
    pub fn for_this_machine(&self) -> Vec<IpAddr> {
        let address = self.address.to_canonical();
        let stands_alone = address.is_unspecified() || address.is_loopback() && !LOOPBACK.contains(&address);
        let mut all: Vec<IpAddr> = if stands_alone { Vec::new() } else { LOOPBACK.into() };
        if !all.contains(&address) {
            all.push(address);
        }
        all
    }

    /// The addresses that are bound for it as `[node] listen`: that one alone, but that 127.0.0.1 and [::1] stand for each other.
    pub fn for_a_team(&self) -> Vec<IpAddr> {
        let address = self.address.to_canonical();
        if LOOPBACK.contains(&address) { LOOPBACK.into() } else { vec![address] }
    }

    /// What [`Listen::for_this_machine`] binds, with the port; none while the port is not known.
    pub fn at_its_port_here(&self) -> Vec<SocketAddr> {
        self.at_its_port(self.for_this_machine())
    }

    /// What [`Listen::for_a_team`] binds, with the port; none while the port is not known.
    pub fn at_its_port_for_a_team(&self) -> Vec<SocketAddr> {
        self.at_its_port(self.for_a_team())
    }

    fn at_its_port(&self, bound: Vec<IpAddr>) -> Vec<SocketAddr> {
        bound.into_iter().filter(|_| self.port != 0).map(|ip| SocketAddr::new(ip, self.port)).collect()
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
        Ok(Self { address, port })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken() {
        for (text, shown) in [
            ("127.0.0.1:4356", "127.0.0.1:4356"),
            ("127.8.8.8:1", "127.8.8.8:1"),
            ("localhost:0", "127.0.0.1:0"),
            ("LocalHost:80", "127.0.0.1:80"),
            ("[::1]:65535", "[::1]:65535"),
            ("0.0.0.0:4356", "0.0.0.0:4356"),
            ("192.168.1.4:4356", "192.168.1.4:4356"),
            ("[::]:0", "[::]:0"),
            ("[fd00::1]:4356", "[fd00::1]:4356"),
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), shown);
        }
        assert_eq!(Listen::default().to_string(), "127.0.0.1:4356");
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        for (text, expected) in [
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
    }

    #[test]
    fn programs_of_this_machine_always_find_the_local_endpoint() {
        let both = ["127.0.0.1", "::1"];
        for (text, here, team) in [
            ("127.0.0.1:1", &both[..], &both[..]),
            ("[::1]:1", &both, &both),
            ("[::ffff:127.0.0.1]:1", &both, &both),
            ("127.0.0.9:1", &["127.0.0.9"], &["127.0.0.9"]),
            ("0.0.0.0:1", &["0.0.0.0"], &["0.0.0.0"]),
            ("[::]:1", &["::"], &["::"]),
            ("192.0.2.7:1", &["127.0.0.1", "::1", "192.0.2.7"], &["192.0.2.7"]),
            ("[fd00::1]:1", &["127.0.0.1", "::1", "fd00::1"], &["fd00::1"]),
        ] {
            let listen: Listen = text.parse().unwrap();
            let ips = |texts: &[&str]| -> Vec<IpAddr> { texts.iter().map(|ip| ip.parse().unwrap()).collect() };
            assert_eq!((listen.for_this_machine(), listen.for_a_team()), (ips(here), ips(team)), "{text}");
        }
        let listen: Listen = "[::1]:7".parse().unwrap();
        assert_eq!(listen.at_its_port_for_a_team(), ["127.0.0.1:7", "[::1]:7"].map(|at| at.parse().unwrap()));
        let free: Listen = "[::1]:0".parse().unwrap();
        assert_eq!(free.at_its_port_for_a_team(), []);
    }
}
