//! The only door to files with modes: private directories and atomic private writes.
//!
//! Nothing here follows a symlink in the last component, and nothing is ever chmod-ed by path.

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags},
    io::Errno,
};

/// Why a private place cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The operating system refused.
    #[error("cannot {action} `{path}`: {source}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The last component is a symlink.
    #[error("`{0}` is a symlink; remove it or point the XDG variable elsewhere")]
    Symlink(PathBuf),
    /// Something else stands there.
    #[error("`{0}` is not a directory; move it away")]
    NotADirectory(PathBuf),
    /// A FIFO, a socket, a directory or a device stands where a file should.
    #[error("`{0}` is not a regular file; remove it")]
    NotAFile(PathBuf),
    /// The file has another name too: what is written here would be written there.
    #[error("`{0}` is a hard link to another file; remove it")]
    HardLink(PathBuf),
    /// It belongs to somebody else.
    #[error("`{path}` belongs to uid {owner}, not to uid {me}; remove it or point the XDG variable elsewhere")]
    Foreign {
        /// Where.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Us.
        me: u32,
    },
    /// Others may write there.
    #[error("`{path}` can be written by others (mode {mode:04o}); run `chmod 700 {path}`")]
    Writable {
        /// Where.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl PlaceError {
    fn io(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io { action, path: path.to_owned(), source: source.into() }
    }
}

/// Makes `path` a directory of mode 0700 that belongs to us, creating missing parents (0700 too).
///
/// A directory that exists must be no symlink, belong to the effective uid, and not be writable by group or others; its
/// mode is tightened to 0700 through its descriptor.
pub fn private_dir(path: &Path) -> Result<OwnedFd, PlaceError> {
    create_chain(path)?;
    let fd = open_dir(path)?;
    let stat = rustix::fs::fstat(&fd).map_err(|e| PlaceError::io("inspect", path, e))?;
    let me = rustix::process::geteuid().as_raw();
    if stat.st_uid != me {
        return Err(PlaceError::Foreign { path: path.to_owned(), owner: stat.st_uid, me });
    }
    let mode = stat.st_mode & 0o7777;
    if mode & 0o022 != 0 {
        return Err(PlaceError::Writable { path: path.to_owned(), mode });
    }
    if mode != 0o700 {
        rustix::fs::fchmod(&fd, Mode::RWXU).map_err(|e| PlaceError::io("set the mode of", path, e))?;
    }
    Ok(fd)
}

fn create_chain(path: &Path) -> Result<(), PlaceError> {
    match rustix::fs::mkdir(path, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(Errno::NOENT) => {
            let Some(parent) = path.parent() else {
                return Err(PlaceError::io("create", path, Errno::NOENT));
            };
            create_chain(parent)?;
            match rustix::fs::mkdir(path, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => Ok(()),
                Err(e) => Err(PlaceError::io("create", path, e)),
            }
        }
        Err(e) => Err(PlaceError::io("create", path, e)),
    }
}

fn open_dir(path: &Path) -> Result<OwnedFd, PlaceError> {
    match rustix::fs::open(path, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Ok(fd) => Ok(fd),
        Err(Errno::LOOP) => Err(PlaceError::Symlink(path.to_owned())),
        Err(Errno::NOTDIR) => match rustix::fs::lstat(path) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => {
                Err(PlaceError::Symlink(path.to_owned()))
            }
            _ => Err(PlaceError::NotADirectory(path.to_owned())),
        },
        Err(e) => Err(PlaceError::io("open", path, e)),
    }
}

/// Opens `name` in the private directory `dir` for locking, creating it 0600. It is ours alone, or refused.
pub fn open_lock(dir: &OwnedFd, name: &str, shown: &Path) -> Result<File, PlaceError> {
    own(rustix::fs::openat(dir, name, OFlags::RDWR | OFlags::CREATE | CAREFULLY, Mode::RUSR | Mode::WUSR), shown)
}

/// Opens `name` in `dir` for appending, creating it 0600. It is ours alone, or refused.
pub fn open_append(dir: &OwnedFd, name: &str, shown: &Path) -> Result<File, PlaceError> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | CAREFULLY;
    own(rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR), shown)
}

/// Makes `name` in `dir`, 0600, for appending and reading; that it is there already is an error.
pub fn create_append(dir: &OwnedFd, name: &str, shown: &Path) -> Result<File, PlaceError> {
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL;
    own(rustix::fs::openat(dir, name, flags | CAREFULLY, Mode::RUSR | Mode::WUSR), shown)
}

/// Makes an empty file at `path`, 0600; that something is there already is an error.
pub fn create_private(path: &Path) -> Result<File, PlaceError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
    own(rustix::fs::open(path, flags | CAREFULLY, Mode::RUSR | Mode::WUSR), path)
}

/// Opens the file at `path` for reading. It is ours alone, or refused.
pub fn open_read(path: &Path) -> Result<File, PlaceError> {
    own(rustix::fs::open(path, OFlags::RDONLY | CAREFULLY, Mode::empty()), path)
}

/// Follows no symlink and waits for nobody: opening a FIFO otherwise hangs until somebody opens its other end.
const CAREFULLY: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);

