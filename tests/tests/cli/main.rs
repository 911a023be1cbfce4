//! The command line: exit codes, both kinds of output, and what a person reads.

mod account;
mod codes;
mod colour;
mod distrust;
mod json;
mod ledger;
mod output;
mod own_ledger;
mod snapshots;
mod status;
mod stop;
mod words;
