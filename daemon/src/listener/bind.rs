//! Opens the loopback sockets: 127.0.0.1 and, where present, [::1] on one port; or takes over sockets that were passed in.
//!
//! A taken port names its holder. Anything but loopback is refused here again, whatever the configuration let through.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
};

use rustix::io::Errno;

use super::port_owner::{PortOwner, find_port_owner};

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// How many ports are tried until one is free on both address families.
const PORT_TRIES: usize = 64;

/// Why the listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Not a loopback address.
    #[error("listen address {0} is not loopback; only 127.0.0.1, [::1] and localhost are served")]
    NotLoopback(SocketAddr),
    /// Another process has the port.
    #[error("port {port} is held by {}", describe(.holder.as_ref()))]
    Taken {
        /// The port.
        port: u16,
        /// Who has it, where the kernel tells.
        holder: Option<PortOwner>,
    },
    /// The port needs a privilege.
    #[error("port {port} may not be bound by this user; choose a port above 1023")]
    Denied {
        /// The port.
        port: u16,
    },
    /// No port was free on 127.0.0.1 and [::1] at once.
    #[error("no port is free on both 127.0.0.1 and [::1]")]
    NoFreePort,
    /// A passed socket cannot be used.
    #[error("the passed socket cannot be used: {0}")]
    Passed(&'static str),
    /// The system refused for another reason.
    #[error("cannot listen on {addr}: {source}")]
    System {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl BindError {
    /// What to try next.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Taken { .. } | Self::Denied { .. } | Self::NotLoopback(_) | Self::NoFreePort => {
                Some("--listen 127.0.0.1:0")
            }
            Self::Passed(_) | Self::System { .. } => None,
        }
    }
}

fn describe(holder: Option<&PortOwner>) -> String {
    holder.map_or_else(|| "another process".to_owned(), ToString::to_string)
}

/// Opens `listen`. 127.0.0.1 and [::1] stand for each other: both are bound where both exist, the IPv4 one first; another
/// loopback address is bound alone. Port 0 finds a port that is free on both.
pub fn bind(listen: SocketAddr) -> Result<Vec<TcpListener>, BindError> {
    let ip = listen.ip().to_canonical();
    if !ip.is_loopback() {
        return Err(BindError::NotLoopback(listen));
    }
    let wanted: &[IpAddr] = match ip {
        IpAddr::V4(Ipv4Addr::LOCALHOST) | IpAddr::V6(Ipv6Addr::LOCALHOST) => {
            &[IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
        }
        _ => &[ip],
    };
    if listen.port() != 0 {
        return open_all(wanted, listen.port());
    }
    for _ in 0..PORT_TRIES {
        match open_all(wanted, 0) {
            // The first family got a port that the second cannot have: the next try gets another.
            Err(BindError::Taken { .. }) => {}
            done => return done,
        }
    }
    Err(BindError::NoFreePort)
}

/// Takes over a listening socket that a service manager or a predecessor passed on.
pub fn adopt(listener: TcpListener) -> Result<TcpListener, BindError> {
    let listening = rustix::net::sockopt::socket_acceptconn(&listener)
        .map_err(|_| BindError::Passed("the descriptor is not a socket"))?;
    if !listening {
        return Err(BindError::Passed("it is not listening"));
    }
    let addr = listener.local_addr().map_err(|_| BindError::Passed("it is not a TCP socket"))?;
    if rustix::net::sockopt::socket_type(&listener) != Ok(rustix::net::SocketType::STREAM) {
        return Err(BindError::Passed("it is not a TCP socket"));
    }
    if !addr.ip().to_canonical().is_loopback() {
        return Err(BindError::NotLoopback(addr));
    }
    listener.set_nonblocking(true).map_err(|source| BindError::System { addr, source })?;
    Ok(listener)
}

/// Opens every address that this system has, all on one port.
fn open_all(addresses: &[IpAddr], port: u16) -> Result<Vec<TcpListener>, BindError> {
    let mut opened: Vec<TcpListener> = Vec::new();
    let mut port = port;
    let mut missing = None;
    for &ip in addresses {
        let addr = SocketAddr::new(ip, port);
        match open(addr) {
            Ok(listener) => {
                port = listener.local_addr().map_err(|source| BindError::System { addr, source })?.port();
                opened.push(listener);
            }
            Err(source) if family_is_absent(&source) => missing = Some(BindError::System { addr, source }),
            Err(source) => return Err(classify(addr, source)),
        }
    }
    match missing {
        Some(error) if opened.is_empty() => Err(error),
        _ => Ok(opened),
    }
}

fn open(addr: SocketAddr) -> io::Result<TcpListener> {
    // std sets SO_REUSEADDR and close-on-exec; a second `listen` only widens its short backlog. An IPv6 loopback address
    // never takes IPv4 traffic, so IPV6_V6ONLY changes nothing here.
    let listener = TcpListener::bind(addr)?;
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn family_is_absent(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT | Errno::PROTONOSUPPORT | Errno::PFNOSUPPORT)
    )
}

