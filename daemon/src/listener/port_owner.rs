//! Who holds a TCP port, so that "address in use" can name the culprit. Reads `/proc`, never changes anything.

use std::{
    fmt, fs,
    net::{IpAddr, SocketAddr},
    path::Path,
};

/// The process, or at least the user, behind a listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortOwner {
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

impl fmt::Display for PortOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { name, pid } => write!(f, "{name} (pid {pid})"),
            Self::User(uid) => write!(f, "a process of uid {uid}"),
        }
    }
}

/// A socket as `/proc/net/tcp` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listening {
    pub(super) address: IpAddr,
    pub(super) uid: u32,
    inode: u64,
}

/// Finds who listens where `wanted` cannot be bound, as far as `/proc` tells.
pub(crate) fn find_port_owner(wanted: SocketAddr) -> Option<PortOwner> {
    let mut sockets = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        if let Ok(text) = fs::read_to_string(table) {
            sockets.extend(listening_on(&text, wanted.port()).filter(|socket| in_the_way(socket.address, wanted.ip())));
        }
    }
    let proc = Path::new("/proc");
    if let Some(process) = sockets.iter().find_map(|socket| process_with_socket(proc, socket.inode)) {
        return Some(process);
    }
    let socket = sockets.first()?;
    let ours = socket.uid == rustix::process::geteuid().as_raw();
    Some(ours.then(|| hidden_daemon(proc, socket.uid)).flatten().unwrap_or(PortOwner::User(socket.uid)))
}

/// True where a socket that listens on `held` keeps another one from `wanted`, on the same port.
pub(crate) fn in_the_way(held: IpAddr, wanted: IpAddr) -> bool {
    let (held, wanted) = (held.to_canonical(), wanted.to_canonical());
    // `::` takes the traffic of both families unless told otherwise, which the table does not show.
    let takes = |all: IpAddr, one: IpAddr| all.is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    held == wanted || takes(held, wanted) || takes(wanted, held)
}

/// The listening sockets on `port` in the text of `/proc/net/tcp` or `tcp6`.
pub(super) fn listening_on(text: &str, port: u16) -> impl Iterator<Item = Listening> {
    const LISTEN: &str = "0A";
    text.lines().skip(1).filter_map(move |line| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        let state = fields.nth(1)?;
        let uid = fields.nth(3)?.parse().ok()?;
        let inode = fields.nth(1)?.parse().ok()?;
        let (address, hex) = local.rsplit_once(':')?;
        let matches = u16::from_str_radix(hex, 16).ok()? == port && state == LISTEN && inode != 0;
        matches.then_some(Listening { address: read_address(address)?, uid, inode })
    })
}

/// Reads an address as the kernel prints it: words of four bytes in the machine's own order.
fn read_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(IpAddr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (number, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(number * 8)?);
            }
            Some(IpAddr::from(bytes))
        }
        _ => None,
    }
}

/// The daemon of this user, where it is the only one: it keeps its memory private, and so its descriptors from being
/// looked at even by its own user.
fn hidden_daemon(proc: &Path, uid: u32) -> Option<PortOwner> {
    let mut found = None;
    for pid in pids(proc).filter(|pid| *pid != std::process::id()) {
        let dir = proc.join(pid.to_string());
        let name = name_of(&dir);
        // As it is called where a command under the other name started it.
        let is_one = matches!(name.as_str(), "bitrouter" | "tokenroute");
        if is_one && fs::read_dir(dir.join("fd")).is_err() && effective_uid(&dir) == Some(uid) {
            if found.is_some() {
                return None;
            }
            found = Some(PortOwner::Process { name, pid });
        }
    }
    found
}

fn pids(proc: &Path) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// What the kernel calls the process, without anything that a terminal would obey.
fn name_of(dir: &Path) -> String {
    let name = fs::read_to_string(dir.join("comm")).unwrap_or_default();
    name.trim().chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The second number of `Uid:` (proc(5)); the owner of the directory is root where memory is private.
fn effective_uid(dir: &Path) -> Option<u32> {
    let status = fs::read_to_string(dir.join("status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()
}

/// The process that has the socket `inode` open; only processes of our own user can be seen unless we are root.
fn process_with_socket(proc: &Path, inode: u64) -> Option<PortOwner> {
    let wanted = format!("socket:[{inode}]");
    pids(proc).find_map(|pid| {
        let dir = proc.join(pid.to_string());
        let holds = fs::read_dir(dir.join("fd"))
            .ok()?
            .flatten()
            .any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target.as_os_str() == wanted.as_str()));
        holds.then(|| PortOwner::Process { name: name_of(&dir), pid })
    })
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
        assert_eq!(found, [Listening { address: [127, 0, 0, 1].into(), uid: 1000, inode: 4711 }]);
        let any = Listening { address: [0, 0, 0, 0].into(), uid: 0, inode: 99 };
        assert_eq!(listening_on(TABLE, 22).collect::<Vec<_>>(), [any]);
        assert_eq!(listening_on(TABLE, 1).count(), 0);
    }

    #[test]
    fn our_own_process_is_found_behind_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = find_port_owner(listener.local_addr().unwrap()).unwrap();
        assert!(matches!(holder, PortOwner::Process { pid, .. } if pid == std::process::id()), "{holder}");
    }

    #[test]
    fn an_address_is_read_as_the_kernel_prints_it() {
        let mapped = "0000000000000000FFFF00000100007F";
        for (hex, shown) in [
            ("0100007F", "127.0.0.1"),
            ("00000000000000000000000001000000", "::1"),
            ("00000000000000000000000000000000", "::"),
            (mapped, "::ffff:127.0.0.1"),
        ] {
            let read = read_address(hex).unwrap();
            // The table of a big-endian machine has the bytes the other way round.
            assert!(cfg!(target_endian = "big") || read.to_string() == shown, "{hex}: {read}");
        }
        assert_eq!((read_address("01"), read_address("é100007")), (None, None));
    }

    #[test]
    fn only_a_socket_that_takes_the_address_is_in_the_way() {
        for (held, wanted, is) in [
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "::1", false),
            ("::1", "127.0.0.1", false),
            ("0.0.0.0", "127.0.0.1", true),
            ("0.0.0.0", "::1", false),
            ("::", "127.0.0.1", true),
            ("::ffff:127.0.0.1", "127.0.0.1", true),
            ("127.0.0.2", "127.0.0.1", false),
            ("127.0.0.2", "0.0.0.0", true),
            ("::1", "0.0.0.0", false),
            ("127.0.0.2", "::", true),
        ] {
            assert_eq!(in_the_way(held.parse().unwrap(), wanted.parse().unwrap()), is, "{held} {wanted}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_table_is_read_without_a_panic(text in ".*", port: u16) {
            listening_on(&text, port).count();
        }
    }
}
