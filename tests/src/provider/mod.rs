//! The scripted upstream: raw TCP, so that it can do everything a real provider ever did. It records each request byte
//! for byte and answers with a [`Reply`], which is a list of steps.

mod absent;
mod connection;
mod exchange;
mod gate;
mod reply;

pub use absent::Absent;
pub use exchange::{Exchange, Request};
pub use gate::Gate;
pub use reply::{Reply, Step};

use std::{
    collections::VecDeque,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use crate::{
    User, openai,
    wait::{Deadline, PATIENCE},
};

type Handler = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

/// A provider on loopback. Without a script it answers as OpenAI would ([`openai::answer`]).
#[derive(Debug)]
pub struct Provider {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<VecDeque<Reply>>,
    handler: Mutex<Handler>,
    exchanges: Mutex<Vec<Arc<Exchange>>>,
    arrived: Condvar,
    closing: AtomicBool,
    connections: AtomicU64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("connections", &self.connections).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Provider {
    /// Starts it on a free port.
    pub fn start() -> Self {
        Self::start_at(0)
    }

    /// Starts it on a certain port.
    pub fn start_at(port: u16) -> Self {
        Self::start_on(TcpListener::bind(("127.0.0.1", port)).expect("a port for the provider"))
    }

    /// Starts it on a certain port, with a listener that belongs to `user`.
    pub fn start_as(user: User, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a port for the provider");
        user.own(&listener);
        Self::start_on(listener)
    }

    fn start_on(listener: TcpListener) -> Self {
        let addr = listener.local_addr().expect("the provider's address");
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            handler: Mutex::new(Arc::new(openai::answer)),
            exchanges: Mutex::default(),
            arrived: Condvar::new(),
            closing: AtomicBool::new(false),
            connections: AtomicU64::new(0),
        });
        let acceptor = Arc::clone(&shared);
        let accepting = thread::Builder::new()
            .name("provider".into())
            .spawn(move || {
                for stream in listener.incoming().flatten() {
                    if acceptor.closing.load(Ordering::Relaxed) {
                        return;
                    }
                    let shared = Arc::clone(&acceptor);
                    let number = shared.connections.fetch_add(1, Ordering::Relaxed);
                    let serving = thread::Builder::new()
                        .stack_size(256 * 1024)
                        .spawn(move || connection::serve(stream, number, &shared));
                    serving.expect("a thread for a connection");
                }
            })
            .expect("a thread for the provider");
        Self { addr, shared, accepting: Some(accepting) }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// Settings that send the calls for `id` here.
    pub fn as_provider(&self, id: &str) -> String {
        format!("[providers.{id}]\nbase_url = \"{}\"\n", self.base_url())
    }

    /// Settings that send the calls for `openai` here.
    pub fn as_openai(&self) -> String {
        self.as_provider("openai")
    }

    /// Answers the next request that has no answer yet with `reply`; may be called several times.
    pub fn next(&self, reply: Reply) {
        lock(&self.shared.queue).push_back(reply);
    }

    /// Answers every request that no [`Provider::next`] is left for with what `handler` makes of it.
    pub fn always(&self, handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        *lock(&self.shared.handler) = Arc::new(handler);
    }

    /// How many requests arrived whole.
    pub fn count(&self) -> usize {
        lock(&self.shared.exchanges).len()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// The request with this number (from 0), waiting for it where it has not arrived.
    #[track_caller]
    pub fn exchange(&self, number: usize) -> Arc<Exchange> {
        let deadline = Deadline::after(PATIENCE);
        let mut exchanges = lock(&self.shared.exchanges);
        loop {
            if let Some(exchange) = exchanges.get(number) {
                return Arc::clone(exchange);
            }
            assert!(!deadline.is_over(), "request {number} never reached the provider ({} did)", exchanges.len());
            let waited = self.shared.arrived.wait_timeout(exchanges, deadline.left());
            exchanges = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The last request that arrived.
    #[track_caller]
    pub fn last(&self) -> Arc<Exchange> {
        let exchanges = lock(&self.shared.exchanges);
        Arc::clone(exchanges.last().expect("a request at the provider"))
    }
}

impl Shared {
    fn reply_to(&self, request: &Request) -> Reply {
        if let Some(reply) = lock(&self.queue).pop_front() {
            return reply;
        }
        let handler = Arc::clone(&lock(&self.handler));
        handler(request)
    }

    fn arrived(&self, exchange: Arc<Exchange>) {
        lock(&self.exchanges).push(exchange);
        self.arrived.notify_all();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        // Wakes the acceptor, which then closes the port; connections end at their next step.
        TcpStream::connect(self.addr).ok();
        if let Some(accepting) = self.accepting.take() {
            accepting.join().ok();
        }
        // A process that was just being forked may hold the port for another moment.
        let deadline = Deadline::after(PATIENCE);
        while TcpStream::connect(self.addr).is_ok() && !deadline.is_over() {
            thread::yield_now();
        }
    }
}
