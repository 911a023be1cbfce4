//! The log file of a detached daemon: three files of at most 10 MB, the newest without a number.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::OwnedFd,
    path::PathBuf,
};

use bitrouter_proto::files::{self, PlaceError};

/// Bytes after which the file is rotated.
const LIMIT: u64 = 10 * 1000 * 1000;
/// The older files: `daemon.log.1`, `daemon.log.2`.
const OLDER: u32 = 2;

/// A file that rotates itself. It is opened relative to its directory, so a renamed parent does not matter.
#[derive(Debug)]
pub(super) struct RotatingFile {
    dir: OwnedFd,
    name: String,
    shown: PathBuf,
    file: File,
    written: u64,
    limit: u64,
}

impl RotatingFile {
    pub(super) fn open(dir: OwnedFd, name: &str, shown: PathBuf) -> Result<Self, PlaceError> {
        let file = files::open_append(&dir, name, &shown)?;
        let written = file.metadata().map_or(0, |meta| meta.len());
        Ok(Self { dir, name: name.to_owned(), shown, file, written, limit: LIMIT })
    }

    fn rotate(&mut self) -> io::Result<()> {
        for n in (1..=OLDER).rev() {
            let from = if n == 1 { self.name.clone() } else { format!("{}.{}", self.name, n - 1) };
            match rustix::fs::renameat(&self.dir, &from, &self.dir, format!("{}.{n}", self.name)) {
                Ok(()) | Err(rustix::io::Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.file = files::open_append(&self.dir, &self.name, &self.shown).map_err(io::Error::other)?;
        self.written = 0;
        Ok(())
    }
}

impl Write for RotatingFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.written >= self.limit {
            self.rotate()?;
        }
        let n = self.file.write(buf)?;
        self.written += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_files_and_no_more() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("d");
        let dir = files::private_dir(&path).unwrap();
        let mut file = RotatingFile::open(dir, "daemon.log", path.join("daemon.log")).unwrap();
        file.limit = 10;
        for n in 0..8 {
            file.write_all(format!("line {n:05}").as_bytes()).unwrap();
        }
        let mut names: Vec<_> =
            std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["daemon.log", "daemon.log.1", "daemon.log.2"]);
        assert_eq!(std::fs::read_to_string(path.join("daemon.log")).unwrap(), "line 00007");
        assert_eq!(std::fs::read_to_string(path.join("daemon.log.2")).unwrap(), "line 00005");
    }
}
