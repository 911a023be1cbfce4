//! Opening what should be a regular file without being held up by what else may stand there, and reading it bounded.
//!
//! What is inspected is the open descriptor, so that nobody can exchange the file between the look and the read.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use bitrouter_proto::shell;
use rustix::{
    fs::{FileType, Mode, OFlags},
    io::Errno,
};
use secrecy::zeroize::Zeroizing;

/// Why a file cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// Nothing is there.
    #[error("no such file")]
    Missing,
    /// A directory, FIFO, socket, or device is there.
    #[error("it is not a regular file")]
    NotRegular,
    /// It is larger than it may be.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// The system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io(error) => error,
            other => Self::other(other.to_string()),
        }
    }
}

/// Somebody else could have decided what stands in a file, and so where keys go.
#[derive(Debug, thiserror::Error)]
pub enum UntrustedFile {
    /// Its permissions let others write.
    #[error(
        "`{}` can be written by others (mode {mode:04o}), who could send your keys anywhere; run `chmod go-w {}`",
        path.display(), quoted(path)
    )]
    Writable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to another user, who is not root.
    #[error(
        "`{}` belongs to uid {owner}, who could send your keys anywhere; run `chown {me} {}` as root, or `chmod go-w` a \
         copy of your own",
        path.display(), quoted(path)
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Us.
        me: u32,
    },
}

/// Others can read or change a file that holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum ExposedFile {
    /// Everybody can.
    #[error("`{}` is open to every user (mode {mode:04o}); run `chmod 600 {}`", path.display(), quoted(path))]
    ToAll {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Its group can, and it is not root who decided so.
    #[error(
        "`{}` is open to its group (mode {mode:04o}), which only a file of root may be; run `chmod 600 {}`",
        path.display(), quoted(path)
    )]
    ToGroup {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    shell::quoted(&path.to_string_lossy())
}

/// An open regular file.
#[derive(Debug)]
pub(crate) struct RegularFile {
    file: File,
    /// Its permission bits.
    pub(crate) mode: u32,
    /// Its owner.
    pub(crate) owner: u32,
    size: u64,
}

/// Opens `path` for reading. A symlink is followed: what counts is the file it leads to. A FIFO is not waited for.
pub(crate) fn open(path: &Path) -> Result<RegularFile, OpenError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
        Errno::NOENT | Errno::NOTDIR => OpenError::Missing,
        // What opening a socket, or a device without a driver, says.
        Errno::NXIO | Errno::NODEV => OpenError::NotRegular,
        error => OpenError::Io(error.into()),
    })?;
    let stat = rustix::fs::fstat(&fd).map_err(io::Error::from)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(OpenError::NotRegular);
    }
    Ok(RegularFile {
        file: File::from(fd),
        mode: stat.st_mode & 0o7777,
        owner: stat.st_uid,
        size: u64::try_from(stat.st_size).unwrap_or(0),
    })
}

/// True where the bytes are text in UTF-16, as some editors save it: marked as such, or with every other byte a NUL.
pub(crate) fn is_utf16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) || matches!(bytes, [a, b, ..] if (*a == 0) != (*b == 0))
}

impl RegularFile {
    /// That nobody but us and root may have written it. The directories above are not looked at: whoever may write there
    /// can put a file in its place, but none that belongs to us.
    pub(crate) fn trusted(&self, path: &Path) -> Result<(), UntrustedFile> {
        self.owned(path)?;
        if self.mode & 0o022 != 0 {
            return Err(UntrustedFile::Writable { path: path.to_owned(), mode: self.mode });
        }
        Ok(())
    }

    /// That it belongs to us or to root.
    pub(crate) fn owned(&self, path: &Path) -> Result<(), UntrustedFile> {
        let me = rustix::process::geteuid().as_raw();
        if self.owner == me || self.owner == 0 {
            return Ok(());
        }
        Err(UntrustedFile::Foreign { path: path.to_owned(), owner: self.owner, me })
    }

    /// That nobody else can read or change it; a group may where root owns the file. Being able to execute it harms nobody.
    pub(crate) fn private(&self, path: &Path) -> Result<(), ExposedFile> {
        let (path, mode) = (path.to_owned(), self.mode);
        if mode & 0o006 != 0 {
            Err(ExposedFile::ToAll { path, mode })
        } else if mode & 0o060 != 0 && self.owner != 0 {
            Err(ExposedFile::ToGroup { path, mode })
        } else {
            Ok(())
        }
    }

    /// The whole content, where it has at most `limit` bytes.
    pub(crate) fn read(self, limit: u64) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        // Room for all of it at once: a buffer that grows leaves copies of secrets behind.
        let room = usize::try_from(self.size.min(limit)).unwrap_or(0) + 64;
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        self.file.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(OpenError::TooLarge(limit));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write what users write")]
mod tests {
    use super::*;

    #[test]
    fn r1_04_a_file_that_others_may_have_written_is_not_trusted() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("config.toml");
        std::fs::write(&path, "").unwrap();
        for (mode, trusted) in [(0o600, true), (0o644, true), (0o664, false), (0o622, false), (0o646, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let judged = open(&path).unwrap().trusted(&path);
            assert_eq!(judged.is_ok(), trusted, "{mode:o}");
            if let Err(error) = judged {
                assert!(error.to_string().ends_with(&format!("run `chmod go-w {}`", path.display())), "{error}");
            }
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let me = rustix::process::geteuid().as_raw();
        let mut file = open(&path).unwrap();
        for (owner, trusted) in [(me, true), (0, true), (me + 1, false)] {
            file.owner = owner;
            assert_eq!(file.trusted(&path).is_ok(), trusted, "uid {owner}");
        }
    }

    #[test]
    fn permissions_decide() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("env");
        std::fs::write(&path, "").unwrap();
        let mut file = open(&path).unwrap();
        for (mode, owner, refused) in [
            (0o600, 1000, None),
            (0o400, 1000, None),
            (0o711, 1000, None),
            (0o600, 0, None),
            (0o640, 0, None),
            (0o660, 0, None),
            (0o640, 1000, Some("its group")),
            (0o620, 1000, Some("its group")),
            (0o644, 1000, Some("every user")),
            (0o604, 0, Some("every user")),
            (0o602, 0, Some("every user")),
            (0o666, 0, Some("every user")),
        ] {
            (file.mode, file.owner) = (mode, owner);
            match (file.private(Path::new("/x/env")), refused) {
                (Ok(()), None) => {}
                (Err(error), Some(part)) => {
                    let text = error.to_string();
                    assert!(text.contains(part) && text.ends_with("run `chmod 600 /x/env`"), "{text}");
                }
                (got, _) => panic!("{mode:o} of {owner}: {got:?}"),
            }
        }
    }

    #[test]
    fn only_regular_files_are_opened_and_nothing_blocks() {
        let root = tempfile::tempdir().unwrap();
        let fifo = root.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
        let socket = root.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in [root.path(), &fifo, &socket, Path::new("/dev/null")] {
            assert!(matches!(open(path), Err(OpenError::NotRegular)), "{path:?}");
        }
        let file = root.path().join("file");
        assert!(matches!(open(&file), Err(OpenError::Missing)));
        std::fs::write(&file, "12345").unwrap();
        assert!(matches!(open(&file.join("below")), Err(OpenError::Missing)));
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(open(&link).unwrap().read(5).unwrap().as_slice(), b"12345");
        assert!(matches!(open(&file).unwrap().read(4), Err(OpenError::TooLarge(4))));
    }
}
