//! The command line: exit codes, both kinds of output, and what a person reads.

mod account;
mod codes;
mod colour;
mod completion;
mod distrust;
mod doctor;
mod explain;
mod far;
mod json;
mod leaves;
mod ledger;
mod mistakes;
mod output;
mod own_leaves;
mod own_ledger;
mod refusals;
mod snapshots;
mod spinner;
mod status;
mod stop;
mod top;
mod words;
