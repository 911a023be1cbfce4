//! Says when an env file changed, whatever way an editor writes it and whenever its directory appears.
//!
//! A thread of its own holds the watcher; it sleeps until one of the paths of its [`Plan`] changes, waits until the
//! change has come to rest, watches whatever has to be watched now, and says so. It reads no file and decides nothing.
//! Nothing wakes it while nothing happens; only where watching failed does it try again every [`RETRY`].

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};

use bitrouter_proto::clock;
use notify::{
    ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, ModifyKind},
};
use tokio::sync::mpsc;

use super::{
    settle::{FileEvent, Settle},
    watch_plan::Plan,
};

/// How often watching is tried again where it failed.
const RETRY: Duration = Duration::from_secs(30);
/// Changes that may wait for the thread; more are remembered as "some".
const WAITING: usize = 64;
/// How often the plan is made anew because the file system changed under it.
const ATTEMPTS: usize = 8;

/// Whether changes of env files are noticed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WatchState {
    /// They are.
    #[default]
    Watching,
    /// Some may not be.
    Degraded(WatchProblem),
}

/// Why changes of env files may go unnoticed: what failed, and what cures it where that is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WatchProblem(String);

/// Watches env files until it is dropped.
pub struct EnvFileWatch {
    shared: Arc<Shared>,
    files: Mutex<Vec<PathBuf>>,
}

impl std::fmt::Debug for EnvFileWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnvFileWatch").finish_non_exhaustive()
    }
}

/// What the watcher's callback, the thread, and the handle have in common.
struct Shared {
    /// Wakes the thread; a full queue means that it is awake.
    wake: SyncSender<Wake>,
    /// The paths whose change matters.
    paths: Mutex<BTreeSet<PathBuf>>,
    /// Set where a change found no room in the queue, or the kernel lost some.
    missed: AtomicBool,
    /// What the watcher itself reported.
    trouble: Mutex<Option<String>>,
    /// Files to watch from now on, and whom to tell when they are.
    wanted: Mutex<Option<(Vec<PathBuf>, SyncSender<()>)>>,
    state: Mutex<WatchState>,
    stop: AtomicBool,
}

#[derive(Clone, Copy)]
enum Wake {
    Event(FileEvent),
    Look,
}

impl EnvFileWatch {
    /// A watch of nothing yet. `changed` is given a word when some env file may have changed, or when the state did;
    /// where it is full, a word waits there already.
    pub fn new(changed: mpsc::Sender<()>) -> Self {
        let (wake, woken) = sync_channel(WAITING);
        let shared = Arc::new(Shared {
            wake,
            paths: Mutex::default(),
            missed: AtomicBool::new(false),
            trouble: Mutex::default(),
            wanted: Mutex::default(),
            state: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let mut watching =
            Watching { shared: Arc::clone(&shared), files: Vec::new(), watcher: None, plan: Plan::default(), changed };
        let spawned = std::thread::Builder::new().name("env-watch".to_owned()).spawn(move || {
            let run = std::panic::AssertUnwindSafe(|| watching.run(&woken));
            if std::panic::catch_unwind(run).is_err() {
                watching.report(Err("the watcher stopped working".to_owned()), true);
            }
            watching.shared.end();
        });
        if let Err(error) = spawned {
            shared.end();
            *lock(&shared.state) = WatchState::Degraded(WatchProblem(format!("cannot start a thread: {error}")));
        }
        Self { shared, files: Mutex::default() }
    }

    /// Watches `files`, which are absolute and need not exist, instead of those before. When this returns every change
    /// from now on is noticed. Where the files differ from those before, one word more is given, for what happened to
    /// them before they were watched.
    ///
    /// This waits for some system calls of the watcher, so it is not for a thread that runs tasks.
    pub fn set(&self, files: Vec<PathBuf>) -> WatchState {
        let mut current = lock(&self.files);
        if *current == files {
            let state = self.state();
            if state == WatchState::Watching {
                return state;
            }
        }
        current.clone_from(&files);
        let (done, followed) = sync_channel(1);
        *lock(&self.shared.wanted) = Some((files, done));
        if self.shared.stop.load(Ordering::SeqCst) {
            self.shared.end();
        }
        self.shared.wake(Wake::Look);
        // An error only means that there is no thread any more, which the state tells.
        let _ = followed.recv();
        self.state()
    }

    /// Whether changes are noticed now.
    pub fn state(&self) -> WatchState {
        lock(&self.shared.state).clone()
    }
}

impl Drop for EnvFileWatch {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.wake(Wake::Look);
    }
}

impl Shared {
    fn wake(&self, wake: Wake) {
        if self.wake.try_send(wake).is_err() && matches!(wake, Wake::Event(_)) {
            self.missed.store(true, Ordering::SeqCst);
        }
    }

    /// Nobody will follow the wanted files any more: whoever waits for that is let go.
    fn end(&self) {
        self.stop.store(true, Ordering::SeqCst);
        lock(&self.wanted).take();
    }

    /// Runs on the watcher's own thread, for everything that happens in the watched directories.
    fn noticed(&self, event: notify::Result<Event>) {
        match event {
            Ok(event) if event.need_rescan() => {
                self.missed.store(true, Ordering::SeqCst);
                self.wake(Wake::Look);
            }
            Ok(event) => {
                let Some(seen) = meaning(event.kind) else { return };
                let matters = {
                    let paths = lock(&self.paths);
                    event.paths.iter().any(|path| paths.contains(path))
                };
                if matters {
                    self.wake(Wake::Event(seen));
                }
            }
            Err(error) => {
                *lock(&self.trouble) = Some(explain(&error, None));
                self.wake(Wake::Look);
            }
        }
    }
}

/// What an event says of a file; `None` for what does not change one (our own reading, for instance).
fn meaning(kind: EventKind) -> Option<FileEvent> {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(FileEvent::Closed),
        EventKind::Access(_) => None,
        EventKind::Modify(ModifyKind::Data(_)) => Some(FileEvent::Writing),
        EventKind::Modify(_) | EventKind::Create(_) | EventKind::Remove(_) | EventKind::Any | EventKind::Other => {
            Some(FileEvent::Done)
        }
    }
}

