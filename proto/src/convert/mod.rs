//! Wire messages to domain types and back, one file per noun.

mod auth;
mod daemon;
mod environment;
mod namespaces;
mod people;
