//! `start`: the one place that forks, before any thread exists, with a pipe over which the child says that it is
//! ready or why it is not.
#![expect(unsafe_code, reason = "closing inherited descriptors after fork")]

use std::{
    os::fd::{AsRawFd as _, OwnedFd},
    time::Duration,
};

use bitrouter_proto::clock;
use daemonize::{Daemonize, Outcome};

use super::{
    ServeError, ServeOptions,
    ready_pipe::{self, ReadyPipe, Started},
    serve::serve_detached,
};

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
    let launch = options.launch();
    match Daemonize::new().working_directory("/").umask(0o077).execute() {
        Outcome::Parent(Ok(_)) => {
            drop(writer);
            Detached::Parent(ready_pipe::hear(reader, clock::monotonic_now() + patience))
        }
        Outcome::Parent(Err(error)) => {
            Detached::Parent(Started::Failed(ServeError::failure(format!("cannot detach: {error}"))))
        }
        Outcome::Child(Err(_)) => Detached::Child(Err(ServeError::failure("cannot detach"))),
        Outcome::Child(Ok(_)) => {
            drop(reader);
            close_inherited(&writer);
            Detached::Child(serve_detached(options, launch, ReadyPipe::new(writer)))
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
