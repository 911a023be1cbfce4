//! Who a process, a file or a socket belongs to. As root every world gets its own ordinary uid.

use std::{
    os::{fd::AsFd, unix::process::CommandExt as _},
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use bitrouter_proto::env::Environment;
use rustix::process::{Gid, Uid};

/// The first uid handed out. Neither root nor the overflow uid 65534 nor anybody's log-in.
const FIRST: u32 = 20_000;
/// Distance from a world's uid to the foreign uid that goes with it.
const FOREIGN: u32 = 20_000;
/// How many uids one test process may use before they repeat.
const PER_PROCESS: u32 = 40;

/// A uid and the gid of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    uid: u32,
    gid: u32,
    switch: bool,
}

impl User {
    /// An ordinary user of its own: as root an unused uid, otherwise the user who runs the tests.
    pub fn fresh() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if !Self::root().is_me() {
            let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
            return Self { uid, gid, switch: false };
        }
        let slot = (std::process::id() % (FOREIGN / PER_PROCESS)) * PER_PROCESS;
        let uid = FIRST + slot + NEXT.fetch_add(1, Ordering::Relaxed) % PER_PROCESS;
        Self { uid, gid: uid, switch: true }
    }

    /// Somebody else. `None` where the tests do not run as root and so cannot be anybody else; in CI that is a failure,
    /// because no test is skipped there.
    pub fn foreign(self) -> Option<Self> {
        if self.switch {
            let uid = self.uid + FOREIGN;
            return Some(Self { uid, gid: uid, switch: true });
        }
        let ci = Environment::of_process().text("CI").is_some();
        assert!(!ci, "this test needs a second uid, so CI runs the tests as root");
        None
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
    fn is_me(self) -> bool {
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
