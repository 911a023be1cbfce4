//! The log file of a detached daemon: three files of at most 10 MB, the newest without a number.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::OwnedFd,
    path::PathBuf,
};

use bitrouter_proto::files::{self, PlaceError};
use rustix::{fs::AtFlags, io::Errno};

/// Bytes after which the file is rotated.
const LIMIT: u64 = 10 * 1000 * 1000;
/// The older files: `daemon.log.1`, `daemon.log.2`.
const OLDER: u32 = 2;

/// A file that rotates itself, and that is opened again where its name leads elsewhere: somebody moved or deleted it. It is
/// opened relative to its directory, so that a renamed parent does not matter.
#[derive(Debug)]
pub(super) struct RotatingFile {
    dir: OwnedFd,
    name: String,
    shown: PathBuf,
    file: File,
    /// Device and inode of `file`.
    identity: (u64, u64),
    /// Its length.
    written: u64,
    limit: u64,
}

impl RotatingFile {
    pub(super) fn open(dir: OwnedFd, name: &str, shown: PathBuf) -> Result<Self, PlaceError> {
        let file = files::open_append(&dir, name, &shown)?;
        let (identity, written) = identity_and_length(&file);
        Ok(Self { dir, name: name.to_owned(), shown, file, identity, written, limit: LIMIT })
    }

    /// Looks whether the name still leads to the open file, and opens what it leads to now.
    fn follow_name(&mut self) -> io::Result<()> {
        match rustix::fs::statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if (stat.st_dev, stat.st_ino) == self.identity => {
                self.written = u64::try_from(stat.st_size).unwrap_or(0);
                return Ok(());
            }
            Ok(_) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let opened = match files::open_append(&self.dir, &self.name, &self.shown) {
            // In a directory that was deleted nothing can be made.
            Err(PlaceError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let dir = files::private_dir(self.shown.parent().unwrap_or(&self.shown)).map_err(io::Error::other)?;
                self.dir = dir;
                files::open_append(&self.dir, &self.name, &self.shown)
            }
            opened => opened,
        };
        self.take(opened.map_err(io::Error::other)?);
        Ok(())
    }

    fn take(&mut self, file: File) {
        (self.identity, self.written) = identity_and_length(&file);
        self.file = file;
    }

    /// Moves every generation by one. The new file is there before anything is renamed: where there can be none, all
    /// stays as it is.
    fn rotate(&mut self) -> io::Result<()> {
        let fresh = format!("{}.new", self.name);
        let file = files::open_append(&self.dir, &fresh, &self.shown).map_err(io::Error::other)?;
        let renamed = (|| {
            for n in (1..=OLDER).rev() {
                let from = if n == 1 { self.name.clone() } else { format!("{}.{}", self.name, n - 1) };
                self.rename(&from, &format!("{}.{n}", self.name))?;
            }
            self.rename(&fresh, &self.name)
        })();
        if let Err(error) = renamed {
            // What counts is the error that is being returned.
            let _ = rustix::fs::unlinkat(&self.dir, &fresh, AtFlags::empty());
            return Err(error.into());
        }
        self.take(file);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Errno> {
        match rustix::fs::renameat(&self.dir, from, &self.dir, to) {
            Err(Errno::NOENT) => Ok(()),
            renamed => renamed,
        }
    }
}

fn identity_and_length(file: &File) -> ((u64, u64), u64) {
    rustix::fs::fstat(file)
        .map_or(((0, 0), 0), |stat| ((stat.st_dev, stat.st_ino), u64::try_from(stat.st_size).unwrap_or(0)))
}

impl Write for RotatingFile {
    /// Writes whole lines, as many as the file has room for: no line stands in two files. Where it cannot be rotated it
    /// may grow to twice its limit.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.follow_name()?;
        let mut fits = lines_within(buf, self.limit.saturating_sub(self.written));
        if fits == 0 && self.written > 0 {
            match self.rotate() {
                Ok(()) => fits = lines_within(buf, self.limit),
                Err(_) if self.written < self.limit * 2 => {}
                Err(error) => return Err(error),
            }
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

    fn of_limit_ten() -> (tempfile::TempDir, PathBuf, RotatingFile) {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("d");
        let dir = files::private_dir(&path).unwrap();
        let mut file = RotatingFile::open(dir, "daemon.log", path.join("daemon.log")).unwrap();
        file.limit = 10;
        (root, path, file)
    }

    #[test]
    fn r1_15_a_rotation_that_fails_overwrites_no_older_generation() {
        let (_root, path, mut file) = of_limit_ten();
        let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
        for line in ["line one\n", "line two\n", "line 3\n"] {
            file.write_all(line.as_bytes()).unwrap();
        }
        let older = || (read("daemon.log.2"), read("daemon.log.1"));
        let before = older();
        assert_eq!(before, ("line one\n".to_owned(), "line two\n".to_owned()));
        // No new file can be opened.
        std::fs::DirBuilder::new().create(path.join("daemon.log.new")).unwrap();
        file.write_all(b"line 4\n").unwrap();
        file.write_all(b"line 5\n").unwrap();
        assert_eq!((older(), read("daemon.log").as_str()), (before.clone(), "line 3\nline 4\nline 5\n"));
        assert!(file.write_all(b"line 6\n").is_err(), "twice its limit is enough");
        assert_eq!(older(), before);
        std::fs::remove_dir(path.join("daemon.log.new")).unwrap();
        file.write_all(b"line 6\n").unwrap();
        assert_eq!(older(), ("line two\n".to_owned(), "line 3\nline 4\nline 5\n".to_owned()));
        assert_eq!(read("daemon.log"), "line 6\n");
    }

    #[test]
    fn r1_15_a_file_that_is_moved_deleted_or_emptied_comes_back() {
        let (root, path, mut file) = of_limit_ten();
        let log = path.join("daemon.log");
        let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
        file.write_all(b"one\n").unwrap();
        std::fs::rename(&log, path.join("kept")).unwrap();
        file.write_all(b"two\n").unwrap();
        assert_eq!((read(&path.join("kept")).as_str(), read(&log).as_str()), ("one\n", "two\n"));
        std::fs::remove_file(&log).unwrap();
        file.write_all(b"three\n").unwrap();
        assert_eq!(read(&log), "three\n");
        File::options().write(true).truncate(true).open(&log).unwrap();
        file.write_all(b"four\nfive\n").unwrap();
        assert_eq!(read(&log), "four\nfive\n", "there is room again");
        // A directory that moves takes the log along; one that is gone is made again.
        std::fs::rename(&path, root.path().join("moved")).unwrap();
        file.write_all(b"six\n").unwrap();
        assert_eq!(read(&root.path().join("moved/daemon.log")), "six\n");
        std::fs::remove_dir_all(root.path().join("moved")).unwrap();
        file.write_all(b"seven\n").unwrap();
        assert_eq!(read(&log), "seven\n");
        // What is not ours alone is not written to.
        std::fs::remove_file(&log).unwrap();
        std::os::unix::fs::symlink("/dev/null", &log).unwrap();
        assert!(file.write_all(b"eight\n").is_err());
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
