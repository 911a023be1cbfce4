//! `node backup`: a copy of the database, the journal's rows included, made while the node is used. The node's key is kept
//! apart: whoever holds both holds the node.

use std::{
    io,
    path::{Path, PathBuf},
};

use bitrouter_proto::files::{self, PlaceError};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use ulid::Ulid;

use crate::{
    Node,
    ledger::Stopped,
    secret::random_ulid,
    store::{self, StoreError},
};

/// A copy that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// The key without which it cannot be used, and which is not in it.
    pub key: PathBuf,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It must be told from the daemon's own directory.
    #[error("`{}` is no absolute path", .0.display())]
    Relative(PathBuf),
    /// Something is there, and nothing is written over.
    #[error("`{}` is there already; choose another name, or move it away", .0.display())]
    Exists(PathBuf),
    /// A part of the journal cannot be read.
    #[error("the journal of calls is damaged, and its rows would be missing in the copy; repair it first")]
    Journal,
    /// The copy is not what was copied.
    #[error("the copy was thrown away, since it contradicts itself ({0}); the database itself may be damaged")]
    Damaged(String),
    /// The database is another server's.
    #[error("the database is PostgreSQL's, which has its own means: use `pg_dump`")]
    Postgres,
    /// What calls left could not be written down.
    #[error(transparent)]
    Ledger(#[from] Stopped),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be written.
    #[error(transparent)]
    Place(#[from] PlaceError),
}

impl Node {
    /// Copies the database to `path`, which must not be there yet.
    ///
    /// # Errors
    /// Why there is no copy; nothing is left at `path`.
    pub async fn back_up(&self, path: &Path) -> Result<Backup, BackupError> {
        if !path.is_absolute() {
            return Err(BackupError::Relative(path.to_owned()));
        }
        let Some(database) = self.store.sqlite_file() else { return Err(BackupError::Postgres) };
        if path.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(path.to_owned()));
        }
        if self.ledger.is_damaged() {
            return Err(BackupError::Journal);
        }
        self.ledger.catch_up().await?;
        // Each copy is made in a file of its own.
        let partial = Partial::create(path, random_ulid(self.clock.wall()))?;
        store::copy(&database, &partial.path).await?;
        if let Some(what) = store::contradiction(&partial.path).await? {
            return Err(BackupError::Damaged(what));
        }
        let path = path.to_owned();
        let kept = tokio::task::spawn_blocking(move || partial.keep(&path).map(|bytes| (path, bytes)));
        let (path, bytes) = kept.await.map_err(|error| failed("keep", &database, io::Error::other(error)))??;
        Ok(Backup { path, bytes, key: self.dir.join("node.key") })
    }
}

/// A file that is not whole yet, and goes where it never is.
struct Partial {
    path: PathBuf,
    is_kept: bool,
}

impl Partial {
    /// An empty file beside `path`, for its owner alone. It is ours only once it was made: what is there already is not touched.
    fn create(path: &Path, id: Ulid) -> Result<Self, PlaceError> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{id}.partial"));
        let path = path.with_file_name(name);
        files::create_private(&path)?;
        Ok(Self { path, is_kept: false })
    }

    /// Calls it `path`, durably, unless something is called so; its size.
    fn keep(mut self, path: &Path) -> Result<u64, BackupError> {
        let file = files::open_read(&self.path)?;
        file.sync_all().map_err(|error| failed("sync", &self.path, error))?;
        let bytes = file.metadata().map_err(|error| failed("inspect", &self.path, error))?.len();
        renameat_with(CWD, &self.path, CWD, path, RenameFlags::NOREPLACE).map_err(|error| match error {
            rustix::io::Errno::EXIST => BackupError::Exists(path.to_owned()),
            error => failed("name", path, error.into()).into(),
        })?;
        self.is_kept = true;
        let dir = path.parent().unwrap_or(Path::new("/"));
        let dir = std::fs::File::open(dir).and_then(|dir| dir.sync_all());
        dir.map_err(|error| failed("sync the directory of", path, error))?;
        Ok(bytes)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_kept {
            // What is left of it is whole for nobody, and says so by its name.
            for end in ["", "-journal"] {
                let mut name = self.path.clone().into_os_string();
                name.push(end);
                let _ = rustix::fs::unlink(&name);
            }
        }
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> PlaceError {
    PlaceError::Io { action, path: path.to_owned(), source }
}
