//! What a service manager hears: the socket behind `NOTIFY_SOCKET` (sd_notify(3)).

use std::{
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Instant,
};

use bitrouter_proto::clock;

use crate::{
    wait::{Deadline, PATIENCE},
    world::World,
};

/// A listening `NOTIFY_SOCKET`.
#[derive(Debug)]
pub struct NotifySocket {
    path: PathBuf,
    shared: Arc<(Mutex<Vec<Heard>>, Condvar)>,
}

/// One datagram.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Its lines, such as `READY=1`.
    pub lines: Vec<String>,
    /// When it arrived.
    pub at: Instant,
}

impl Heard {
    /// True where one of its lines is `line`.
    pub fn says(&self, line: &str) -> bool {
        self.lines.iter().any(|own| own == line)
    }

    /// What stands after `NAME=`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    }
}

impl NotifySocket {
    /// Listens below the world's root.
    pub fn open(world: &World) -> Self {
        let path = world.path("notify.sock");
        let socket = UnixDatagram::bind(&path).expect("bind the notify socket");
        world.user().own_path(&path);
        let shared = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let heard = Arc::clone(&shared);
        thread::Builder::new()
            .name("notify".into())
            .spawn(move || {
                let mut buffer = [0; 8192];
                while let Ok(length) = socket.recv(&mut buffer) {
                    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    let lines = text.lines().map(str::to_owned).collect();
                    heard
                        .0
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(Heard { lines, at: clock::monotonic_now() });
                    heard.1.notify_all();
                }
            })
            .expect("a thread for the notify socket");
        Self { path, shared }
    }

    /// What to put into `NOTIFY_SOCKET`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything heard so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many datagrams with this line were heard so far.
    pub fn count(&self, line: &str) -> usize {
        self.heard().iter().filter(|heard| heard.says(line)).count()
    }

    /// Waits for a datagram that satisfies `condition`, among those after the first `skip`, and returns it.
    #[track_caller]
    pub fn until(&self, what: &str, skip: usize, condition: impl Fn(&Heard) -> bool) -> Heard {
        let deadline = Deadline::after(PATIENCE);
        let mut heard = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = heard.iter().skip(skip).find(|one| condition(one)) {
                return found.clone();
            }
            assert!(!deadline.is_over(), "{what} was never heard; heard: {heard:?}");
            heard = self.shared.1.wait_timeout(heard, deadline.left()).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for this line among the datagrams after the first `skip`.
    #[track_caller]
    pub fn until_says(&self, line: &str, skip: usize) -> Heard {
        self.until(&format!("`{line}`"), skip, |heard| heard.says(line))
    }
}
