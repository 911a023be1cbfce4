//! What the kernel's tables of sockets say to everybody. They need no right over the process that holds a socket, which
//! a daemon that lets nobody look into it grants to no ordinary user.

use std::{fs, path::Path};

/// A socket that listens: its local address as the kernel writes it, and its owner.
#[derive(Clone, Debug)]
pub struct Listening {
    /// Hexadecimal address, a colon, hexadecimal port.
    pub address: String,
    /// The uid of who made it.
    pub uid: u32,
}

impl Listening {
    /// The port.
    pub fn port(&self) -> u16 {
        let port = self.address.rsplit_once(':').and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
        port.expect("a port in the kernel's table")
    }

    /// Whether only programs of this machine reach it.
    pub fn is_loopback(&self) -> bool {
        let ip = self.address.split(':').next().unwrap_or_default();
        ["0100007F", "00000000000000000000000001000000"].contains(&ip)
    }
}

/// Every TCP socket of this network namespace that listens.
pub fn tcp_listening() -> Vec<Listening> {
    let mut found = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields.len() > 9 && fields[3] == "0A" {
                let uid = fields[7].parse().expect("a uid in the kernel's table");
                found.push(Listening { address: fields[1].to_owned(), uid });
            }
        }
    }
    found
}

/// A Unix socket that has a name.
#[derive(Clone, Debug)]
pub struct Named {
    /// Its path, or `@` and its abstract name.
    pub name: String,
    /// Whether it is one end of a connection that its owner took.
    pub is_taken_connection: bool,
}

/// Every Unix socket of this network namespace that has a name.
pub fn unix_named() -> Vec<Named> {
    let table = fs::read_to_string("/proc/net/unix").expect("the table of Unix sockets");
    let named = table.lines().skip(1).filter_map(|line| {
        // Num: RefCount Protocol Flags Type St Inode Path
        let mut fields = line.split_whitespace();
        let state = fields.nth(5)?;
        let inode = fields.next()?;
        let name = fields.next()?;
        // A connection that nobody accepted yet has no inode of its own.
        Some(Named { name: name.to_owned(), is_taken_connection: state == "03" && inode != "0" })
    });
    named.collect()
}

/// How many connections to the socket at `path` its owner holds: the end that was accepted carries the path.
pub fn connections_to(path: &Path) -> usize {
    unix_named().iter().filter(|one| one.is_taken_connection && Path::new(&one.name) == path).count()
}
