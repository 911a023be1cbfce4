//! `daemon.json`: where the running daemon listens, for clients that have another runtime directory.

use std::os::fd::OwnedFd;

use bitrouter_proto::{
    files::{self, PlaceError},
    paths::Places,
    status::DaemonJson,
};

const NAME: &str = "daemon.json";

/// Replaces the file whole.
pub(super) fn write(dir: &OwnedFd, places: &Places, json: &DaemonJson) -> Result<(), PlaceError> {
    let mut text = serde_json::to_vec_pretty(json).unwrap_or_default();
    text.push(b'\n');
    files::replace(dir, NAME, &text, &places.daemon_json())
}

/// Removes the file; that it is not there is fine.
pub(super) fn remove(dir: &OwnedFd, places: &Places) {
    if let Err(error) = files::remove(dir, NAME, &places.daemon_json()) {
        tracing::warn!(%error, "daemon.json stays");
    }
}
