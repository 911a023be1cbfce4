//! The credential file and the lock beside it: reading, and the only writes that there are.
//!
//! Whoever writes holds the lock, and [`Locked`] is the proof. Room is made before it is needed: [`Locked::prepare`] writes
//! and syncs a temporary of the size that will be wanted, so that what a server gave out can be kept. Everything here waits
//! for the disk, and belongs on a thread that may; only [`Store::stamp`] is quick.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use bitrouter_node::Filesystem;
use bitrouter_proto::{
    account::credential::Credential,
    clock,
    credential_file::{self, NAME, UnusableFile},
    files::{self, PlaceError},
};
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags},
    io::Errno,
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{AccountError, issuer::server_url};

/// The lock. It is never deleted: whoever waits for it would wait for another file.
const LOCK: &str = "account-credentials.json.lock";
/// What the names of temporaries begin with; the id of the process that writes ends them.
const TEMPORARY: &str = ".account-credentials.json.";
/// Room for a credential that is longer than the one before.
const MORE_ROOM: usize = 16 << 10;
/// Tries to read a file that changes meanwhile.
const READS: usize = 4;

/// What tells one content of the file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// There is no file.
    Absent,
    /// Something is there.
    File { device: u64, inode: u64, size: i64, modified: (i64, i64), changed: (i64, i64) },
    /// It cannot be looked at.
    Unknown(i32),
}

/// What is in the place of the file.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Nothing.
    Absent,
    /// A credential.
    Good(Arc<Credential>),
    /// What is no credential of ours, and why; it stays as it is.
    Bad { reason: String, is_broken: bool },
}

/// Why nothing can be written.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Unwritable {
    /// Other machines share the file system: locks do not hold there.
    #[error(
        "`{path}` is on a network file system ({kind}), where nothing is written: point XDG_DATA_HOME at a local one"
    )]
    Network { path: PathBuf, kind: String },
    /// The directory is closed to its owner.
    #[error(
        "`{path}` cannot be written: its directory is closed to its owner (mode {mode:04o}); run `chmod 700 {dir}`"
    )]
    Closed { path: PathBuf, dir: PathBuf, mode: u32 },
    /// The system said no.
    #[error("{0}")]
    Refused(String),
    /// Somebody holds the lock.
    #[error("another process has held `{0}` for too long")]
    Held(PathBuf),
}

impl From<PlaceError> for Unwritable {
    fn from(error: PlaceError) -> Self {
        Self::Refused(error.to_string())
    }
}

/// Where the credential is.
#[derive(Clone, Debug)]
pub(super) struct Store {
    dir: PathBuf,
    path: PathBuf,
}

