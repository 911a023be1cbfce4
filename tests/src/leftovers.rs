//! What a world could leave behind, found and removed: processes of a user who runs others too, and directories that
//! nobody may write to any more.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use rustix::process::Signal;

use crate::{canary::position, process, procfs, wait};

/// The running processes of `uid` that belong to the world in `root`: its path stands in their arguments or is their
/// `HOME`, or they hold a lock in it. (A daemon shows its environment to nobody; it holds its lock.)
pub(crate) fn processes_of(root: &Path, uid: u32) -> Vec<u32> {
    let mark = root.as_os_str().as_encoded_bytes();
    let holders = lock_holders(root);
    let mut found = procfs::of_user(uid);
    found.retain(|pid| {
        let names = |text: Option<Vec<u8>>| text.is_some_and(|text| position(&text, mark).is_some());
        *pid != std::process::id()
            && (holders.contains(pid)
                || names(procfs::cmdline(*pid).map(String::into_bytes))
                || names(procfs::variable(*pid, "HOME")))
    });
    found
}

/// Who holds a lock on a file below `root`.
fn lock_holders(root: &Path) -> Vec<u32> {
    let mut files = Vec::new();
    walk(root, &mut |path, meta| {
        if meta.is_file() && path.extension().is_some_and(|ext| ext == "lock") {
            files.push(meta.ino());
        }
    });
    // `1: FLOCK  ADVISORY  WRITE 4711 fd:01:123456 0 EOF`
    let table = fs::read_to_string("/proc/locks").unwrap_or_default();
    let holders = table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let inode = fields.get(5)?.rsplit(':').next()?.parse().ok()?;
        files.contains(&inode).then(|| fields.get(4)?.parse().ok()).flatten()
    });
    holders.collect()
}

/// Ends `processes` and waits until they are gone.
pub(crate) fn end(processes: &[u32]) {
    for pid in processes {
        process::kill(*pid, Signal::KILL);
    }
    let deadline = wait::Deadline::after(wait::PATIENCE);
    while processes.iter().any(|pid| procfs::is_running(*pid)) && !deadline.is_over() {
        wait::pass(std::time::Duration::from_millis(1));
    }
}

/// Removes `root` with everything in it, also what a test made read-only.
///
/// # Errors
/// Where something stays.
pub(crate) fn remove(root: &Path) -> io::Result<()> {
    walk(root, &mut |path, meta| {
        if meta.is_dir() && meta.mode() & 0o700 != 0o700 {
            rustix::fs::chmod(path, 0o700.into()).ok();
        }
    });
    match fs::remove_dir_all(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Shows everything below `path`, a directory before what is in it; links are not followed.
fn walk(path: &Path, show: &mut dyn FnMut(&Path, &fs::Metadata)) {
    let Ok(meta) = fs::symlink_metadata(path) else { return };
    show(path, &meta);
    if meta.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            walk(&entry.path(), show);
        }
    }
}
