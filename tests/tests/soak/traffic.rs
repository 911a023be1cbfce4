//! Everything at once, without a pause and at a bounded rate: calls of every ending, and everything that changes the
//! daemon while they run.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use bitrouter_proto::wire::{
    ListNamesRequest, ListNamesResponse, PushRequest, PushResponse, SetLevelRequest, SetLevelResponse, StatusRequest,
    StatusResponse, Variable,
};
use bitrouter_tests::{
    Daemon, End, Provider, Reply, World, control::Control, openai, provider::Request, shared_files, wait,
};
use rustix::process::Signal;

/// The pause of each caller between two calls: a soak looks for what stays behind, not for speed.
const PAUSE: Duration = Duration::from_millis(15);

/// How many call at the same time.
const CALLERS: u64 = 4;

/// What was done, by kind.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    plain: AtomicU64,
    streams: AtomicU64,
    cancelled: AtomicU64,
    errors: AtomicU64,
    statuses: AtomicU64,
    pushes: AtomicU64,
    reloads: AtomicU64,
}

impl Counts {
    pub(crate) fn report(&self) {
        let [plain, streams, cancelled, errors, statuses, pushes, reloads] =
            [&self.plain, &self.streams, &self.cancelled, &self.errors, &self.statuses, &self.pushes, &self.reloads]
                .map(|count| count.load(Ordering::Relaxed));
        println!(
            "{plain} plain calls, {streams} streams, {cancelled} cancelled, {errors} errors; {statuses} statuses, \
             {pushes} pushes and level changes, {reloads} reloads (command, SIGHUP, env file)"
        );
        assert!(
            [plain, streams, cancelled, errors, statuses, pushes, reloads].iter().all(|count| *count > 0),
            "a kind of traffic never ran"
        );
    }
}

fn count(of: &AtomicU64) {
    of.fetch_add(1, Ordering::Relaxed);
}

