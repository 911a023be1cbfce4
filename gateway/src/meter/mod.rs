//! What a call uses and costs: tokens, prices, the bound before and the charge after.
//!
//! * [`price`]: what a model's tokens cost; exact sums.
//! * [`bound`]: what a call can use at most, what its input is estimated at, and how fast its model writes.
//! * `recorder`: what is known of a request while it runs, and the promise that it is told exactly once when it ends.

pub mod bound;
pub mod price;
mod recorder;

pub(crate) use self::recorder::RequestRecorder;
pub use self::{
    bound::{Bound, Metered, Pace},
    price::{Cost, ModelPrice},
};
