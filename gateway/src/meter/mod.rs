//! What a call uses and costs: tokens, prices, the bound before and the charge after.
//!
//! * [`price`]: what a model's tokens cost; exact sums. `rates` says what each class costs, `price_document` how a price is
//!   written down, `price_schedule` which one holds now.
//! * [`bound`]: what a call can use at most, what its input is estimated at, and how fast its model writes.
//! * `recorder`: what is known of a request while it runs, and the promise that it is told exactly once when it ends.

pub mod bound;
pub mod price;
mod price_document;
pub(crate) mod price_schedule;
mod rates;
mod recorder;

pub(crate) use self::recorder::RequestRecorder;
pub use self::{
    bound::{Bound, Metered, Pace},
    price::{Cost, ModelPrice},
    price_schedule::PriceSchedule,
};
