//! The pipe over which a detached daemon says that it is ready, or why it never will be.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
    time::Instant,
};

use bitrouter_proto::{clock, codes::exit};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::ServeError;

/// How `start` ended, in the process that asked.
#[derive(Debug)]
pub enum Started {
    /// The child answers on both sockets.
    Ready {
        /// Its process.
        pid: u32,
    },
    /// It could not start.
    Failed(ServeError),
    /// It said nothing in time; it may still come.
    Silent,
}

/// The child's end of the pipe.
#[derive(Debug)]
pub(super) struct ReadyPipe(File);

impl ReadyPipe {
    /// The writing end.
    pub(super) fn new(writer: OwnedFd) -> Self {
        Self(File::from(writer))
    }

    /// Says that both sockets answer.
    pub(super) fn ready(mut self) {
        // The parent may have lost patience; the daemon goes on.
        let _ = write!(self.0, "R{}", std::process::id());
    }

    /// Says why there will be no daemon.
    pub(super) fn failed(mut self, error: &ServeError) {
        let running = error.running.map(|pid| pid.to_string()).unwrap_or_default();
        let text = format!("E{}\0{}\0{}\0{running}", error.exit, error.message, error.hint.as_deref().unwrap_or(""));
        let _ = self.0.write_all(text.as_bytes());
    }
}

/// Reads what the child says until it closes the pipe, or until `deadline`.
pub(super) fn hear(reader: OwnedFd, deadline: Instant) -> Started {
    let mut said = Vec::new();
    let mut file = File::from(reader);
    loop {
        let left = deadline.saturating_duration_since(clock::monotonic_now());
        if left.is_zero() {
            return Started::Silent;
        }
        let timeout =
            Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&file, PollFlags::IN)], Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) | Err(_) => {}
        }
        let mut chunk = [0_u8; 4096];
        match file.read(&mut chunk) {
            Ok(0) | Err(_) => return understand(&said),
            Ok(n) => said.extend_from_slice(&chunk[..n]),
        }
    }
}

fn understand(said: &[u8]) -> Started {
    let text = String::from_utf8_lossy(said);
    if let Some(pid) = text.strip_prefix('R').and_then(|pid| pid.parse().ok()) {
        return Started::Ready { pid };
    }
    if let Some(rest) = text.strip_prefix('E') {
        let mut parts = rest.split('\0');
        let mut next = || parts.next().unwrap_or_default();
        let exit = next().parse().unwrap_or(exit::FAILURE);
        let message = next().to_owned();
        let hint = Some(next().to_owned()).filter(|hint| !hint.is_empty());
        let running = next().parse().ok();
        return Started::Failed(ServeError { message, hint, exit, running });
    }
    Started::Failed(
        ServeError::failure("the daemon ended before it was ready; in the foreground it says why")
            .hint("bitrouter serve"),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_reason_reaches_the_parent_whole() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let error = ServeError::caller("port 1 is held by x (pid 2)").hint("bitrouter serve --listen 127.0.0.1:0");
        ReadyPipe::new(writer).failed(&error);
        match hear(reader, clock::monotonic_now() + Duration::from_secs(5)) {
            Started::Failed(told) => assert_eq!(told, error),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn readiness_and_sudden_death_are_told_apart() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        ReadyPipe::new(writer).ready();
        let expected = std::process::id();
        assert!(
            matches!(hear(reader, clock::monotonic_now() + Duration::from_secs(5)), Started::Ready { pid } if pid == expected)
        );
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(writer);
        assert!(
            matches!(hear(reader, clock::monotonic_now() + Duration::from_secs(5)), Started::Failed(e) if e.exit == exit::FAILURE)
        );
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        assert!(matches!(hear(reader, clock::monotonic_now() + Duration::from_millis(20)), Started::Silent));
    }
}
