//! P11, P12: what policies say is what calls do.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod bindings;
mod bound;
mod changes;
mod clock;
mod credit;
mod cut;
mod prices;
mod queue;
mod race;
mod rates;
mod registered;
mod reservation;
mod unbounded;
