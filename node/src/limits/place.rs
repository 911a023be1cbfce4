//! The place of a call that waits, as the future that waits there.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::{Limits, hold::Hold, refused::Refused, waiting::Ticket};
use crate::clock::Moment;

/// A call waits no longer than this.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A place. Dropped, it is given up, and what was just given to it is given back.
#[derive(Debug)]
pub(super) struct Place<'a, F: Fn() -> Moment> {
    limits: &'a Limits,
    ticket: Ticket,
    woken: Arc<Notify>,
    clock: F,
    is_left: bool,
}

impl<'a, F: Fn() -> Moment> Place<'a, F> {
    pub(super) fn new(limits: &'a Limits, (ticket, woken): (Ticket, Arc<Notify>), clock: F) -> Self {
        Self { limits, ticket, woken, clock, is_left: false }
    }

    /// Waits until the call is let in, refused, or has waited long enough.
    pub(super) async fn wait(mut self) -> Result<Hold, Box<Refused>> {
        let patience = tokio::time::sleep(PATIENCE);
        tokio::pin!(patience);
        loop {
            let now = (self.clock)();
            let leaves = match self.limits.heard(self.ticket, now) {
                Ok(outcome) => {
                    self.is_left = true;
                    return outcome;
                }
                Err(leaves) => leaves,
            };
            tokio::select! {
                biased;
                () = self.woken.notified() => {}
                () = &mut patience => {
                    self.is_left = true;
                    return self.limits.last(self.ticket, (self.clock)());
                }
                () = tokio::time::sleep(leaves.unwrap_or(PATIENCE)), if leaves.is_some() => {
                    self.limits.stir(self.ticket, (self.clock)());
                }
            }
        }
    }
}

impl<F: Fn() -> Moment> Drop for Place<'_, F> {
    fn drop(&mut self) {
        if !self.is_left {
            self.limits.leave(self.ticket, (self.clock)());
        }
    }
}
