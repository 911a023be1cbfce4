//! The fault table: what fails × what the caller sees × what the log says. One test a row.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod caller;
mod connection;
mod machine;
mod places;
mod reload;
mod reply;
mod row;
