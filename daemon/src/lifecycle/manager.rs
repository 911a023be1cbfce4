//! Feeds the service manager's watchdog while the daemon really turns.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bitrouter_proto::status::State;
use tokio::sync::{Notify, watch};

use super::{
    Notifier, probe,
    serve::Place,
    socket::{self, Standing},
};
use crate::agent::Agent;

/// What a beat needs to know.
pub(super) struct Watchdog {
    pub(super) agent: Arc<Agent>,
    pub(super) notifier: Notifier,
    pub(super) socket: watch::Receiver<Place>,
    /// Told when the control socket is not where it was.
    pub(super) look: Arc<Notify>,
    pub(super) http: SocketAddr,
}

impl Watchdog {
    /// Feeds every `period`, for the daemon's life.
    pub(super) async fn feed(self, period: Duration) {
        let mut tick = tokio::time::interval(period);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            match self.turns().await {
                Ok(()) => self.notifier.alive(),
                Err(error) => tracing::error!(error, "the daemon does not answer itself"),
            }
        }
    }

    /// Alive means that what we own answers, not that a timer fires.
    async fn turns(&self) -> Result<(), String> {
        let answer = if self.is_draining() { Ok(()) } else { self.answers().await };
        // The listener closes first: from then on the timer is all there is to ask.
        if self.is_draining() { Ok(()) } else { answer }
    }

    async fn answers(&self) -> Result<(), String> {
        let place = self.socket.borrow().clone();
        match place.identity.map_or(Standing::Ours, |identity| socket::standing(&place.path, identity)) {
            Standing::Ours => probe::both_answer(&place.path, self.http).await,
            // What somebody did to a file says nothing of us.
            Standing::Gone | Standing::Foreign => {
                self.look.notify_one();
                probe::listener_answers(self.http).await
            }
        }
    }

    fn is_draining(&self) -> bool {
        self.agent.state() == State::Draining
    }
}
