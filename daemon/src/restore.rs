//! `bitrouter node restore`: done without a daemon, by the command itself, which holds the daemon's lock meanwhile.

use std::{path::Path, sync::Arc};

use bitrouter_node::{OpenError, RestoreError, Restored, clock::SystemClock};
use bitrouter_proto::paths::Places;

use crate::lifecycle::{InstanceLock, ServeError};

/// Puts the copy at `from` in the place of the node's database.
///
/// # Errors
/// Where a daemon runs, or `from` is no copy of this node's database: nothing was changed.
pub async fn restore(places: &Places, from: &Path) -> Result<Restored, ServeError> {
    let in_use = |error: ServeError| match error.running {
        Some(_) => ServeError { message: format!("{error}; a database that is used is not replaced"), ..error },
        None => error,
    };
    let _lock = InstanceLock::acquire(places).map_err(|error| in_use(error).hint(STOP))?;
    let restored = bitrouter_node::restore(&places.data_dir, from, Arc::new(SystemClock)).await;
    restored.map_err(|error| {
        let said = ServeError::caller(error.to_string());
        match error {
            RestoreError::Open(OpenError::Elsewhere { holder, .. }) => {
                ServeError { running: Some(holder.unwrap_or_default()), ..said }.hint(STOP)
            }
            RestoreError::Open(error) => ServeError { hint: error.command(), ..said },
            _ => said,
        }
    })
}

const STOP: &str = "bitrouter stop";
