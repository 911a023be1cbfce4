//! What the journal asks of the operating system: one seam, so that tests let it fail.

use std::{fmt, fs::File, io, io::Write as _};

use rustix::fs::{FallocateFlags, fallocate};

/// The operations whose failure the journal lives with.
pub(crate) trait Disk: fmt::Debug + Send + Sync + 'static {
    /// Appends to `file`; how many bytes were.
    fn append(&self, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match file.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    /// Makes durable what was appended.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// Sets room aside behind the file's end: its size does not change.
    fn set_aside(&self, file: &File, from: u64, length: u64) -> io::Result<()> {
        Ok(fallocate(file, FallocateFlags::KEEP_SIZE, from, length)?)
    }
}

/// The operating system's own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {}

/// True where the file system knows no setting aside.
pub(super) fn is_unknown(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported)
        || matches!(
            rustix::io::Errno::from_io_error(error),
            Some(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS)
        )
}
