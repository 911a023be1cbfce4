//! The server on real sockets.

mod rig;
mod server;
mod strangers;
mod team;
