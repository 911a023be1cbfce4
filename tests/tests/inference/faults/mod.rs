//! The fault table: what fails × what the caller sees × what the log says. One test a row.

mod caller;
mod connection;
mod machine;
mod mid_answer;
mod places;
mod reload;
mod reply;
mod row;
