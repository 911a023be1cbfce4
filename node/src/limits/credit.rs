//! What each person has left: a call is judged by it before it is made.
//!
//! A balance is the database's, less what settlements took that the database does not have yet.

use bitrouter_proto::account::MicroUsd;

use super::budget::{Held, Left};

/// The credit of a person.
#[derive(Clone, Debug, Default)]
pub(super) struct Credit {
    /// What was granted, less what was charged.
    pub(super) balance: MicroUsd,
    pub(super) held: Held,
}

impl Credit {
    pub(super) fn add(&mut self, amount: MicroUsd) {
        self.balance = self.balance.plus(amount);
    }

    pub(super) fn take(&mut self, amount: MicroUsd) {
        self.balance = self.balance.minus(amount);
    }

    pub(super) fn left(&self) -> Left {
        let at_most = i128::from(self.balance.micros());
        Left { now: at_most - self.held.reserved, at_most }
    }
}
