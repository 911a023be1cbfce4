//! From tracing events to lines, and the level that can change while the daemon runs.

use std::{
    cell::RefCell,
    fmt,
    io::IsTerminal as _,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use bitrouter_gateway::ports::RequestRecord;
use bitrouter_proto::files::{self, PlaceError};
use tokio::sync::watch;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt as _},
    reload,
    util::SubscriberInitExt as _,
};

use crate::{
    config::Level,
    telemetry::{
        LogRing,
        file::RotatingFile,
        format::{self, Form},
        request_line::request_line,
        sink::{self, Sink, SinkGuard},
    },
};

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Trace => LevelFilter::TRACE,
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warn => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
    }
}

/// Where the lines of this daemon go.
#[derive(Clone, Debug)]
pub enum SinkKind {
    /// Standard error, for `serve`.
    Stderr,
    /// The rotating file, for `start`.
    File(PathBuf),
}

/// The running log. Dropping it writes what is left.
pub struct Logging {
    lines: Arc<Lines>,
    level: std::sync::Mutex<Level>,
    handle: reload::Handle<LevelFilter, Registry>,
    guard: SinkGuard,
}

impl fmt::Debug for Logging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logging").field("level", &self.level).finish_non_exhaustive()
    }
}

impl Logging {
    /// Makes this the log of the process. `json`: `None` means people on a terminal, JSON elsewhere.
    ///
    /// # Errors
    /// When the log file cannot be opened safely.
    pub fn start(level: Level, json: Option<bool>, kind: &SinkKind) -> Result<Self, PlaceError> {
        let (form, (sink, guard)) = match kind {
            SinkKind::Stderr => {
                let json = json.unwrap_or_else(|| !std::io::stderr().is_terminal());
                (if json { Form::Json } else { Form::Human }, sink::open(std::io::stderr()))
            }
            SinkKind::File(path) => {
                let dir = files::private_dir(path.parent().unwrap_or(path))?;
                let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("daemon.log");
                let file = RotatingFile::open(dir, name, path.clone())?;
                (if json.unwrap_or(true) { Form::Json } else { Form::Human }, sink::open(file))
            }
        };
        let ring = LogRing::default();
        let (threshold, handle) = reload::Layer::new(filter(level));
        let lines = Arc::new(Lines { form, ring, sink, tells_requests: AtomicBool::new(tells_requests(level)) });
        // A second subscriber in one process (unit tests) is refused; the first one stays.
        let _ = tracing_subscriber::registry().with(threshold).with(Forward(Arc::clone(&lines))).try_init();
        Ok(Self { lines, level: std::sync::Mutex::new(level), handle, guard })
    }

    /// Writes nothing until [`Logging::release`] or the end; the ring gets every line all the same.
    pub fn hold(&self) {
        self.lines.sink.hold();
    }

    /// Writes from now on; what was held back only where it is to be shown.
    pub fn release(&self, show: bool) {
        self.lines.sink.release(show);
    }

    /// Writes what is left. For the end of the process: a thread that hangs may still hold the log.
    pub fn close(&self) {
        self.guard.close();
    }

    /// The newest lines.
    pub fn ring(&self) -> &LogRing {
        &self.lines.ring
    }

    /// Where the line of each request goes.
    pub fn request_log(&self) -> RequestLog {
        RequestLog(Arc::clone(&self.lines))
    }

    /// Why lines cannot be written at the moment; `None` while they can.
    pub fn problem(&self) -> watch::Receiver<Option<String>> {
        self.guard.problem()
    }

    /// The level in force.
    pub fn level(&self) -> Level {
        *self.level.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Changes the level; answers the one before.
    pub fn set_level(&self, level: Level) -> Level {
        let mut current = self.level.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.handle.modify(|threshold| *threshold = filter(level)).is_err() {
            tracing::warn!("the log level cannot be changed: another subscriber is in force");
        }
        self.lines.tells_requests.store(tells_requests(level), Relaxed);
        std::mem::replace(&mut *current, level)
    }
}

/// Where the line of each request goes. Cloning shares it.
#[derive(Clone)]
pub struct RequestLog(Arc<Lines>);

impl fmt::Debug for RequestLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestLog")
    }
}

impl RequestLog {
    /// Tells of a finished request.
    pub(super) fn tell(&self, record: &RequestRecord) {
        if self.0.tells_requests.load(Relaxed) {
            self.0.write(|form, line| request_line(form, record, line));
        }
    }
}

/// Requests are told of at level `info`.
fn tells_requests(level: Level) -> bool {
    tracing::Level::INFO <= filter(level)
}

struct Lines {
    form: Form,
    ring: LogRing,
    sink: Sink,
    tells_requests: AtomicBool,
}

/// Memory that a thread's buffer keeps after a long line.
const KEPT: usize = 8 * 1024;

thread_local! {
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}

impl Lines {
    /// Writes one line to ring and sink.
    fn write(&self, make: impl FnOnce(Form, &mut String)) {
        LINE.with_borrow_mut(|line| {
            line.clear();
            make(self.form, line);
            self.ring.push(line);
            line.push('\n');
            self.sink.append(line);
            if line.capacity() > KEPT {
                line.clear();
                line.shrink_to(KEPT);
            }
        });
    }
}

/// What tracing is given.
struct Forward(Arc<Lines>);

impl<S: Subscriber> Layer<S> for Forward {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let meta = event.metadata();
        // Our own crates at any level; libraries only when something is wrong, because their traces hold headers.
        if meta.target().starts_with("bitrouter") || *meta.level() <= tracing::Level::WARN {
            self.0.write(|form, line| format::line(form, event, line));
        }
    }
}
