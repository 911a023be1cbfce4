//! P11, P12: what policies, budgets and credit make of calls.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod bound;
mod content;
mod ended;
mod judged;
mod models;
mod odd_requests;
mod odd_streams;
mod other_models;
mod pace;
mod refusals;
mod requests;
mod sdks;
mod stored;
mod surface;
