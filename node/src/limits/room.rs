//! Whether money has room for what a call reads, before anything is decided: where it has not, it is worth to have the call's
//! provider count.

use super::{Applicable, Limits, Terms};
use crate::clock::Moment;

impl Limits {
    /// True where every budget and the credit have room now for the input of a call alone.
    pub fn has_room_for_input(&self, applicable: &Applicable, terms: &dyn Terms, now: Moment) -> bool {
        let Some(cost) = terms.input_cost() else { return true };
        let needs = i128::from(cost.micros());
        let mut state = self.locked();
        applicable.purses().all(|purse| state.left(purse, now).is_none_or(|left| left.now >= needs))
    }
}
