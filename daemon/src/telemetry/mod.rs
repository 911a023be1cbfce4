//! What the daemon says about itself: log lines to a sink and a ring, and metrics.
//!
//! [`layer`] turns tracing events into lines, [`format`] is how a line looks, [`value`] how a value in it, [`sink`] where
//! it goes (stderr or the rotating [`file`]), [`ring`] keeps the newest for `bitrouter logs`. [`metrics`] counts;
//! [`requests`] is where the gateway records what it did, [`request_line`] how each request is told of.

mod file;
mod format;
mod layer;
pub mod metrics;
mod request_line;
pub mod requests;
mod ring;
mod sink;
mod value;

/// What stands at the end of a line that was cut.
const CUT: &str = "…";

pub use layer::{Logging, RequestLog, SinkKind};
pub use ring::{LogRing, Reader as LogReader};
