//! Where lines go, without ever making a request wait: a thread writes, a bounded queue feeds it, and what does not
//! fit is dropped and counted.

use std::io::Write;

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

/// Lines that may wait for a slow terminal or disk.
const QUEUE: usize = 8_192;

/// A sink. The guard, kept for the daemon's life, writes what is left when it is dropped.
pub(super) fn open(writer: impl Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default().buffered_lines_limit(QUEUE).lossy(true).thread_name("log").finish(writer)
}
