//! The program behind a socket of the daemon's own user, as `/proc` shows it.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroU32,
};

#[cfg(not(target_os = "linux"))]
use std::hash::BuildHasher;

/// A program that calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    /// Its process.
    pub(super) pid: u32,
    /// The file that it was executed from; what the kernel calls the process, where that cannot be told.
    pub(super) executable: Option<String>,
    /// Where it works.
    pub(super) directory: Option<String>,
    /// The branch that the directory is on.
    pub(super) git_branch: Option<String>,
}

/// The programs that have these sockets open, as far as they are there, may be looked into, and are found in time.
#[cfg(target_os = "linux")]
pub(super) fn find(wanted: &HashSet<NonZeroU32>) -> HashMap<NonZeroU32, Owner> {
    proc::find(wanted)
}

/// Elsewhere nobody can be asked.
#[cfg(not(target_os = "linux"))]
pub(super) fn find<S: BuildHasher>(_wanted: &HashSet<NonZeroU32, S>) -> HashMap<NonZeroU32, Owner> {
    HashMap::new()
}

#[cfg(target_os = "linux")]
mod proc {
    use std::{
        ffi::OsStr,
        fs,
        os::unix::ffi::OsStrExt as _,
        path::{Path, PathBuf},
        time::Duration,
    };

    use bitrouter_proto::clock;

    use super::{HashMap, HashSet, NonZeroU32, Owner};
    use crate::activity::branch::branch;

    /// How long is looked; what is not found by then stays unknown.
    const LIMIT: Duration = Duration::from_millis(500);
    /// Descriptors of one process that are looked at.
    const MOST: usize = 16 * 1024;
    /// What the kernel says behind a file that no longer stands there (proc(5)).
    const GONE: &str = " (deleted)";

    pub(super) fn find(wanted: &HashSet<NonZeroU32>) -> HashMap<NonZeroU32, Owner> {
        let deadline = clock::after(LIMIT);
        let mut found = HashMap::new();
        let mut pids: Vec<u32> = entries(Path::new("/proc")).filter_map(|name| name.parse().ok()).collect();
        // Of a socket that was handed down, the elder is most often the one that made it.
        pids.sort_unstable();
        for pid in pids.into_iter().filter(|pid| *pid != std::process::id()) {
            if found.len() == wanted.len() || clock::monotonic_now() >= deadline {
                break;
            }
            let dir = PathBuf::from(format!("/proc/{pid}"));
            let open: Vec<(PathBuf, NonZeroU32)> =
                sockets(&dir).filter(|(_, inode)| wanted.contains(inode) && !found.contains_key(inode)).collect();
            if open.is_empty() {
                continue;
            }
            let owner = read(&dir, pid);
            // The number may have been given to another process meanwhile.
            let still = open.into_iter().filter(|(descriptor, inode)| inode_of(descriptor) == Some(*inode));
            found.extend(still.map(|(_, inode)| (inode, owner.clone())));
        }
        found
    }

    /// The sockets that a process has open.
    fn sockets(dir: &Path) -> impl Iterator<Item = (PathBuf, NonZeroU32)> + use<> {
        let fd = dir.join("fd");
        entries(&fd).take(MOST).filter_map(move |name| {
            let descriptor = fd.join(name);
            let inode = inode_of(&descriptor)?;
            Some((descriptor, inode))
        })
    }

    /// Of `socket:[4711]` the number.
    fn inode_of(descriptor: &Path) -> Option<NonZeroU32> {
        let target = fs::read_link(descriptor).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    }

    fn read(dir: &Path, pid: u32) -> Owner {
        let directory = fs::read_link(dir.join("cwd")).ok();
        let executable = fs::read_link(dir.join("exe")).ok().map(|path| text(path.as_os_str()));
        Owner {
            pid,
            executable: executable
                .or_else(|| fs::read_to_string(dir.join("comm")).ok().map(|name| name.trim().to_owned())),
            git_branch: directory.as_deref().and_then(branch),
            directory: directory.map(|path| text(path.as_os_str())),
        }
    }

    fn text(path: &OsStr) -> String {
        let shown = String::from_utf8_lossy(path.as_bytes());
        shown.strip_suffix(GONE).unwrap_or(&shown).to_owned()
    }

    fn entries(dir: &Path) -> impl Iterator<Item = String> + use<> {
        fs::read_dir(dir).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok())
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn our_own_sockets_are_read_and_others_are_not_there() {
            use std::os::fd::AsRawFd as _;
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let own = PathBuf::from(format!("/proc/self/fd/{}", listener.as_raw_fd()));
            let inode = inode_of(&own).unwrap();
            assert!(sockets(Path::new("/proc/self")).any(|(_, found)| found == inode));
            assert_eq!(inode_of(Path::new("/proc/self/exe")), None);
            // This process itself is never anybody who calls.
            assert!(find(&HashSet::from([inode])).is_empty());
            let owner = read(Path::new("/proc/self"), 1);
            assert_eq!(owner.directory.as_deref(), std::env::current_dir().unwrap().to_str());
            assert!(owner.executable.is_some());
        }
    }
}
