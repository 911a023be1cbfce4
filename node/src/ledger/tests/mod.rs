//! The ledger as a whole, on a directory of its own: what a crash, a bad disk and another process leave of it.

mod crash;
mod credit;
mod disk;
mod open_calls;
mod releases;
mod world;
