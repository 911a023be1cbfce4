//! The processes beside the daemon: this binary, started again under a hidden name, so that the CPU of each can be told
//! apart. A role says on which port it listens and ends when its input does.

mod provider;
mod proxy;
mod relay;

use std::{
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    time::Duration,
};

use bitrouter_proto::tasks::Tasks;
use tokio::net::{TcpListener, TcpStream};

use crate::{error::BenchError, load, sse::Script};

/// The scripted provider.
pub(crate) const PROVIDER: &str = "__provider";
/// Copies bytes both ways.
pub(crate) const RELAY: &str = "__relay";
/// hyper on both sides, and nothing else.
pub(crate) const PROXY: &str = "__proxy";
/// The same, but it takes the whole request, looks at its model, and sends it on then.
pub(crate) const READING_PROXY: &str = "__reading-proxy";
/// Only load, for a profiler: `__load ADDRESS SCRIPT CONNECTIONS SECONDS`.
const LOAD: &str = "__load";

/// Plays the role that the words name.
pub(crate) fn run(words: &[String]) -> Result<(), BenchError> {
    let wrong = || BenchError::Argument(format!("`{}` is not a role", words.join(" ")));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [PROVIDER] => serve(provider::run),
        [RELAY, to] => {
            let to: SocketAddr = to.parse().map_err(|_| wrong())?;
            serve(move |listener, tasks| relay::run(listener, to, tasks))
        }
        [PROXY, to] => {
            let to: SocketAddr = to.parse().map_err(|_| wrong())?;
            serve(move |listener, tasks| proxy::run(listener, to, tasks))
        }
        [READING_PROXY, to] => {
            let to: SocketAddr = to.parse().map_err(|_| wrong())?;
            serve(move |listener, tasks| proxy::run_reading(listener, to, tasks))
        }
        [LOAD, to, script, connections, seconds] => {
            let to: SocketAddr = to.parse().map_err(|_| wrong())?;
            let script = Script::parse(script).ok_or_else(wrong)?;
            let connections: usize = connections.parse().map_err(|_| wrong())?;
            let seconds = seconds.parse().map_err(|_| wrong())?;
            let window = load::alone(to, script, connections, Duration::from_secs(seconds))?;
            writeln!(io::stdout(), "{:.0} requests/s", window.per_second()).map_err(BenchError::io("print"))
        }
        _ => Err(wrong()),
    }
}

/// As many threads as the daemon has for its requests.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get).clamp(2, 4)
}

fn serve<F>(role: impl FnOnce(TcpListener, Tasks) -> F) -> Result<(), BenchError>
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
        .enable_all()
        .build()
        .map_err(BenchError::io("start a runtime"))?;
    let (listener, port) = runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(BenchError::io("listen"))?;
        let port = listener.local_addr().map_err(BenchError::io("tell the own port"))?.port();
        Ok::<_, BenchError>((listener, port))
    })?;
    let tasks = Tasks::new();
    let inside = runtime.enter();
    tasks.spawn("role", role(listener, tasks.clone()));
    drop(inside);
    writeln!(io::stdout(), "{port}").map_err(BenchError::io("tell the port"))?;
    // Whoever started this closes our input when it is done, or when it dies.
    io::stdin().read_to_end(&mut Vec::new()).ok();
    runtime.shutdown_background();
    Ok(())
}

/// The next connection, without delay for small writes.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        if let Ok((stream, _)) = listener.accept().await
            && stream.set_nodelay(true).is_ok()
        {
            return stream;
        }
    }
}