/// What was opened, if it is a regular file of ours under this one name.
fn own(opened: Result<OwnedFd, Errno>, shown: &Path) -> Result<File, PlaceError> {
    let fd = opened.map_err(|error| match error {
        Errno::LOOP => PlaceError::Symlink(shown.to_owned()),
        // What opening a FIFO without a reader, a socket, or a directory for writing says.
        Errno::NXIO | Errno::NODEV | Errno::ISDIR => PlaceError::NotAFile(shown.to_owned()),
        error => PlaceError::io("open", shown, error),
    })?;
    let stat = rustix::fs::fstat(&fd).map_err(|error| PlaceError::io("inspect", shown, error))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(PlaceError::NotAFile(shown.to_owned()));
    }
    let me = rustix::process::geteuid().as_raw();
    if stat.st_uid != me {
        return Err(PlaceError::Foreign { path: shown.to_owned(), owner: stat.st_uid, me });
    }
    if stat.st_nlink > 1 {
        return Err(PlaceError::HardLink(shown.to_owned()));
    }
    Ok(File::from(fd))
}

/// Replaces `name` in `dir` with `bytes`: a temporary file in the same directory, 0600 from creation, fsync, rename,
/// fsync of the directory. Whoever reads sees the old or the new content, never a torn one.
pub fn replace(dir: &OwnedFd, name: &str, bytes: &[u8], shown: &Path) -> Result<(), PlaceError> {
    let temporary = format!(".{name}.{}", std::process::id());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // A temporary of a killed predecessor with our pid is in the way, and nobody else can have made it.
    match rustix::fs::unlinkat(dir, &temporary, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(e) => return Err(PlaceError::io("replace", shown, e)),
    }
    let fd = rustix::fs::openat(dir, &temporary, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|e| PlaceError::io("write", shown, e))?;
    let mut file = File::from(fd);
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let renamed = written.map_err(|e| PlaceError::io("write", shown, e)).and_then(|()| {
        rustix::fs::renameat(dir, &temporary, dir, name).map_err(|e| PlaceError::io("replace", shown, e))
    });
    if renamed.is_err() {
        // Best effort: what counts is the error that is being returned.
        let _ = rustix::fs::unlinkat(dir, &temporary, AtFlags::empty());
        return renamed;
    }
    rustix::fs::fsync(dir).map_err(|e| PlaceError::io("sync the directory of", shown, e))
}

/// Removes `name` from `dir`; that it is not there is fine.
pub fn remove(dir: &OwnedFd, name: &str, shown: &Path) -> Result<(), PlaceError> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(PlaceError::io("remove", shown, e)),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests set up what others left behind")]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    #[test]
    fn a_private_directory_is_0700_and_its_parents_too() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        private_dir(&path).unwrap();
        for dir in [root.path().join("a"), path] {
            assert_eq!(std::fs::metadata(dir).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn a_symlink_a_file_and_a_writable_directory_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let real = root.path().join("real");
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, root.path().join("link")).unwrap();
        assert!(matches!(private_dir(&root.path().join("link")), Err(PlaceError::Symlink(_))));
        std::fs::write(root.path().join("file"), "").unwrap();
        assert!(matches!(private_dir(&root.path().join("file")), Err(PlaceError::NotADirectory(_))));
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(private_dir(&real), Err(PlaceError::Writable { .. })));
    }

    #[test]
    fn replacing_is_private_and_leaves_no_temporary() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("d");
        let dir = private_dir(&path).unwrap();
        replace(&dir, "x", b"one", &path.join("x")).unwrap();
        replace(&dir, "x", b"two", &path.join("x")).unwrap();
        assert_eq!(std::fs::read(path.join("x")).unwrap(), b"two");
        assert_eq!(std::fs::metadata(path.join("x")).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_not_ours_alone_is_refused_whatever_it_is_for() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("d");
        let dir = private_dir(&path).unwrap();
        let refused = |name: &str| {
            let shown = path.join(name);
            [open_lock(&dir, name, &shown), open_append(&dir, name, &shown), open_read(&shown)]
                .map(|opened| opened.expect_err(name).to_string())
        };
        std::os::unix::fs::symlink("/dev/null", path.join("link")).unwrap();
        std::fs::write(root.path().join("theirs"), "kept").unwrap();
        std::fs::hard_link(root.path().join("theirs"), path.join("hard")).unwrap();
        rustix::fs::mknodat(&dir, "fifo", FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path.join("socket")).unwrap();
        for (name, reason) in [
            ("link", "is a symlink"),
            ("hard", "is a hard link to another file; remove it"),
            ("fifo", "is not a regular file; remove it"),
            ("socket", "is not a regular file; remove it"),
        ] {
            for text in refused(name) {
                assert!(text.contains(reason) && text.contains(name), "{text}");
            }
        }
        assert_eq!(std::fs::read(root.path().join("theirs")).unwrap(), b"kept");
        open_lock(&dir, "new", &path.join("new")).unwrap();
        open_append(&dir, "new", &path.join("new")).unwrap();
        open_read(&path.join("new")).unwrap();
    }
}
