//! Wire messages to domain types and back, one file per noun.

mod activity;
mod auth;
mod billing;
mod daemon;
mod environment;
mod explain;
mod members;
mod namespaces;
mod node;
mod people;
mod usage;
