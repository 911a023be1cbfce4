//! What a call uses and costs: tokens, prices, the bound before and the charge after.
//!
//! * [`price`]: what a model's tokens cost; exact sums. `rates` says what each class costs, `price_document` how a price is
//!   written down, `price_schedule` which one holds now.
//! * [`bound`]: what a call can use at most, what its input is estimated at, and how fast its model writes.
//! * `charge`: what a call is charged, whose provider counted, or did not; `output`: our own count of a reply.
//! * `row`: a call that was admitted, until it is settled; `recorder`: what is known of a request while it runs, and the
//!   promise that it is told exactly once when it ends.

pub mod bound;
mod charge;
mod output;
pub mod price;
mod price_document;
pub(crate) mod price_schedule;
mod rates;
mod recorder;
mod row;

pub(crate) use self::{
    bound::{Asked, NamedTokens, ToolsBound},
    recorder::{BoundCall, RequestRecorder},
    row::CallEnd,
};
pub use self::{
    bound::{Bound, DEFAULT_TPS, Metered, Pace, Terms},
    price::{Cost, ModelPrice},
    price_schedule::PriceSchedule,
};
