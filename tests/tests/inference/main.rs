//! The inference path as its callers see it: names, bytes, refusals, upstream failures, cancelling, back-pressure.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod bytes;
mod cancel;
mod credentials;
mod demo;
mod faults;
mod headers;
mod limits;
mod models;
mod names;
mod odd_inputs;
mod pressure;
mod refusals;

mod sockets;
mod timeouts;
mod upstream_errors;
