//! The directory `journal/`: what segments are in it, how they are named, made, locked, kept aside and removed.
//!
//! A segment is named after the start of the node whose process wrote it and its number in that process, so that the order
//! of names is the order in which they were written.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use bitrouter_proto::files::{self, PlaceError};
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, Dir, FlockOperation, flock},
    io::Errno,
};

const ENDING: &str = ".segment";

/// The directory.
#[derive(Debug)]
pub(crate) struct Place {
    pub(super) dir: OwnedFd,
    path: PathBuf,
}

/// Which segment a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentId {
    /// The start of the node.
    pub(crate) generation: i64,
    /// Its number in that process.
    pub(crate) number: u32,
}

impl SegmentId {
    pub(crate) fn name(self) -> String {
        format!("{:010}-{:06}{ENDING}", self.generation, self.number)
    }

    fn parse(name: &str) -> Option<Self> {
        let (generation, number) = name.strip_suffix(ENDING)?.split_once('-')?;
        let id = Self { generation: generation.parse().ok()?, number: number.parse().ok()? };
        (id.name() == name).then_some(id)
    }
}

impl Place {
    /// Opens the directory, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self, PlaceError> {
        Ok(Self { dir: files::private_dir(path)?, path: path.to_owned() })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn shown(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn failed(&self, action: &'static str, name: &str) -> impl FnOnce(io::Error) -> PlaceError {
        let path = self.shown(name);
        move |source| PlaceError::Io { action, path, source }
    }

    /// The segments, in their order.
    pub(crate) fn segments(&self) -> Result<Vec<SegmentId>, PlaceError> {
        let listed = || -> Result<Vec<SegmentId>, Errno> {
            let mut found = Vec::new();
            for entry in Dir::read_from(&self.dir)? {
                found.extend(entry?.file_name().to_str().ok().and_then(SegmentId::parse));
            }
            Ok(found)
        };
        let mut found = listed().map_err(|error| self.failed("list", "")(error.into()))?;
        found.sort_unstable();
        Ok(found)
    }

    /// Opens a segment that is there.
    pub(crate) fn existing(&self, id: SegmentId) -> Result<Arc<File>, PlaceError> {
        let name = id.name();
        Ok(Arc::new(files::open_lock(&self.dir, &name, &self.shown(&name))?))
    }

    /// Makes a segment, which nobody else has, and locks it.
    pub(super) fn create(&self, id: SegmentId) -> Result<File, PlaceError> {
        let name = id.name();
        let file = files::create_append(&self.dir, &name, &self.shown(&name))?;
        if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            let _ = self.remove(&name);
            return Err(self.failed("lock", &name)(error.into()));
        }
        Ok(file)
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), PlaceError> {
        files::remove(&self.dir, name, &self.shown(name))
    }

    /// Makes it durable which files there are.
    pub(crate) fn sync(&self) -> Result<(), PlaceError> {
        rustix::fs::fsync(&self.dir).map_err(|error| self.failed("sync", "")(error.into()))
    }

    /// Cuts `file` off at `at`. What is cut off is kept beside it, with what stood before it where `whole`, as
    /// `<name>.<what>-<n>`; where that is.
    pub(crate) fn cut(&self, name: &str, file: &File, at: u64, what: &str, whole: bool) -> Result<PathBuf, PlaceError> {
        let kept = self.keep(name, file, if whole { 0 } else { at }, what)?;
        file.set_len(at).and_then(|()| file.sync_all()).map_err(self.failed("cut off", name))?;
        Ok(kept)
    }

    /// Moves a file aside; where it is then.
    pub(crate) fn move_aside(&self, name: &str, what: &str) -> Result<PathBuf, PlaceError> {
        for number in 1_u32.. {
            let kept = format!("{name}.{what}-{number}");
            match rustix::fs::statat(&self.dir, &kept, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => {}
                _ => continue,
            }
            let moved = rustix::fs::renameat(&self.dir, name, &self.dir, &kept);
            moved.map_err(|error| self.failed("move aside", name)(error.into()))?;
            self.sync()?;
            return Ok(self.shown(&kept));
        }
        unreachable!("there are not so many files")
    }

    fn keep(&self, name: &str, mut file: &File, from: u64, what: &str) -> Result<PathBuf, PlaceError> {
        for number in 1_u32.. {
            let kept = format!("{name}.{what}-{number}");
            let copy = match files::create_append(&self.dir, &kept, &self.shown(&kept)) {
                Err(PlaceError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made?,
            };
            let copied = file.seek(SeekFrom::Start(from)).and_then(|_| {
                io::copy(&mut file.take(u64::MAX), &mut &copy)?;
                copy.sync_all()
            });
            if let Err(error) = copied {
                // Half a copy is none.
                let _ = self.remove(&kept);
                return Err(self.failed("copy", name)(error));
            }
            self.sync()?;
            return Ok(self.shown(&kept));
        }
        unreachable!("there are not so many files")
    }
}

/// The operating system's own error, where it is one.
pub(super) fn plain(error: PlaceError) -> io::Error {
    match error {
        PlaceError::Io { source, .. } => source,
        error => io::Error::other(error),
    }
}

/// True where nobody held `file`'s lock; it is held then.
pub(crate) fn take(file: &File) -> bool {
    flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_writing() {
        let ids = [(1, 1), (1, 2), (9, 1), (10, 1)].map(|(generation, number)| SegmentId { generation, number });
        let names = ids.map(SegmentId::name);
        assert!(names.is_sorted());
        assert_eq!(names.each_ref().map(|name| SegmentId::parse(name).unwrap()), ids);
        for other in ["", "1-1.segment", "0000000001-000001.segment.torn-1", "0000000001-000001", "x-y.segment"] {
            assert_eq!(SegmentId::parse(other), None, "{other}");
        }
    }
}
