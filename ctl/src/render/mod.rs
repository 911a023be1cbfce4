//! The only place that prints: text for people, JSON for programs, never both in one stream.

mod block;
mod log_line;
mod printer;
mod qr;
mod span;
pub(crate) mod spinner;
mod status;
pub(crate) mod style;
mod table;
mod wrap;

pub(crate) use block::block_text;
pub(crate) use log_line::log_line;
pub(crate) use printer::{Printer, failure_text};
pub(crate) use qr::qr_text;
pub(crate) use span::{moment, until, when};
pub(crate) use status::{View, status_text};
pub(crate) use table::{Column, Layout, NOTHING, Shown, rows_text, table_text};
