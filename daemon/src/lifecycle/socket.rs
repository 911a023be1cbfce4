//! The control socket's place: made safe, bound under the lifetime lock, re-created when it vanishes, and
//! removed at the end only if it is still ours.

use std::{io, path::Path};

use bitrouter_proto::{
    files,
    paths::{NamedBy, check_socket_path},
};
use rustix::{
    fs::{FileType, Stat},
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType},
};

use crate::{control::ControlListener, lifecycle::ServeError};

/// What identifies a socket file of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    /// Inode numbers are given away again at once; the time of creation is not, but for what comes in the same tick.
    modified: (i64, u64),
    /// Within a tick, what is no socket is told by this.
    kind: FileType,
}

#[expect(clippy::unnecessary_cast, reason = "the widths differ between systems")]
fn identity(stat: &Stat) -> Identity {
    Identity {
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u64),
        kind: FileType::from_raw_mode(stat.st_mode),
    }
}

/// A bound control socket and how to know it again.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) listener: ControlListener,
    pub(super) identity: Identity,
}

/// Makes the directory private and binds `path`. The caller holds the single-instance lock.
///
/// # Errors
/// When something stands there that is not a dead socket of ours: it is named, and never removed.
pub(super) fn bind(path: &Path) -> Result<Bound, ServeError> {
    let refuse = |why: String| Err(ServeError::caller(format!("cannot listen on `{}`: {why}", path.display())));
    check_socket_path(path, NamedBy::Rule)?;
    if let Some(dir) = path.parent() {
        files::private_dir(dir)?;
    }
    if let Ok(stat) = rustix::fs::lstat(path) {
        if let Some(why) = not_a_dead_socket_of_ours(path, &stat) {
            return refuse(why);
        }
        if let Err(error) = rustix::fs::unlink(path) {
            return refuse(io::Error::from(error).to_string());
        }
    }
    let listener = match ControlListener::bind(path) {
        Ok(listener) => listener,
        Err(error) => return refuse(error.to_string()),
    };
    match known_again(path) {
        Ok(identity) => Ok(Bound { listener, identity }),
        Err(why) => refuse(why),
    }
}

/// What was bound at `path` a moment ago. Somebody may have put a file of his own there meanwhile: taken for ours, it would
/// be asked in vain for as long as it stands, and removed at the end.
fn known_again(path: &Path) -> Result<Identity, String> {
    match rustix::fs::lstat(path).map(|stat| identity(&stat)) {
        Ok(identity) if identity.kind == FileType::Socket => Ok(identity),
        Ok(_) => Err("something that is no socket took its place at once; move it away".to_owned()),
        Err(error) => Err(io::Error::from(error).to_string()),
    }
}

fn not_a_dead_socket_of_ours(path: &Path, stat: &Stat) -> Option<String> {
    let me = rustix::process::geteuid().as_raw();
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Socket => {}
        FileType::Symlink => return Some("a symlink stands there; remove it".to_owned()),
        _ => return Some("something that is no socket stands there; move it away".to_owned()),
    }
    if stat.st_uid != me {
        return Some(format!("the socket there belongs to uid {}; remove it", stat.st_uid));
    }
    if stat.st_nlink > 1 {
        return Some("the socket there has a hard link elsewhere; remove it".to_owned());
    }
    answers(path).then(|| "another process answers there; stop it or set another `XDG_RUNTIME_DIR`".to_owned())
}

/// True where somebody listens on `path`. Never waits: a full backlog counts as an answer.
fn answers(path: &Path) -> bool {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let Ok(socket) = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None) else {
        return true;
    };
    let Ok(address) = SocketAddrUnix::new(path) else { return true };
    match rustix::net::connect(&socket, &address) {
        Ok(()) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INPROGRESS) => true,
        Err(_) => false,
    }
}

/// What stands at the path of a socket that was bound before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The socket we bound.
    Ours,
    /// Nothing.
    Gone,
    /// Something else.
    Foreign,
}

/// Looks at the path again.
pub(super) fn standing(path: &Path, ours: Identity) -> Standing {
    match rustix::fs::lstat(path) {
        Ok(stat) if identity(&stat) == ours => Standing::Ours,
        Ok(_) => Standing::Foreign,
        Err(_) => Standing::Gone,
    }
}

/// Removes the socket if it is still the one we bound.
pub(super) fn remove(path: &Path, ours: Identity) {
    if standing(path, ours) == Standing::Ours
        && let Err(error) = rustix::fs::unlink(path)
    {
        tracing::warn!(error = %io::Error::from(error), "the control socket stays");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn why(path: &Path) -> String {
        bind(path).unwrap_err().message
    }

    #[tokio::test]
    async fn only_a_dead_socket_of_ours_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("bitrouter");
        let path = dir.join("control.sock");
        let first = bind(&path).unwrap();
        assert!(why(&path).contains("another process answers there"));
        drop(first.listener);
        assert_eq!(standing(&path, first.identity), Standing::Ours, "dropping a listener must not unlink");
        let second = bind(&path).unwrap();
        assert_ne!(second.identity, first.identity);
        remove(&path, first.identity);
        assert_eq!(standing(&path, second.identity), Standing::Ours, "only our own socket is removed");
        remove(&path, second.identity);
        assert_eq!(standing(&path, second.identity), Standing::Gone);
    }

    #[tokio::test]
    async fn a_file_with_our_number_and_our_time_is_not_our_socket() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("bitrouter/control.sock");
        let bound = bind(&path).unwrap();
        let mut stat = rustix::fs::lstat(&path).unwrap();
        assert_eq!(identity(&stat), bound.identity);
        stat.st_mode = FileType::RegularFile.as_raw_mode() | 0o600;
        assert_ne!(identity(&stat), bound.identity);
    }

    #[tokio::test]
    async fn a_file_that_takes_the_place_at_once_is_not_our_socket() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("bitrouter/control.sock");
        let bound = bind(&path).unwrap();
        assert_eq!(known_again(&path), Ok(bound.identity));
        rustix::fs::unlink(&path).unwrap();
        assert!(known_again(&path).unwrap_err().contains("No such file"));
        let dir = files::private_dir(path.parent().unwrap()).unwrap();
        files::replace(&dir, "control.sock", b"x", &path).unwrap();
        assert!(known_again(&path).unwrap_err().contains("no socket"));
    }

    #[tokio::test]
    async fn links_and_files_are_refused_and_stay() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("d");
        files::private_dir(&dir).unwrap();
        let path = dir.join("s");
        std::os::unix::fs::symlink("/nowhere", &path).unwrap();
        assert!(why(&path).contains("symlink"));
        rustix::fs::unlink(&path).unwrap();
        drop(UnixListener::bind(&path).unwrap());
        std::fs::hard_link(&path, dir.join("other")).unwrap();
        assert!(why(&path).contains("hard link"));
        rustix::fs::unlink(&path).unwrap();
        files::replace(&files::private_dir(&dir).unwrap(), "s", b"x", &path).unwrap();
        assert!(why(&path).contains("no socket"));
        assert!(path.exists());
    }
}