impl Store {
    /// The store in a data directory, which need not exist.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { path: dir.join(NAME), dir }
    }

    /// The credential file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What tells the present content from another.
    pub(super) fn stamp(&self) -> Stamp {
        match rustix::fs::lstat(&self.path) {
            Ok(stat) => Stamp::File {
                device: stat.st_dev,
                inode: stat.st_ino,
                size: stat.st_size,
                modified: (stat.st_mtime, stat.st_mtime_nsec.cast_signed()),
                changed: (stat.st_ctime, stat.st_ctime_nsec.cast_signed()),
            },
            Err(Errno::NOENT) => Stamp::Absent,
            Err(error) => Stamp::Unknown(error.raw_os_error()),
        }
    }

    /// Reads the file. The stamp is that of what was read.
    pub(super) fn read(&self) -> (Stamp, Content) {
        let mut before = self.stamp();
        let mut content = Content::Absent;
        for _ in 0..READS {
            content = match credential_file::read(&self.path) {
                Ok(None) => Content::Absent,
                Ok(Some(credential)) => match servers_are_safe(&credential) {
                    Ok(()) => Content::Good(Arc::new(credential)),
                    Err(error) => Content::Bad {
                        is_broken: false,
                        reason: format!(
                            "`{}` names no server that it may be sent to: {}",
                            self.path.display(),
                            error.message
                        ),
                    },
                },
                Err(error) => {
                    Content::Bad { is_broken: matches!(error, UnusableFile::Content { .. }), reason: error.to_string() }
                }
            };
            let after = self.stamp();
            if after == before {
                break;
            }
            before = after;
        }
        (before, content)
    }

    /// True where other machines share the file system: changes there are not told, and nothing is written.
    pub(super) fn is_on_network(&self) -> bool {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        // The directory may not exist yet: then its nearest parent says.
        let opened = self.dir.ancestors().find_map(|dir| rustix::fs::open(dir, flags, Mode::empty()).ok());
        opened.and_then(|dir| Filesystem::of(&dir).ok()).is_some_and(|found| found.network_name().is_some())
    }

    /// Takes the lock if nobody holds it; `None` where somebody does. The directory is made where it is missing.
    pub(super) fn try_lock(&self) -> Result<Option<Locked>, Unwritable> {
        if let Ok(stat) = rustix::fs::stat(&self.dir)
            && stat.st_mode & 0o700 != 0o700
        {
            let (path, dir) = (self.path.clone(), self.dir.clone());
            return Err(Unwritable::Closed { path, dir, mode: stat.st_mode & 0o7777 });
        }
        let dir = files::private_dir(&self.dir)?;
        let filesystem = Filesystem::of(&dir).map_err(|error| self.refused("inspect", &error))?;
        if let Some(kind) = filesystem.network_name() {
            return Err(Unwritable::Network { path: self.path.clone(), kind: kind.to_owned() });
        }
        let shown = self.dir.join(LOCK);
        let lock = files::open_lock(&dir, LOCK, &shown)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK | Errno::INTR) => return Ok(None),
            Err(error) => return Err(self.refused("lock", &error.into())),
        }
        // Whoever removed it while we waited made our lock one of nothing.
        let (held, named) = (rustix::fs::fstat(&lock), rustix::fs::lstat(&shown));
        if !matches!((held, named), (Ok(held), Ok(named)) if held.st_ino == named.st_ino && held.st_dev == named.st_dev)
        {
            return Ok(None);
        }
        Ok(Some(Locked { store: self.clone(), dir, _lock: lock }))
    }

    /// Removes the temporaries of killed writes, unless somebody writes now.
    pub(super) fn clear_leftovers(&self) {
        if leftovers(&self.dir).is_empty() {
            return;
        }
        if let Ok(Some(locked)) = self.try_lock() {
            locked.clear_leftovers();
        }
    }

    /// Deletes the file where no lock can be had: a sign-out must not fail for that.
    pub(super) fn delete_anyhow(&self) -> Result<(), Unwritable> {
        match rustix::fs::unlink(&self.path) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(Unwritable::Refused(format!("cannot delete `{}`: {error}", self.path.display()))),
        }
    }

    fn refused(&self, action: &str, error: &io::Error) -> Unwritable {
        Unwritable::Refused(format!("cannot {action} `{}`: {error}", self.dir.display()))
    }
}

fn leftovers(dir: &Path) -> Vec<std::ffi::OsString> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let is_ours = |name: &str| {
        name.strip_prefix(TEMPORARY).is_some_and(|pid| !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()))
    };
    entries.map(|entry| entry.file_name()).filter(|name| name.to_str().is_some_and(is_ours)).collect()
}

/// The lock, held until this is dropped.
#[derive(Debug)]
pub(super) struct Locked {
    store: Store,
    dir: OwnedFd,
    _lock: File,
}

