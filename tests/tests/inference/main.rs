//! The inference path as its callers see it: names, bytes, refusals, upstream failures, cancelling, back-pressure.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod account;
mod bytes;
mod cancel;
mod certificates;
mod credentials;
mod demo;
mod demo_forced_end;
mod demo_google;
mod demo_messages;
mod demo_responses;
mod early_answer;
mod faults;
mod headers;
mod limits;
mod live_models;
mod loops;
mod manifests;
mod models;
mod name_servers;
mod names;
mod odd_inputs;
mod pressure;
mod refusals;
mod sockets;
mod streams;
mod surfaces;
mod timeouts;
mod upstream_errors;
