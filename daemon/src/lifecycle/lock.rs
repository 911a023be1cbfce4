//! The single-instance lock: held by the kernel for the daemon's life, and the only word on whether one runs.

use std::{
    fs::File,
    io::{Read as _, Seek as _, Write as _},
    os::fd::OwnedFd,
    time::Duration,
};

use bitrouter_proto::{clock, files, paths::Places};
use rustix::fs::FlockOperation;

use crate::lifecycle::ServeError;

/// A client that asks whether the lock is held holds it, shared, for microseconds: wait that out.
const RACE: Duration = Duration::from_millis(200);

/// The held lock, and the state directory it is in.
#[derive(Debug)]
pub(crate) struct InstanceLock {
    /// Keeps the lock; closed by the kernel when the process ends, however it ends.
    _file: File,
    /// The state directory.
    pub(super) dir: OwnedFd,
}

impl InstanceLock {
    /// Takes the lock, or says which process holds it.
    pub(crate) fn acquire(places: &Places) -> Result<Self, ServeError> {
        let dir = files::private_dir(&places.state_dir)?;
        let path = places.lock_file();
        let mut file = files::open_lock(&dir, "daemon.lock", &path)?;
        let deadline = clock::monotonic_now() + RACE;
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK) if clock::monotonic_now() < deadline => std::thread::yield_now(),
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(held(holder_in(&mut file))),
                Err(error) => {
                    let error = std::io::Error::from(error);
                    return Err(ServeError::caller(format!("cannot lock `{}`: {error}", path.display())));
                }
            }
        }
        // Only a name for messages; the lock itself is the truth.
        let pid = format!("{}\n", std::process::id());
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(pid.as_bytes()));
        Ok(Self { _file: file, dir })
    }
}

fn held(pid: Option<u32>) -> ServeError {
    let who = pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
    ServeError { running: Some(pid.unwrap_or_default()), ..ServeError::caller(format!("a daemon already runs{who}")) }
        .hint("bitrouter status")
}

fn holder_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// The process that said it holds the lock; meaningful only while the lock is held.
pub fn holder(places: &Places) -> Option<u32> {
    holder_in(&mut files::open_read(&places.lock_file()).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitrouter_proto::env::Environment;

    #[test]
    fn a_second_one_is_told_who_holds_it() {
        let root = tempfile::tempdir().unwrap();
        let env = Environment::from_iter([("HOME", root.path())]);
        let places = Places::of(&env).unwrap();
        let lock = InstanceLock::acquire(&places).unwrap();
        let error = InstanceLock::acquire(&places).unwrap_err();
        assert!(error.message.contains(&std::process::id().to_string()), "{error}");
        drop(lock);
        InstanceLock::acquire(&places).unwrap();
    }
}