fn classify(addr: SocketAddr, source: io::Error) -> BindError {
    let port = addr.port();
    match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { port, holder: find_port_owner(addr) },
        io::ErrorKind::PermissionDenied if port != 0 && port < 1024 => BindError::Denied { port },
        _ => BindError::System { addr, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(port: u16) -> SocketAddr {
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)
    }

    #[test]
    fn port_zero_finds_one_port_for_both_families() {
        let listeners = bind(local(0)).unwrap();
        let addresses: Vec<_> = listeners.iter().map(|l| l.local_addr().unwrap()).collect();
        assert!(addresses[0].is_ipv4());
        assert!(addresses.iter().all(|a| a.ip().is_loopback() && a.port() == addresses[0].port()));
        assert_ne!(addresses[0].port(), 0);
        for addr in addresses {
            std::net::TcpStream::connect(addr).unwrap();
        }
    }

    #[test]
    fn a_taken_port_names_its_holder() {
        let held = bind(local(0)).unwrap();
        let port = held[0].local_addr().unwrap().port();
        let error = bind(local(port)).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(&format!("port {port} is held by ")), "{text}");
        assert!(text.ends_with(&format!("(pid {})", std::process::id())), "{text}");
        assert_eq!(error.hint(), Some("--listen 127.0.0.1:0"));
    }

    #[test]
    fn a_port_that_only_ipv6_has_taken_is_not_half_opened() {
        let Ok(held) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else { return };
        let port = held.local_addr().unwrap().port();
        assert!(matches!(bind(local(port)), Err(BindError::Taken { .. })));
    }

    #[test]
    fn only_loopback_is_opened() {
        for text in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
            let error = bind(text.parse().unwrap()).unwrap_err();
            assert!(matches!(error, BindError::NotLoopback(_)), "{text}: {error}");
        }
    }

    #[test]
    fn another_loopback_address_is_bound_alone() {
        let listeners = bind("127.0.0.9:0".parse().unwrap()).unwrap();
        assert_eq!(listeners.len(), 1);
        assert_eq!(listeners[0].local_addr().unwrap().ip().to_string(), "127.0.0.9");
    }

    #[test]
    fn passed_sockets_are_checked() {
        let good = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(adopt(good).is_ok());
        let wide = TcpListener::bind("0.0.0.0:0").unwrap();
        assert!(matches!(adopt(wide), Err(BindError::NotLoopback(_))));
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(server.local_addr().unwrap()).unwrap();
        let posing = TcpListener::from(std::os::fd::OwnedFd::from(stream));
        assert!(matches!(adopt(posing), Err(BindError::Passed(_))));
        let (unix, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let posing = TcpListener::from(std::os::fd::OwnedFd::from(unix));
        assert!(matches!(adopt(posing), Err(BindError::Passed(_))));
    }

    #[test]
    fn privileged_ports_say_so() {
        let error = classify(local(80), io::Error::from(Errno::ACCESS));
        assert_eq!(error.to_string(), "port 80 may not be bound by this user; choose a port above 1023");
    }
}