/// The thread's own.
struct Watching {
    shared: Arc<Shared>,
    files: Vec<PathBuf>,
    watcher: Option<RecommendedWatcher>,
    plan: Plan,
    changed: mpsc::Sender<()>,
}

impl Watching {
    fn run(&mut self, woken: &Receiver<Wake>) {
        let mut settle = Settle::default();
        let mut retry = false;
        while !self.shared.stop.load(Ordering::SeqCst) {
            let due = settle.due().map(|due| due.saturating_duration_since(clock::monotonic_now()));
            let wake = match due.or(retry.then_some(RETRY)) {
                Some(wait) => woken.recv_timeout(wait),
                None => woken.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let now = clock::monotonic_now();
            match wake {
                Ok(Wake::Event(seen)) => settle.saw(seen, now),
                Ok(Wake::Look) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.shared.missed.swap(false, Ordering::SeqCst) {
                settle.saw(FileEvent::Done, now);
            }
            let wanted = lock(&self.shared.wanted).take();
            let trouble = lock(&self.shared.trouble).take();
            let settled = settle.due().is_some_and(|due| due <= now);
            let retrying = retry && !settled && matches!(wake, Err(RecvTimeoutError::Timeout));
            if wanted.is_none() && trouble.is_none() && !settled && !retrying {
                continue;
            }
            let mut tell = None;
            let mut differ = false;
            if let Some((files, done)) = wanted {
                differ = files != self.files;
                self.files = files;
                tell = Some(done);
            }
            let followed = self.follow().and_then(|()| trouble.map_or(Ok(()), Err));
            retry = followed.is_err();
            if settled {
                settle = Settle::default();
            }
            // What happened while nothing was watched may be a change.
            let changed = settled || differ || (retrying && !retry);
            self.report(followed, changed);
            if let Some(done) = tell {
                // Nobody waiting any more is fine.
                let _ = done.try_send(());
            }
        }
    }

    fn report(&self, followed: Result<(), String>, changed: bool) {
        let now = followed.map_or_else(|reason| WatchState::Degraded(WatchProblem(reason)), |()| WatchState::Watching);
        let differs = {
            let mut state = lock(&self.shared.state);
            let differs = *state != now;
            *state = now;
            differs
        };
        if changed || differs {
            // Full: a word waits there already. Closed: nobody wants to know.
            let _ = self.changed.try_send(());
        }
    }

    /// Watches what has to be watched now, until the plan stays the same while that is done.
    fn follow(&mut self) -> Result<(), String> {
        let mut result = Ok(());
        for _ in 0..ATTEMPTS {
            let plan = Plan::of(&self.files);
            // The old paths too, until nothing is watched for them any more.
            lock(&self.shared.paths).extend(plan.paths.iter().cloned());
            result = self.apply(&plan);
            if result.is_err() {
                // Whatever is watched by then is watched anew the next time.
                self.plan = plan;
                break;
            }
            let settled = plan == Plan::of(&self.files);
            self.plan = plan;
            if settled {
                break;
            }
        }
        lock(&self.shared.paths).clone_from(&self.plan.paths);
        result
    }

    fn apply(&mut self, plan: &Plan) -> Result<(), String> {
        let watcher = match &mut self.watcher {
            Some(watcher) => watcher,
            empty => {
                let shared = self.shared.clone();
                let config = notify::Config::default().with_follow_symlinks(false);
                let watcher = RecommendedWatcher::new(move |event| shared.noticed(event), config);
                empty.insert(watcher.map_err(|error| explain(&error, None))?)
            }
        };
        for (directory, identity) in &self.plan.directories {
            if plan.directories.get(directory) != Some(identity) {
                // It may be gone, and its watch with it.
                let _ = watcher.unwatch(directory);
            }
        }
        let mut result = Ok(());
        for directory in plan.directories.keys() {
            // Also where it is watched already: a directory that came back under its old number has lost its watch.
            match watcher.watch(directory, RecursiveMode::NonRecursive) {
                Ok(()) => {}
                // Gone again; the next plan will not have it.
                Err(error) if is_gone(&error) => {}
                Err(error) => result = Err(explain(&error, Some(directory))),
            }
        }
        result
    }
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(error) => error.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

fn explain(error: &notify::Error, directory: Option<&Path>) -> String {
    let place = directory.map(|directory| format!("cannot watch `{}`: ", directory.display())).unwrap_or_default();
    match &error.kind {
        ErrorKind::MaxFilesWatch => {
            format!("{place}the system allows no more file watches; raise `fs.inotify.max_user_watches`")
        }
        // `inotify_init` says EMFILE both where the user has too many instances and the process too many files.
        ErrorKind::Io(error) if error.raw_os_error() == Some(libc::EMFILE) => {
            format!(
                "{place}the system allows no more watchers; raise `fs.inotify.max_user_instances` or the file limit"
            )
        }
        ErrorKind::Io(error) => format!("{place}{error}"),
        ErrorKind::Generic(reason) => format!("{place}{reason}"),
        other => format!("{place}{other:?}"),
    }
}

/// A panic while one of these is held leaves nothing half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
