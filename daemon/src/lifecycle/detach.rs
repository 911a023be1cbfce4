//! `start`: the one place that forks, before any thread exists, with a pipe over which the child says that it is
//! ready or why it is not.
#![expect(unsafe_code, reason = "closing inherited descriptors after fork")]

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::{AsRawFd as _, OwnedFd},
    time::{Duration, Instant},
};

use bitrouter_proto::{clock, codes::exit};
use daemonize::{Daemonize, Outcome};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::lifecycle::{ServeError, ServeOptions, serve::serve_detached};

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

/// On which side of the fork we are.
#[derive(Debug)]
pub enum Detached {
    /// In the process that asked.
    Parent(Started),
    /// In the daemon, after it ended.
    Child(Result<(), ServeError>),
}

/// Detaches a daemon and waits at most `patience` until it answers on both sockets.
///
/// The caller has started no thread, no runtime, and holds no lock.
pub fn detach(options: &ServeOptions, patience: Duration) -> Detached {
    let (reader, writer) = match rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC) {
        Ok(ends) => ends,
        Err(error) => {
            let error = std::io::Error::from(error);
            return Detached::Parent(Started::Failed(ServeError::failure(format!("cannot make a pipe: {error}"))));
        }
    };
    match Daemonize::new().working_directory("/").umask(0o077).execute() {
        Outcome::Parent(Ok(_)) => {
            drop(writer);
            Detached::Parent(listen(reader, clock::mono() + patience))
        }
        Outcome::Parent(Err(error)) => {
            Detached::Parent(Started::Failed(ServeError::failure(format!("cannot detach: {error}"))))
        }
        Outcome::Child(Err(_)) => Detached::Child(Err(ServeError::failure("cannot detach"))),
        Outcome::Child(Ok(_)) => {
            drop(reader);
            close_inherited(&writer);
            Detached::Child(serve_detached(options, ReadyPipe(File::from(writer))))
        }
    }
}

/// Closes everything above standard error but the pipe: `$(bitrouter start)` must not wait for a daemon that still
/// holds the caller's pipe, and a daemon must not pin the caller's files.
fn close_inherited(keep: &OwnedFd) {
    let keep = keep.as_raw_fd();
    let highest = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(4096).min(65_536);
    let highest = libc::c_int::try_from(highest).unwrap_or(4096);
    #[cfg(target_os = "linux")]
    {
        let close = |first: libc::c_int, last: libc::c_uint| {
            first.cast_unsigned() > last
                // SAFETY: the process is the fresh, single-threaded child of `detach`; no Rust value owns a descriptor
                // above 2 but `keep`, which lies outside of both ranges.
                || unsafe { libc::syscall(libc::SYS_close_range, first, last, 0_u32) } == 0
        };
        if close(3, (keep - 1).cast_unsigned()) && close(keep + 1, libc::c_uint::MAX) {
            return;
        }
    }
    for fd in (3..highest).filter(|fd| *fd != keep) {
        // SAFETY: as above; closing a number that is not open only fails with EBADF.
        unsafe { libc::close(fd) };
    }
}

/// The child's end of the pipe.
#[derive(Debug)]
pub(super) struct ReadyPipe(File);

impl ReadyPipe {
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
fn listen(reader: OwnedFd, deadline: Instant) -> Started {
    let mut said = Vec::new();
    let mut file = File::from(reader);
    loop {
        let left = deadline.saturating_duration_since(clock::mono());
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
    use super::*;

    #[test]
    fn the_reason_reaches_the_parent_whole() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let error = ServeError::caller("port 1 is held by x (pid 2)").hint("bitrouter serve --listen 127.0.0.1:0");
        ReadyPipe(File::from(writer)).failed(&error);
        match listen(reader, clock::mono() + Duration::from_secs(5)) {
            Started::Failed(told) => assert_eq!(told, error),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn readiness_and_sudden_death_are_told_apart() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        ReadyPipe(File::from(writer)).ready();
        let expected = std::process::id();
        assert!(
            matches!(listen(reader, clock::mono() + Duration::from_secs(5)), Started::Ready { pid } if pid == expected)
        );
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(writer);
        assert!(
            matches!(listen(reader, clock::mono() + Duration::from_secs(5)), Started::Failed(e) if e.exit == exit::FAILURE)
        );
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        assert!(matches!(listen(reader, clock::mono() + Duration::from_millis(20)), Started::Silent));
    }
}
