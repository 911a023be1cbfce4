//! Opening what should be a regular file without being held up by what else may stand there, and reading it bounded.
//!
//! What is inspected is the open descriptor, so that nobody can exchange the file between the look and the read.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

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

impl RegularFile {
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
