//! The node's files in the data directory: where they are, that they are ours alone, and the file `generation`.

use std::path::{Path, PathBuf};

use bitrouter_proto::files::{self, PlaceError};
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, FileType, statat},
    io::Errno,
};

use super::OpenError;

/// The name of the marker of rules that bind calls without a credential.
const BOUND: &str = "node.bound";

/// The data directory and what of the node's is in it.
#[derive(Debug)]
pub(super) struct NodeFiles {
    pub(super) dir: OwnedFd,
    pub(super) path: PathBuf,
}

impl NodeFiles {
    pub(super) const DATABASE: &'static str = "node.db";
    pub(super) const KEY: &'static str = "node.key";
    pub(super) const LOCK: &'static str = "node.lock";
    pub(super) const REVOKED: &'static str = "revoked.log";
    pub(super) const GENERATION: &'static str = "generation";

    /// All of them, with what SQLite keeps beside its database.
    const ALL: [&'static str; 7] =
        [Self::DATABASE, "node.db-wal", "node.db-shm", Self::KEY, Self::LOCK, Self::REVOKED, Self::GENERATION];

    /// Opens the directory, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { dir: files::private_dir(path)?, path: path.to_owned() })
    }

    pub(super) fn shown(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The size of `name`; `None` where it is not there. A file that is not ours alone is an error. Nothing is opened: a
    /// descriptor of the database that is closed would take SQLite's locks with it.
    pub(super) fn size(&self, name: &str) -> Result<Option<u64>, OpenError> {
        let shown = self.shown(name);
        let stat = match statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => {
                return Err(PlaceError::Io { action: "inspect", path: shown, source: error.into() }.into());
            }
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Symlink => return Err(PlaceError::Symlink(shown).into()),
            _ => return Err(PlaceError::NotAFile(shown).into()),
        }
        let me = rustix::process::geteuid().as_raw();
        if stat.st_uid != me {
            return Err(PlaceError::Foreign { path: shown, owner: stat.st_uid, me }.into());
        }
        if stat.st_nlink > 1 {
            return Err(PlaceError::HardLink(shown).into());
        }
        let mode = stat.st_mode & 0o7777;
        if mode & 0o077 != 0 {
            return Err(OpenError::Exposed { path: shown, mode });
        }
        Ok(Some(u64::try_from(stat.st_size).unwrap_or(0)))
    }

    /// Refuses the directory where a file in it is not ours alone.
    pub(super) fn check(&self) -> Result<(), OpenError> {
        Self::ALL.into_iter().try_for_each(|name| self.size(name).map(drop))
    }

    /// The number in the file `generation`; `None` where there is no such file.
    pub(super) fn generation(&self) -> Result<Option<i64>, OpenError> {
        if self.size(Self::GENERATION)?.is_none() {
            return Ok(None);
        }
        let shown = self.shown(Self::GENERATION);
        let mut text = String::new();
        let file = files::open_read(&shown)?;
        let read = std::io::Read::read_to_string(&mut std::io::Read::take(file, 64), &mut text);
        read.map_err(|source| PlaceError::Io { action: "read", path: shown.clone(), source })?;
        // It is replaced whole: what is no number was written by somebody else.
        text.trim().parse().map(Some).map_err(|_| OpenError::NoGeneration(shown))
    }

    /// Writes the file `generation`, durably.
    pub(super) fn set_generation(&self, generation: i64) -> Result<(), OpenError> {
        let text = format!("{generation}\n");
        Ok(files::replace(&self.dir, Self::GENERATION, text.as_bytes(), &self.shown(Self::GENERATION))?)
    }
}

/// True where the node in `dir` left the marker that calls without a credential are bound to rules that only it knows.
pub fn is_bound(dir: &Path) -> bool {
    rustix::fs::lstat(dir.join(BOUND)).is_ok()
}

/// Leaves that marker in `dir`, durably, or takes it away.
pub(crate) fn set_bound(dir: &Path, bound: bool) -> Result<(), PlaceError> {
    if bound == is_bound(dir) {
        return Ok(());
    }
    let (held, shown) = (files::private_dir(dir)?, dir.join(BOUND));
    if bound { files::replace(&held, BOUND, b"", &shown) } else { files::remove(&held, BOUND, &shown) }
}

/// What tells that one of the node's files in `dir` is another one than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesStamp([Option<(u64, i64, i64, i64)>; 4]);

impl FilesStamp {
    /// As the files are now.
    pub fn of(dir: &Path) -> Self {
        let of = |name| {
            let stat = rustix::fs::lstat(dir.join(name)).ok()?;
            Some((stat.st_ino, stat.st_size, stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)))
        };
        Self([NodeFiles::DATABASE, NodeFiles::KEY, NodeFiles::GENERATION, NodeFiles::REVOKED].map(of))
    }
}
