//! A database of PostgreSQL that `pg_restore` has put back: no process may have it while it is brought up to the log.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{super::OpenError, Changed, PutBack, RestoreError, Restored, Restoring};
use crate::{
    clock::Clock,
    store::{PostgresUrl, Store},
};

/// Takes what was taken away since away again in the database at `url`, as it stands. No daemon may have it, wherever that
/// runs.
///
/// # Errors
/// Why nothing was changed, or what of it stands: the same again is whole.
pub async fn restore_in_place(dir: &Path, url: &PostgresUrl, clock: Arc<dyn Clock>) -> Result<Restored, RestoreError> {
    let now = clock.wall();
    let database = PathBuf::from(url.shown());
    let begun = {
        let (dir, database) = (dir.to_owned(), database.clone());
        tokio::task::spawn_blocking(move || Restoring::begin(&dir, Some(&database), &database))
    };
    let interrupted = || OpenError::Interrupted(dir.to_owned());
    let restoring = begun.await.map_err(|_| interrupted())??;
    let taken = Store::postgres(url).await;
    let store = taken.map_err(|source| OpenError::Postgres { database: url.shown().to_owned(), source })?;
    let put_back = PutBack { store: &store, from: &database, database: &database, former_seq: 0 };
    let changed = restoring.bring_up(put_back, now).await;
    // The next one may have it at once.
    store.close().await;
    let changed = changed?;
    // In the database first: one that is older than its file would not be opened.
    let ended = tokio::task::spawn_blocking(move || restoring.files.set_generation(changed.generation));
    ended.await.map_err(|_| interrupted())??;
    let Changed { revocations, nothing_is_trusted, was_lost_before, .. } = changed;
    Ok(Restored { database, aside: None, revocations, nothing_is_trusted, was_lost_before })
}
