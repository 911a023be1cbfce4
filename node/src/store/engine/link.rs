//! Whether the server of the database can be reached, and whether the database is still this process's.

use tokio::sync::{Notify, watch};

use super::super::StoreError;

/// What is known of the way to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum LinkState {
    /// The lock is held, as far as was asked.
    #[default]
    Up,
    /// Nobody knows whether it is: nothing is written, and it is tried again.
    Lost(String),
    /// Another process has had the database since. What memory holds of it is old.
    Gone(String),
}

/// The way to the server. What runs by it ends when it is cut.
#[derive(Debug, Default)]
pub(crate) struct Link {
    state: watch::Sender<LinkState>,
    doubt: Notify,
}

impl Link {
    /// Follows it.
    pub(crate) fn subscribe(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    /// Changes it. What is gone never comes back.
    pub(super) fn set(&self, state: LinkState) {
        self.state.send_if_modified(|now| {
            if matches!(now, LinkState::Gone(_)) || *now == state {
                return false;
            }
            match &state {
                LinkState::Up => tracing::info!("the database can be reached again"),
                LinkState::Lost(reason) if *now == LinkState::Up => {
                    tracing::warn!(%reason, "the database cannot be reached");
                }
                LinkState::Lost(_) => {}
                LinkState::Gone(reason) => tracing::error!(%reason, "the database is another process's"),
            }
            *now = state;
            true
        });
    }

    /// Something failed that makes the link doubtful: it is looked at now.
    pub(super) fn doubt(&self) {
        self.doubt.notify_one();
    }

    /// Comes when somebody has doubts.
    pub(super) async fn doubted(&self) {
        self.doubt.notified().await;
    }

    /// Refuses at once what cannot be done.
    pub(super) fn check(&self, database: &str) -> Result<(), StoreError> {
        let database = database.to_owned();
        match &*self.state.borrow() {
            LinkState::Up => Ok(()),
            LinkState::Lost(reason) => Err(StoreError::Away { database, reason: reason.clone() }),
            LinkState::Gone(reason) => Err(StoreError::Superseded { database, reason: reason.clone() }),
        }
    }

    /// Comes when it is cut.
    pub(super) async fn cut(&self) {
        let mut state = self.state.subscribe();
        // The sender lives as long as this.
        let _ = state.wait_for(|state| *state != LinkState::Up).await;
    }
}
