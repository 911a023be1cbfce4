//! An address at which nobody listens.

use std::{net::SocketAddr, os::fd::OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType};

/// A port on loopback that refuses every connection for as long as this lives: it is taken, so that nobody else can be
/// given it, and nobody listens at it.
#[derive(Debug)]
pub struct Absent {
    addr: SocketAddr,
    _taken: OwnedFd,
}

impl Absent {
    /// Takes a free port.
    ///
    /// # Panics
    /// Where there is none.
    pub fn somewhere() -> Self {
        let taken = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let taken = taken.expect("a socket");
        rustix::net::bind(&taken, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
        let name = rustix::net::getsockname(&taken).expect("its name");
        Self { addr: name.try_into().expect("an address"), _taken: taken }
    }

    /// `http://127.0.0.1:PORT/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }
}
