//! The short verbs: at the own node and at scripted servers, by both names of the program.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod cache;
mod codes;
mod endpoint;
mod help;
mod login;
mod named;
mod offline;
mod pages;
mod pairs;
mod samples;