/// Answers by the model's name, as [`caller`] asks.
pub(crate) fn provider() -> Provider {
    let provider = Provider::start();
    provider.always(|request: &Request| match request.model().as_str() {
        "broken" => Reply::json(500, r#"{"error":{"message":"broken","type":"server_error","code":null}}"#),
        "busy" => Reply::with(429, &[("content-type", "application/json"), ("retry-after", "1")], r#"{"error":{}}"#),
        "cut" => Reply::stream().token("first").close(),
        "endless" => Reply::stream().token("first").stall(),
        _ => openai::answer(request),
    });
    provider
}

/// Runs the whole mix until `watch` returns.
#[track_caller]
pub(crate) fn during<T>(daemon: &Daemon, keys: &[String], counts: &Counts, watch: impl FnOnce() -> T) -> T {
    let running = AtomicBool::new(true);
    let socket = daemon.socket();
    thread::scope(|scope| {
        let stop = Stop(&running);
        let mut threads: Vec<_> = (0..CALLERS)
            .map(|number| {
                let running = &running;
                scope.spawn(move || {
                    let mut turn = number * 3;
                    while running.load(Ordering::Relaxed) {
                        call(daemon, turn, counts);
                        turn += 1;
                        wait::pass(PAUSE);
                    }
                })
            })
            .collect();
        threads.push(
            scope.spawn(|| repeat(&running, Duration::from_millis(100), |turn| talk(&socket, turn, keys, counts))),
        );
        threads.push(
            scope.spawn(|| repeat(&running, Duration::from_millis(400), |turn| change(daemon, turn, keys, counts))),
        );
        let watched = watch();
        drop(stop);
        for thread in threads {
            thread.join().expect("the traffic failed");
        }
        watched
    })
}

fn repeat(running: &AtomicBool, pause: Duration, mut once: impl FnMut(u64)) {
    let mut turn = 0;
    while running.load(Ordering::Relaxed) {
        once(turn);
        turn += 1;
        wait::pass(pause);
    }
}

/// One call to the inference endpoint.
fn call(daemon: &Daemon, turn: u64, counts: &Counts) {
    let http = daemon.http();
    match turn % 12 {
        0..=2 => {
            http.chat("openai:m", "x").send().ok();
            count(&counts.plain);
        }
        3..=5 => {
            let answer = http.chat_stream("openai:m", "x").send().ok();
            assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
            count(&counts.streams);
        }
        6 => {
            // It leaves in the middle of a stream that would never end.
            http.chat_stream("openai:endless", "x").open().until_contains("first");
            count(&counts.cancelled);
        }
        7 => {
            // It leaves before any answer.
            drop(http.chat("openai:m", "x").fire());
            count(&counts.cancelled);
        }
        8 => failed(http.chat("openai:broken", "x").send().status, 500, counts),
        9 => failed(http.chat("openai:busy", "x").send().status, 429, counts),
        10 => {
            let answer = http.chat_stream("openai:cut", "x").send();
            assert!(answer.end != End::Stalled && !answer.text().contains("[DONE]"), "{}", answer.text());
            count(&counts.errors);
        }
        _ => {
            // Each name is another one: nothing may be kept for it.
            failed(http.chat(&format!("no-such-model-{turn}"), "x").send().status, 404, counts);
            failed(http.post("/v1/chat/completions").json("{").send().status, 400, counts);
            failed(http.get(&format!("/nowhere/{turn}")).send().status, 404, counts);
            failed(http.get("/v1/models").host("evil.example").send().status, 403, counts);
        }
    }
}

#[track_caller]
fn failed(status: u16, expected: u16, counts: &Counts) {
    assert_eq!(status, expected);
    count(&counts.errors);
}

/// One connection to the control socket, and what a shell's hook and a curious user ask on it.
fn talk(socket: &Path, turn: u64, keys: &[String], counts: &Counts) {
    let mut control = Control::connect(socket);
    control.call::<StatusResponse>("DaemonService/Status", &StatusRequest {}).expect("a status");
    count(&counts.statuses);
    if turn.is_multiple_of(3) {
        let names = control.call::<ListNamesResponse>("EnvironmentService/ListNames", &ListNamesRequest::default());
        assert!(!names.expect("names").message.names.is_empty());
        let value = Some(pick(keys, turn).to_owned());
        let push = PushRequest { variables: vec![Variable { name: "OPENAI_API_KEY".into(), value }] };
        control.call::<PushResponse>("EnvironmentService/Push", &push).expect("a push");
        count(&counts.pushes);
    }
    if turn.is_multiple_of(7) {
        let level = if turn.is_multiple_of(2) { "info" } else { "debug" };
        let level = SetLevelRequest { level: level.into() };
        control.call::<SetLevelResponse>("LogService/SetLevel", &level).expect("a level");
        count(&counts.pushes);
    }
}

/// One change of everything, by each road in turn.
fn change(daemon: &Daemon, turn: u64, keys: &[String], counts: &Counts) {
    let world = daemon.world();
    match turn % 6 {
        0 => world.cli(["reload"]).expect_code(0),
        1 => {
            // Another terminal: a session of its own, which ends at once while its keys live on.
            let run = world.command_of_another_terminal(["reload"]);
            run.env("OPENAI_API_KEY", pick(keys, turn)).run().expect_code(0);
        }
        2 => daemon.signal(Signal::HUP),
        3 => drop(world.rename_over("config/bitrouter/env", format!("GROQ_API_KEY={}\n", pick(keys, turn)))),
        4 => drop(world.cli(["status"]).with_code(0)),
        _ => {
            world.cli(["logs", "-n", "5"]).expect_code(0);
            return;
        }
    }
    count(&counts.reloads);
}

fn pick(keys: &[String], turn: u64) -> &str {
    &keys[usize::try_from(turn).unwrap_or_default() % keys.len()]
}

/// As many terminal sessions as a daemon remembers, and some more: a value outlives its session, so that until then each
/// new one takes a little memory by design.
#[track_caller]
pub(crate) fn fill_sessions(world: &World, key: &str) {
    let script = "for _ in $(seq 1100); do setsid --wait \"$BITROUTER\" reload > /dev/null || exit 1; done";
    let run = world.program(Path::new("/bin/sh"), ["-c", script]).env("BITROUTER", shared_files::binary());
    run.env("OPENAI_API_KEY", key).within(Duration::from_mins(5)).run().expect_code(0);
}

/// Ends the traffic also where the watcher panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// A few keys that must turn up nowhere.
pub(crate) fn keys(world: &World) -> Vec<String> {
    (0..8).map(|number| world.canary(&format!("soak{number}"))).collect()
}