impl Locked {
    /// Makes room for a credential of `size` bytes and some more: a temporary, written and synced.
    pub(super) fn prepare(&self, size: usize) -> Result<Prepared, Unwritable> {
        let name = format!("{TEMPORARY}{}", std::process::id());
        // Whoever holds the lock is the only one who writes: what is there was left behind.
        files::remove(&self.dir, &name, &self.store.dir.join(&name))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let cannot = |error: io::Error| {
            Unwritable::Refused(format!("there is no room to write `{}`: {error}", self.store.path.display()))
        };
        let file =
            rustix::fs::openat(&self.dir, &name, flags, Mode::RUSR | Mode::WUSR).map_err(|e| cannot(e.into()))?;
        let dir = self.dir.try_clone().map_err(cannot)?;
        let mut prepared = Prepared { file: File::from(file), dir, name, renamed: false };
        let room = vec![b' '; size + MORE_ROOM];
        prepared.file.write_all(&room).and_then(|()| prepared.file.sync_all()).map_err(cannot)?;
        Ok(prepared)
    }

    /// Replaces the file: whoever reads sees the old or the new one, and when this returns the new one survives a power cut.
    pub(super) fn commit(&self, mut prepared: Prepared, text: &SecretString) -> Result<Stamp, Unwritable> {
        let cannot =
            |error: io::Error| Unwritable::Refused(format!("cannot write `{}`: {error}", self.store.path.display()));
        let bytes = text.expose_secret().as_bytes();
        let file = &mut prepared.file;
        let written = file
            .seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(bytes))
            .and_then(|()| file.set_len(bytes.len() as u64))
            .and_then(|()| file.sync_all());
        written.map_err(cannot)?;
        rustix::fs::renameat(&self.dir, &prepared.name, &self.dir, NAME).map_err(|error| cannot(error.into()))?;
        prepared.renamed = true;
        rustix::fs::fsync(&self.dir).map_err(|error| cannot(error.into()))?;
        Ok(self.store.stamp())
    }

    /// Renames a file that is no credential, so that another can take its place; says where it is.
    pub(super) fn put_aside(&self) -> Result<PathBuf, Unwritable> {
        let stamp: String = clock::now_rfc3339().chars().filter(char::is_ascii_alphanumeric).collect();
        let aside = self.store.dir.join(format!("{NAME}.aside-{stamp}"));
        let renamed = rustix::fs::renameat_with(&self.dir, NAME, CWD, &aside, RenameFlags::NOREPLACE);
        let renamed = match renamed {
            // Not every file system knows it.
            Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::renameat(&self.dir, NAME, CWD, &aside),
            renamed => renamed,
        };
        renamed.map_err(|error| self.store.refused("rename a file in", &error.into()))?;
        Ok(aside)
    }

    /// Deletes the file, for good.
    pub(super) fn delete(&self) -> Result<(), Unwritable> {
        files::remove(&self.dir, NAME, &self.store.path)?;
        rustix::fs::fsync(&self.dir).map_err(|error| self.store.refused("sync", &error.into()))
    }

    /// Removes the temporaries of killed writes.
    pub(super) fn clear_leftovers(&self) {
        for name in leftovers(&self.store.dir) {
            match rustix::fs::unlinkat(&self.dir, &name, AtFlags::empty()) {
                Ok(()) => tracing::info!(file = ?name, "removed what a killed write had left behind"),
                Err(Errno::NOENT) => {}
                Err(error) => tracing::warn!(file = ?name, %error, "cannot remove what a killed write left behind"),
            }
        }
    }
}

/// A temporary with room in it. Dropped without [`Locked::commit`], it is removed.
#[derive(Debug)]
pub(super) struct Prepared {
    file: File,
    dir: OwnedFd,
    name: String,
    renamed: bool,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if !self.renamed {
            // Best effort: the next start removes it.
            let _ = rustix::fs::unlinkat(&self.dir, &self.name, AtFlags::empty());
        }
    }
}
/// Where calls go, and who issues the tokens.
fn servers_are_safe(credential: &Credential) -> Result<(), AccountError> {
    server_url(credential.server())?;
    if let Credential::Oauth(oauth) = credential {
        server_url(&oauth.authorization_server)?;
    }
    Ok(())
}
