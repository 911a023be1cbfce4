//! Streams in every dialect: what the caller of one that fails is left with, wherever and however it fails; what was
//! counted by then; what becomes of a stream whose caller leaves.
//!
//! The rule, for each surface: every whole event that came, byte for byte, then the dialect's own word for the failure, once;
//! and where its grammar says that nothing was missing, nothing of ours.

mod counted;
mod documents;
mod endings;
mod every_index;
mod last_events;
mod leaves;
mod long;
mod own_errors;
mod planted;
mod surface;
mod usage;
