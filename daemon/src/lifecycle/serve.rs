//! The sequence: parse → bind → ready → run → drain.

use std::time::Duration;

use super::{
    ServeError, ServeOptions, bind_all::bind_all, options::Launch, parse::parse, ready::get_ready,
    ready_pipe::ReadyPipe, signals, signals::Terminal,
};
use crate::uid::own_hidden_uid;

/// Runs the daemon in the foreground until it is told to end. `greet` gets the text for a terminal, and says whether it was
/// shown there.
///
/// # Errors
/// Why it could not start, or [`exit::INTERRUPTED`] where a second Ctrl-C cut the drain short.
pub fn serve(options: &ServeOptions, greet: impl FnOnce(&str) -> bool) -> Result<(), ServeError> {
    run(options, options.launch(), greet)
}

/// Runs the daemon in the detached child and reports over `pipe`.
pub(super) fn serve_detached(options: &ServeOptions, launch: Launch, pipe: ReadyPipe) -> Result<(), ServeError> {
    let mut pipe = Some(pipe);
    let result = run(options, launch, |_| {
        if let Some(pipe) = pipe.take() {
            pipe.ready();
        }
        false
    });
    if let (Err(error), Some(pipe)) = (&result, pipe.take()) {
        pipe.failed(error);
    }
    result
}

/// `ready` is called with the text for a terminal when both sockets answer; true where it was shown.
fn run(options: &ServeOptions, launch: Launch, ready: impl FnOnce(&str) -> bool) -> Result<(), ServeError> {
    let terminal = Terminal::at_start();
    // First of all: a signal during the start is obeyed once we are ready, instead of killing us half-way.
    let signals =
        signals::listen().map_err(|error| ServeError::failure(format!("cannot listen to signals: {error}")))?;
    if let Some(uid) = own_hidden_uid() {
        return Err(ServeError::caller(format!(
            "uid {uid} is what the kernel shows for every user it cannot name, so that the daemon could not tell its own \
             programs from others; run it as another user"
        )));
    }
    let parsed = parse(options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
        .thread_name("worker")
        .enable_all()
        .build()
        .map_err(|error| ServeError::failure(format!("cannot start the runtime: {error}")))?;
    let result = runtime.block_on(async {
        let bound = bind_all(parsed)?;
        let served = get_ready(bound, launch, signals).await?;
        let greeted = ready(&served.banner().await);
        // What was logged on the way is in the greeting and in `bitrouter logs`; around it, it would only be in the way.
        served.agent.log.release(!greeted);
        let log = served.agent.log.clone();
        let ended = served.run_and_drain(terminal).await;
        log.close();
        ended
    });
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

/// Two threads serve a laptop's load; more than four only cost memory.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get).clamp(2, 4)
}
