//! The only place that prints: text for people, JSON for programs, never both in one stream.

mod printer;
mod status;

pub(crate) use printer::Printer;
pub(crate) use status::status_text;
