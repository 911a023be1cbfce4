//! The rules as a table, and the server on real sockets.

mod rig;
mod rules;
mod server;
