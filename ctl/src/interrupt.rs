//! Ctrl-C while something is waited for: the wait ends, and what stands on the terminal is put right first.

use std::{
    os::unix::net::UnixStream as Pair,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{SigId, consts::SIGINT, low_level};
use tokio::net::UnixStream;

use crate::exit::Failure;

/// True while nobody listens: then Ctrl-C ends the process, as ever.
static DEAF: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Hears Ctrl-C while it lives. There is one at a time.
#[derive(Debug)]
pub(crate) struct Interrupt {
    heard: UnixStream,
    id: SigId,
}

impl Interrupt {
    /// Begins to listen.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let (read, write) = Pair::pair()?;
        read.set_nonblocking(true)?;
        let heard = UnixStream::from_std(read)?;
        match DEAF.get() {
            Some(deaf) => deaf.store(false, Ordering::Relaxed),
            // A handler that was put there once stays; this one does what the system would have done.
            None => {
                signal_hook::flag::register_conditional_default(SIGINT, DEAF.get_or_init(Arc::default).clone())?;
            }
        }
        Ok(Self { heard, id: low_level::pipe::register(SIGINT, write)? })
    }

    /// Returns once somebody pressed it.
    pub(crate) async fn pressed(&self) {
        // Where it cannot be listened for, nobody is to wait for ever.
        let _ = self.heard.readable().await;
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        low_level::unregister(self.id);
        if let Some(deaf) = DEAF.get() {
            deaf.store(true, Ordering::Relaxed);
        }
    }
}
