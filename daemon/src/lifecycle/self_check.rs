//! What a service manager's watchdog is fed on: both sockets answer, or the listener is closed because the drain began. A team's
//! listener is not asked: strangers may keep all its connections.

use std::{net::SocketAddr, sync::Arc};

use bitrouter_proto::status::State;
use tokio::sync::{Notify, watch};

use super::{
    probe,
    running::Place,
    socket::{self, Standing},
};
use crate::{phase::Phase, service_manager::SelfCheck};

/// What a beat needs to know.
pub(super) struct BothSockets {
    pub(super) phase: Phase,
    pub(super) socket: watch::Receiver<Place>,
    /// Told when the control socket is not where it was.
    pub(super) look: Arc<Notify>,
    pub(super) http: SocketAddr,
}

impl SelfCheck for BothSockets {
    async fn answers(&self) -> Result<(), String> {
        let answer = if self.is_draining() { Ok(()) } else { self.probe().await };
        // The listener closes first: from then on the timer is all there is to ask.
        if self.is_draining() { Ok(()) } else { answer }
    }
}

impl BothSockets {
    async fn probe(&self) -> Result<(), String> {
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
        self.phase.state() == State::Draining
    }
}
