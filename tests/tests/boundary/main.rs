//! Who may call, from where, and what a hostile neighbour or web page gets: nothing.

mod browser;
mod caller;
mod control_socket;
mod host;
mod listen;
mod machine;
mod places;
mod secrets;
