//! Who holds a TCP port, so that "address in use" can name the culprit. Reads `/proc`, never changes anything.

use std::{fmt, fs, path::Path};

/// The process, or at least the user, behind a listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A process that we may look into.
    Process {
        /// Its name as the kernel knows it.
        name: String,
        /// Its process id.
        pid: u32,
    },
    /// A process of another user: the kernel shows no more than the uid.
    User(u32),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { name, pid } => write!(f, "{name} (pid {pid})"),
            Self::User(uid) => write!(f, "a process of uid {uid}"),
        }
    }
}

/// A socket as `/proc/net/tcp` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listening {
    uid: u32,
    inode: u64,
}

/// Finds who listens on `port`, as far as `/proc` tells.
pub(super) fn of_port(port: u16) -> Option<Holder> {
    let mut sockets = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        if let Ok(text) = fs::read_to_string(table) {
            sockets.extend(listening_on(&text, port));
        }
    }
    for socket in &sockets {
        if let Some(process) = process_with_socket(Path::new("/proc"), socket.inode) {
            return Some(process);
        }
    }
    sockets.first().map(|socket| Holder::User(socket.uid))
}

/// The listening sockets on `port` in the text of `/proc/net/tcp` or `tcp6`.
fn listening_on(text: &str, port: u16) -> impl Iterator<Item = Listening> {
    const LISTEN: &str = "0A";
    text.lines().skip(1).filter_map(move |line| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        let state = fields.nth(1)?;
        let uid = fields.nth(3)?.parse().ok()?;
        let inode = fields.nth(1)?.parse().ok()?;
        let (_, hex) = local.rsplit_once(':')?;
        let matches = u16::from_str_radix(hex, 16).ok()? == port && state == LISTEN && inode != 0;
        matches.then_some(Listening { uid, inode })
    })
}

/// The process that has the socket `inode` open; only processes of our own user can be seen unless we are root.
fn process_with_socket(proc: &Path, inode: u64) -> Option<Holder> {
    let wanted = format!("socket:[{inode}]");
    for entry in fs::read_dir(proc).ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(descriptors) = fs::read_dir(entry.path().join("fd")) else { continue };
        let holds = descriptors
            .flatten()
            .any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target.as_os_str() == wanted.as_str()));
        if holds {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            let name = name.trim().chars().map(|c| if c.is_control() { '?' } else { c }).collect();
            return Some(Holder::Process { name, pid });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1104 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000000000000000 100
   1: 0100007F:1104 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0000000000000000 100
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 99 1 0000000000000000 100
   torn line";

    #[test]
    fn only_the_listening_socket_on_the_port_counts() {
        let found: Vec<_> = listening_on(TABLE, 4356).collect();
        assert_eq!(found, [Listening { uid: 1000, inode: 4711 }]);
        assert_eq!(listening_on(TABLE, 22).collect::<Vec<_>>(), [Listening { uid: 0, inode: 99 }]);
        assert_eq!(listening_on(TABLE, 1).count(), 0);
    }

    #[test]
    fn our_own_process_is_found_behind_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = of_port(listener.local_addr().unwrap().port()).unwrap();
        assert!(matches!(holder, Holder::Process { pid, .. } if pid == std::process::id()), "{holder}");
    }

    proptest::proptest! {
        #[test]
        fn any_table_is_read_without_a_panic(text in ".*", port: u16) {
            listening_on(&text, port).count();
        }
    }
}
