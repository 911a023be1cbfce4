//! How far the daemon is on its way, and the orders that end it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use bitrouter_proto::status::State;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::health::events::Events;

/// Orders that may wait; more say nothing new.
const WAITING: usize = 4;

/// Starting, running or draining, and never back. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Phase {
    reached: Arc<AtomicU8>,
    draining: CancellationToken,
    events: Events,
}

impl Phase {
    const STARTING: u8 = 0;
    const RUNNING: u8 = 1;
    const DRAINING: u8 = 2;

    /// The state is `starting`; `events` hears of the drain.
    pub fn new(events: Events) -> Self {
        Self { reached: Arc::new(AtomicU8::new(Self::STARTING)), draining: CancellationToken::new(), events }
    }

    /// The state now.
    pub fn state(&self) -> State {
        match self.reached.load(Ordering::Relaxed) {
            Self::STARTING => State::Starting,
            Self::RUNNING => State::Running,
            _ => State::Draining,
        }
    }

    /// Both sockets answer.
    pub fn mark_ready(&self) {
        self.reached.fetch_max(Self::RUNNING, Ordering::Relaxed);
    }

    /// Cancelled when the drain begins: for what must not be waited for.
    pub(crate) fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// The drain begins.
    pub fn begin_draining(&self) {
        self.reached.fetch_max(Self::DRAINING, Ordering::Relaxed);
        self.draining.cancel();
        self.events.send("draining", "no new connections; running requests finish", &[]);
    }
}

/// An order to end.
#[derive(Clone, Copy, Debug)]
pub struct StopOrder {
    /// How long running requests may take; the default where `None`.
    pub timeout: Option<Duration>,
}

/// Where orders to end are given. Cloning shares it.
#[derive(Clone, Debug)]
pub struct StopOrders(mpsc::Sender<StopOrder>);

impl StopOrders {
    /// The place to give them, and the place to obey them.
    pub fn channel() -> (Self, mpsc::Receiver<StopOrder>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// Orders the end. Never waits: more orders than can be kept say nothing new.
    pub fn order(&self, timeout: Option<Duration>) {
        let _ = self.0.try_send(StopOrder { timeout });
    }
}
