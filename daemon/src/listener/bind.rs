//! Opens the sockets of a listener, all on one port, or takes over sockets that were passed in. A taken port names its holder.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
};

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, sockopt},
};

use super::port_owner::{PortOwner, find_port_owner};

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// How many ports are tried until one is free at every address.
const PORT_TRIES: usize = 64;

/// Why the listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
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
    /// No port was free at every address at once.
    #[error("no port is free at {} at once", listed(.0))]
    NoFreePort(Vec<IpAddr>),
    /// The address is another machine's, or nobody's.
    #[error("{0} is no address of this machine")]
    NotOurs(IpAddr),
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
    /// The flag to try next, for the local endpoint.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Taken { .. } | Self::Denied { .. } | Self::NotOurs(_) | Self::NoFreePort(_) => {
                Some("--listen 127.0.0.1:0")
            }
            Self::Passed(_) | Self::System { .. } => None,
        }
    }
}

fn describe(holder: Option<&PortOwner>) -> String {
    holder.map_or_else(|| "another process".to_owned(), ToString::to_string)
}

fn listed(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Opens `addresses`, in their order, on one port. Of several loopback addresses those are left out that this machine does not
/// have, as long as one is there. Port 0 finds a port that is free at all of them.
pub fn bind(addresses: &[IpAddr], port: u16) -> Result<Vec<TcpListener>, BindError> {
    if port != 0 {
        return open_all(addresses, port);
    }
    for _ in 0..PORT_TRIES {
        match open_all(addresses, 0) {
            // The first address got a port that another cannot have: the next try gets another.
            Err(BindError::Taken { .. }) if addresses.len() > 1 => {}
            done => return done,
        }
    }
    Err(BindError::NoFreePort(addresses.to_vec()))
}

/// Where programs of this machine reach `listener`: one that takes all addresses is called at loopback.
///
/// # Errors
/// What the system says.
pub fn reached_at(listener: &TcpListener) -> io::Result<SocketAddr> {
    let addr = listener.local_addr()?;
    let ip = match addr.ip() {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) if sockopt::ipv6_v6only(listener)? => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    Ok(SocketAddr::new(ip, addr.port()))
}

/// Takes over a listening socket that a service manager or a predecessor passed on.
pub fn adopt(listener: TcpListener) -> Result<TcpListener, BindError> {
    let listening =
        sockopt::socket_acceptconn(&listener).map_err(|_| BindError::Passed("the descriptor is not a socket"))?;
    if !listening {
        return Err(BindError::Passed("it is not listening"));
    }
    let addr = listener.local_addr().map_err(|_| BindError::Passed("it is not a TCP socket"))?;
    if sockopt::socket_type(&listener) != Ok(SocketType::STREAM) {
        return Err(BindError::Passed("it is not a TCP socket"));
    }
    listener.set_nonblocking(true).map_err(|source| BindError::System { addr, source })?;
    Ok(listener)
}

/// Opens every one of `addresses`, all on one port.
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
            Err(source) if ip.is_loopback() && is_absent(&source) => missing = Some(BindError::System { addr, source }),
            Err(source) => return Err(classify(addr, source)),
        }
    }
    match missing {
        Some(error) if opened.is_empty() => Err(error),
        _ => Ok(opened),
    }
}

fn open(addr: SocketAddr) -> io::Result<TcpListener> {
    let family = if addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if addr.is_ipv6() {
        // All addresses means all, whatever `net.ipv6.bindv6only` says; for a single one it changes nothing.
        sockopt::set_ipv6_v6only(&socket, addr.ip() != IpAddr::V6(Ipv6Addr::UNSPECIFIED))?;
    }
    rustix::net::bind(&socket, &addr)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT | Errno::PROTONOSUPPORT | Errno::PFNOSUPPORT)
    )
}

fn classify(addr: SocketAddr, source: io::Error) -> BindError {
    let port = addr.port();
    match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { port, holder: find_port_owner(addr) },
        io::ErrorKind::AddrNotAvailable => BindError::NotOurs(addr.ip()),
        io::ErrorKind::PermissionDenied if port != 0 && port < 1024 => BindError::Denied { port },
        _ => BindError::System { addr, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|ip| ip.parse().unwrap()).collect()
    }

    #[test]
    fn port_zero_finds_one_port_for_both_families() {
        let listeners = bind(&BOTH, 0).unwrap();
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
        let held = bind(&BOTH, 0).unwrap();
        let port = held[0].local_addr().unwrap().port();
        for wanted in [&BOTH[..], &ips(&["0.0.0.0"]), &ips(&["::"])] {
            let error = match bind(wanted, port) {
                Err(BindError::System { .. }) if wanted[0].is_ipv6() => continue,
                other => other.unwrap_err(),
            };
            let text = error.to_string();
            assert!(text.starts_with(&format!("port {port} is held by ")), "{text}");
            assert!(text.ends_with(&format!("(pid {})", std::process::id())), "{text}");
            assert_eq!(error.hint(), Some("--listen 127.0.0.1:0"));
        }
    }

    #[test]
    fn a_port_that_only_ipv6_has_taken_is_not_half_opened() {
        let Ok(held) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else { return };
        let port = held.local_addr().unwrap().port();
        assert!(matches!(bind(&BOTH, port), Err(BindError::Taken { .. })));
    }

    #[test]
    fn all_addresses_are_opened_at_once() {
        for any in ["0.0.0.0", "::"] {
            let Ok(listeners) = bind(&ips(&[any]), 0) else { continue };
            let bound = listeners[0].local_addr().unwrap();
            assert_eq!((listeners.len(), bound.ip().to_string().as_str()), (1, any));
            let reached = reached_at(&listeners[0]).unwrap();
            assert_eq!(reached.to_string(), format!("127.0.0.1:{}", bound.port()));
            std::net::TcpStream::connect(reached).unwrap();
            std::net::TcpStream::connect((Ipv4Addr::new(127, 3, 2, 1), bound.port())).unwrap();
        }
        let single = TcpListener::bind("127.0.0.9:0").unwrap();
        assert_eq!(reached_at(&single).unwrap(), single.local_addr().unwrap());
    }

    #[test]
    fn an_address_of_nobody_is_named_and_nothing_else_is_opened_for_it() {
        for wanted in [&ips(&["198.51.100.1"])[..], &ips(&["127.0.0.1", "::1", "198.51.100.1"])] {
            let error = bind(wanted, 0).unwrap_err();
            assert_eq!(error.to_string(), "198.51.100.1 is no address of this machine");
        }
    }

    #[test]
    fn another_loopback_address_is_bound_alone() {
        let listeners = bind(&ips(&["127.0.0.9"]), 0).unwrap();
        assert_eq!(listeners.len(), 1);
        assert_eq!(listeners[0].local_addr().unwrap().ip().to_string(), "127.0.0.9");
        let port = listeners[0].local_addr().unwrap().port();
        assert_eq!(bind(&ips(&["127.0.0.8"]), port).unwrap().len(), 1, "it is another address");
    }

    #[test]
    fn passed_sockets_are_checked() {
        for good in ["127.0.0.1:0", "0.0.0.0:0"] {
            assert!(adopt(TcpListener::bind(good).unwrap()).is_ok());
        }
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
        let error = classify(SocketAddr::new(BOTH[0], 80), io::Error::from(Errno::ACCESS));
        assert_eq!(error.to_string(), "port 80 may not be bound by this user; choose a port above 1023");
    }
}
