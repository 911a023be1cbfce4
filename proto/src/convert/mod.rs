//! Wire messages to domain types and back, one file per noun.

mod daemon;
mod environment;
mod namespaces;
mod people;
