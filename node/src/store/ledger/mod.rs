//! The ledger in the database: what the journal says becomes rows, sums, credit and its transactions, in one transaction
//! with the place up to which it was read, so that each record counts exactly once.
//!
//! * `apply`: some records. `batch`: what they come to, by row. `many`: statements of several rows.
//! * `requests`: the rows as they are written, `pages`: as they are read. `prices`: what they were reckoned with. `usage`: sums by hour, and of any window. `spent`: of one key. `history`: what counters begin with.
//! * `credit`: balances. `transactions`: what they are made of.
//! * `objects`: what providers have stored. `positions`: how far the journal was applied.
//! * `prune`: what is forgotten for its age.

mod apply;
mod batch;
mod credit;
mod history;
mod many;
mod objects;
mod pages;
mod positions;
mod prices;
mod prune;
mod requests;
mod spent;
mod transactions;
mod usage;

#[cfg(test)]
mod tests;

pub(super) use self::many::Many;
pub(crate) use self::{
    apply::apply,
    credit::{add_entry, add_grant, balances, credit_of},
    history::{history, kept, settled_among},
    objects::{forget_all_but_newest, stored_objects},
    pages::{open_rows, request, request_id_of, requests_after, requests_page},
    positions::{forget_segment, positions},
    prune::prune,
    requests::{last_admitted, newest},
    spent::{ModelSums, spent_with},
    transactions::{TransactionsOf, transactions},
    usage::{Sums, Window, usage, usage_by_namespace, usage_of_successes},
};

/// The most that a column holds, for what is counted without a sign.
fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
