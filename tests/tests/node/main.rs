//! The node, as it is used: by its verbs, over its REST interface.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod backup;
mod billing;
mod console;
mod explain;
mod in_place;
mod limits;
mod members;
mod namespaces;
mod off;
mod openapi;
mod own_key;
mod people;
mod postgres;
mod rest;
mod tokens;
