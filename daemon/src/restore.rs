//! `bitrouter node restore`: done without a daemon, by the command itself, which holds the daemon's lock meanwhile.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bitrouter_node::{OpenError, PostgresUrl, RestoreError, Restored, TakeError, clock::SystemClock};
use bitrouter_proto::{paths::Places, shell};

use crate::lifecycle::{InstanceLock, ServeError, ServeOptions, settings};

/// A restore that fits where the settings have the node's database.
#[derive(Debug)]
pub struct Restore {
    places: Places,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// This copy takes the place of the file.
    Copy(PathBuf),
    /// The database of a server is brought up to what was revoked since, as it stands.
    InPlace(PostgresUrl),
}

impl Restore {
    /// Reads the settings that a start with `options` would go by. `copy` is a file for the node's database; `None` where that was
    /// put back in its place.
    ///
    /// # Errors
    /// Where the settings cannot be read, or this is not how such a database is restored.
    pub fn new(options: &ServeOptions, copy: Option<&Path>) -> Result<Self, ServeError> {
        let (places, config) = settings(options)?;
        let database = config.database().map_err(|error| ServeError::caller(error.to_string()))?;
        let way = match (copy, database) {
            (Some(copy), None) => Way::Copy(copy.to_owned()),
            (None, Some(url)) => Way::InPlace(url),
            (Some(copy), Some(url)) => {
                let message = format!(
                    "the node's database is `{}`, in whose place `{}` cannot be put; put a copy back there with `pg_restore`, and \
                     what was revoked since is revoked again by `--in-place`",
                    url.shown(),
                    copy.display(),
                );
                return Err(ServeError::caller(message).hint(IN_PLACE));
            }
            (None, None) => {
                let message = "`--in-place` is for a database of PostgreSQL (`[node] database_url`); the node's is a file, in whose \
                               place a copy is put";
                return Err(ServeError::caller(message).hint("bitrouter node restore FILE"));
            }
        };
        Ok(Self { places, way })
    }

    /// What will be done, as it is asked before.
    pub fn question(&self) -> String {
        match &self.way {
            Way::Copy(copy) => format!("putting `{}` in the place of the node's database", copy.display()),
            Way::InPlace(url) => format!("revoking again in `{}` what was revoked since it was copied", url.shown()),
        }
    }

    /// The verb and what it is given, for a shell.
    pub fn command(&self) -> String {
        match &self.way {
            Way::Copy(copy) => format!("bitrouter node restore {}", shell::quoted(&copy.display().to_string())),
            Way::InPlace(_) => IN_PLACE.to_owned(),
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// Where a daemon has the database, or there is no copy of this node's: nothing was changed.
    pub async fn run(self) -> Result<Restored, ServeError> {
        let in_use = |error: ServeError| match error.running {
            Some(_) => ServeError { message: format!("{error}{USED}"), ..error },
            None => error,
        };
        let _lock = InstanceLock::acquire(&self.places).map_err(|error| in_use(error).hint(STOP))?;
        let (dir, clock) = (&self.places.data_dir, Arc::new(SystemClock));
        let restored = match &self.way {
            Way::Copy(copy) => bitrouter_node::restore(dir, copy, clock).await,
            Way::InPlace(url) => bitrouter_node::restore_in_place(dir, url, clock).await,
        };
        restored.map_err(refused)
    }
}

fn refused(error: RestoreError) -> ServeError {
    let said = ServeError::caller(error.to_string());
    match error {
        RestoreError::Open(OpenError::Elsewhere { holder, .. }) => {
            ServeError { running: Some(holder.unwrap_or_default()), ..said }.hint(STOP)
        }
        RestoreError::Open(OpenError::Postgres { database, source: TakeError::Held(holder) }) => {
            // Perhaps another machine's, where this one's command does nothing.
            let holder = holder.map(|holder| format!(" ({})", holder.shown)).unwrap_or_default();
            let message = format!("another daemon{holder} has `{database}`{USED}; stop it where it runs");
            ServeError { running: Some(0), ..ServeError::caller(message) }
        }
        RestoreError::Open(error) => ServeError { hint: error.command(), ..said },
        _ => said,
    }
}

const STOP: &str = "bitrouter stop";
const IN_PLACE: &str = "bitrouter node restore --in-place";
const USED: &str = "; a database that is used is not replaced";
