//! Who a process, a file or a socket belongs to. As root every world gets its own ordinary uid, claimed under a lock, so
//! that worlds of other test processes never share it and its processes can be told by it.

use std::{
    fs::{File, OpenOptions},
    os::{
        fd::AsFd,
        unix::{fs::OpenOptionsExt as _, process::CommandExt as _},
    },
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use rustix::{
    fs::FlockOperation,
    process::{Gid, Uid},
};

use crate::shared_files;

/// The first uid handed out. Neither root nor the overflow uid 65534 nor anybody's log-in.
const FIRST: u32 = 20_000;
/// How many there are; the foreign uid that goes with each lies so far above it.
const COUNT: u32 = 20_000;

/// A uid and the gid of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    uid: u32,
    gid: u32,
    switch: bool,
}

/// Keeps a uid from being handed out again.
#[derive(Debug)]
pub struct Claim {
    lock: Option<(File, PathBuf)>,
}

impl Claim {
    /// Locks the file of `uid`; `None` where somebody else holds it.
    fn take(uid: u32) -> Option<Self> {
        let path = PathBuf::from(format!("/tmp/.bitrouter-tests-uid-{uid}"));
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)
            .expect("a lock file for a uid");
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()?;
        // Its last holder may have removed it between our open and our lock: then it protects nothing.
        let linked = rustix::fs::fstat(&lock).is_ok_and(|stat| stat.st_nlink > 0);
        linked.then_some(Self { lock: Some((lock, path)) })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((_, path)) = &self.lock {
            std::fs::remove_file(path).ok();
        }
    }
}

impl User {
    /// An ordinary user of its own: as root an unused uid, otherwise the user who runs the tests.
    pub fn claim() -> (Self, Claim) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if !Self::root().is_me() {
            let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
            return (Self { uid, gid, switch: false }, Claim { lock: None });
        }
        let start = std::process::id().wrapping_mul(97);
        loop {
            let uid = FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
            if let Some(claim) = Claim::take(uid) {
                return (Self { uid, gid: uid, switch: true }, claim);
            }
        }
    }

    /// Whom the kernel shows for users it cannot name. `None` as for [`Self::foreign`].
    pub fn unnamed(self) -> Option<Self> {
        let text = std::fs::read_to_string("/proc/sys/kernel/overflowuid").ok()?;
        let uid = text.trim().parse().ok()?;
        self.switch.then_some(Self { uid, gid: uid, switch: true })
    }

    /// Somebody else. `None` where the tests do not run as root and so cannot be anybody else; in CI that is a failure,
    /// because no test is skipped there.
    pub fn foreign(self) -> Option<Self> {
        if self.switch {
            let uid = self.uid + COUNT;
            return Some(Self { uid, gid: uid, switch: true });
        }
        shared_files::lacks("a second uid: the tests do not run as root");
        None
    }

    /// A port on loopback that no other world is given and that the kernel hands to nobody by itself (it lies below the
    /// ephemeral ones): for tests in which one program leaves it and another one takes it. Any free one where the uid
    /// is shared.
    pub fn port(self) -> u16 {
        let own = u16::try_from(self.uid.wrapping_sub(FIRST)).ok().filter(|_| self.switch).map(|n| 12_000 + n);
        let own = own.filter(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok());
        own.unwrap_or_else(|| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
            listener.local_addr().expect("an address").port()
        })
    }

    /// Root.
    pub fn root() -> Self {
        Self { uid: 0, gid: 0, switch: false }
    }

    /// The numeric uid.
    pub fn uid(self) -> u32 {
        self.uid
    }

    /// True where processes of this user can be told from all others by their uid.
    pub fn is_exclusive(self) -> bool {
        self.switch
    }

    /// Whether this process runs as that user.
    pub(crate) fn is_me(self) -> bool {
        rustix::process::geteuid().as_raw() == self.uid
    }

    /// Makes `command` run as this user.
    pub fn apply(self, command: &mut Command) {
        if self.switch {
            command.uid(self.uid).gid(self.gid);
        }
    }

    /// Gives an open file, directory or *socket* to this user: the kernel then names this uid as the socket's owner, as
    /// if one of the user's processes had made it.
    pub fn own(self, fd: impl AsFd) {
        if self.switch {
            rustix::fs::fchown(fd, Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid))).expect("fchown");
        }
    }

    /// Gives `path` itself (not what a symlink points at) to this user.
    pub fn own_path(self, path: &Path) {
        if self.switch {
            std::os::unix::fs::lchown(path, Some(self.uid), Some(self.gid)).expect("lchown");
        }
    }
}
