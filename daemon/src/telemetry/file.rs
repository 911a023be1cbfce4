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
    /// Writes whole lines, as many as the file has room for: no line stands in two files.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut fits = lines_within(buf, self.limit.saturating_sub(self.written));
        if fits == 0 && self.written > 0 {
            self.rotate()?;
            fits = lines_within(buf, self.limit);
        }
        if fits == 0 {
            fits = end_of_line(buf);
        }
        let n = self.file.write(&buf[..fits])?;
        self.written += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The bytes of the leading lines of `buf` that take no more than `room`.
fn lines_within(buf: &[u8], room: u64) -> usize {
    match usize::try_from(room) {
        Ok(room) if room < buf.len() => buf[..room].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1),
        _ => buf.len(),
    }
}

fn end_of_line(buf: &[u8]) -> usize {
    buf.iter().position(|byte| *byte == b'\n').map_or(buf.len(), |at| at + 1)
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
    #[test]
    fn many_lines_at_once_are_split_between_lines_and_no_file_is_too_long() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("d");
        let dir = files::private_dir(&path).unwrap();
        let mut file = RotatingFile::open(dir, "daemon.log", path.join("daemon.log")).unwrap();
        file.limit = 10;
        file.write_all(b"aa\nbb\ncc\ndd\nlonger than a file\nee\nff\n").unwrap();
        let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
        assert_eq!(read("daemon.log.2"), "dd\n");
        assert_eq!(read("daemon.log.1"), "longer than a file\n");
        assert_eq!(read("daemon.log"), "ee\nff\n");
    }
}
