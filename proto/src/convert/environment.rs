//! `environment.proto`: key changes.

use crate::{status::KeyChange, wire};

impl From<wire::KeyChange> for KeyChange {
    fn from(message: wire::KeyChange) -> Self {
        Self {
            name: message.name,
            provider: message.provider,
            change: message.change,
            now_from: super::daemon::present(message.now_from),
        }
    }
}

impl From<KeyChange> for wire::KeyChange {
    fn from(change: KeyChange) -> Self {
        Self {
            name: change.name,
            provider: change.provider,
            change: change.change,
            now_from: change.now_from.unwrap_or_default(),
        }
    }
}
