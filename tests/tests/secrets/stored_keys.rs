//! Provider keys that people have stored: in no place that others of this crate look into, whatever is done with them and however
//! the daemon ends while one is open for a call.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bitrouter_tests::{
    Daemon, Provider, Reply, World, canary, process::shell_code, procfs, provider::Request, shared_files,
    sign_in::Owner, wait,
};
use rustix::process::Signal;

/// A provider that takes keys of others, known to the daemon of this world.
fn acme(world: &World, settings: &str) -> Provider {
    let provider = Provider::start();
    let manifest = format!(
        "id = \"acme\"\nkind = \"first_party\"\nendpoint = \"{}\"\nprotocol = [\"chat_completions\"]\n[payment]\nmodes = [\"byok\"]\n\
         [[models]]\nid = \"m\"\nmax_input_tokens = 10_000\nmax_output_tokens = 100\n\
         [models.pricing.input_tokens]\nno_cache = 10.0\n[models.pricing.output_tokens]\ntext = 50.0\n",
        provider.base_url()
    );
    world.write("config/bitrouter/registry/acme.toml", manifest);
    world.config(settings);
    provider
}

/// Stores `key` for the node's owner.
#[track_caller]
fn store(world: &World, key: &str) {
    let words = ["cloud", "byok", "set", "--provider", "acme", "--local", "--key-stdin"];
    world.command(words).stdin(format!("{key}\n")).run().expect_code(0);
}

/// What a provider says that repeats the key in every way.
fn repeats(turn: usize, request: &Request) -> Reply {
    let key = request.key().unwrap_or("none").to_owned();
    let json = ("content-type", "application/json");
    let error = format!(r#"{{"error":{{"message":"bad key {key}"}}}}"#);
    match turn % 10 {
        0 => Reply::json(401, error),
        1 => Reply::body(500, "text/html", format!("<p>{key}</p>")),
        2 => Reply::raw(format!("garbage {key}\r\n\r\n")).close(),
        3 => Reply::with(429, &[json, ("x-echo", &key)], error),
        4 => Reply::redirect(&format!("https://elsewhere.invalid/?key={key}")),
        5 => Reply::json(200, error),
        6 => Reply::with(200, &[json, ("x-echo", &key)], r#"{"id":"c","object":"chat.completion","choices":[]}"#),
        7 => Reply::stream().token("one ").piece(format!("data: {error}\n\n")).end(),
        8 => Reply::stream().token("one ").reset(),
        _ => Reply::json(200, r#"{"id":"c","object":"chat.completion","choices":[]}"#),
    }
}

/// Calls that the stored key pays for, and everything that anybody can ask for while the daemon runs.
#[track_caller]
fn everything(world: &World, daemon: &Daemon, keys: &[String]) {
    let absent = |place: &str, bytes: &[u8]| assert_eq!(canary::find(keys, place, bytes), Vec::<String>::new());
    for _ in 0..10 {
        for call in [daemon.http().chat("acme:m", "hello"), daemon.http().chat_stream("acme:m", "hello")] {
            let answer = call.send();
            absent("a reply", format!("{:?}{}", answer.headers, answer.text()).as_bytes());
        }
    }
    for path in ["/metrics", "/v1/models", "/health"] {
        absent(path, &daemon.http().get(path).send().body);
    }
    let owner = Owner::sign_in(world, daemon);
    for page in ["/console", "/console/keys"] {
        absent(page, owner.get(page).ok().text().as_bytes());
    }
    for words in [
        &["status"][..],
        &["status", "--json"],
        &["logs"],
        &["logs", "--json"],
        &["cloud", "byok", "list", "--local"],
        &["cloud", "byok", "list", "--local", "--json"],
        &["cloud", "requests", "--local", "--json"],
        &["node", "byok", "audit", "--json"],
        &["explain", "acme:m", "--json"],
    ] {
        absent(&words.join(" "), world.cli(words).text().as_bytes());
    }
    for pid in world.processes() {
        absent("arguments", procfs::cmdline(pid).unwrap_or_default().as_bytes());
    }
    assert_eq!(procfs::children(daemon.pid()), Vec::<u32>::new(), "a child of the daemon inherits its memory");
    absent("daemon.json", &std::fs::read(world.daemon_json()).expect("daemon.json"));
}

/// Everything below the world: settings, database, journal, logs, sockets' directories.
#[track_caller]
fn nowhere(world: &World, keys: &[String]) {
    assert_eq!(canary::find_in_files(keys, world.root(), &[]), Vec::<String>::new());
    assert_eq!(world.leaks(), Vec::<String>::new());
}

#[test]
fn p03_a_stored_key_is_in_no_output_and_no_file() {
    let world = World::new();
    let provider = acme(&world, "[log]\nlevel = \"trace\"\n");
    let turn = AtomicUsize::new(0);
    provider.always(move |request| repeats(turn.fetch_add(1, Ordering::Relaxed) / 2, request));
    let keys = vec![world.canary("first"), world.canary("second")];
    let start = ["start", "--listen", "127.0.0.1:0"];
    world.command(start).env("BITROUTER_LOG", "trace").run().expect_code(0);
    let daemon = world.detached();
    daemon.until_node_is_on();
    store(&world, &keys[0]);
    everything(&world, &daemon, &keys);
    // What it leaves to its successor, and what an upgrade or a copy takes along.
    world.cli(["restart"]).expect_code(0);
    drop(daemon);
    let daemon = world.detached();
    daemon.until_node_is_on();
    world.cli(["node", "byok", "rotate"]).expect_code(0);
    store(&world, &keys[1]);
    everything(&world, &daemon, &keys);
    let copy = world.path("home/copy.db");
    world.cli(["node", "backup", &copy.to_string_lossy()]);
    world.cli(["cloud", "byok", "delete", "acme", "--local"]).expect_code(0);
    let log = std::fs::read(world.path("state/bitrouter/daemon.log")).expect("a log");
    assert!(log.len() > 1000, "the log says nothing");
    nowhere(&world, &keys);
    daemon.stop();
    nowhere(&world, &keys);
}

#[test]
fn p03_a_crash_while_a_stored_key_is_open_leaves_no_core_and_no_word_of_it() {
    for (signal, code) in [(Signal::ABORT, 134), (Signal::SEGV, 139), (Signal::KILL, 137)] {
        let world = World::new();
        let provider = acme(&world, "");
        let keys = [world.canary("open")];
        // Even where its user wants cores.
        let script = "ulimit -c unlimited 2>/dev/null; exec \"$BITROUTER\" serve --listen 127.0.0.1:0";
        let run = world.program("/bin/sh".as_ref(), ["-c", script]).env("BITROUTER", shared_files::binary());
        let mut process = run.env("BITROUTER_LOG", "trace").spawn();
        let daemon = world.detached();
        daemon.until_node_is_on();
        store(&world, &keys[0]);
        provider.next(Reply::stream().token("one ").stall());
        let call = daemon.http().chat_stream("acme:m", "hello");
        let mut running = call.open();
        running.until_contains("one ");
        assert_eq!(provider.last().request.key(), Some(keys[0].as_str()));
        wait::holds("the end", || {
            process.signal(signal);
            process.status().is_some()
        });
        let status = process.wait(Duration::from_secs(10));
        assert_eq!(shell_code(status), code, "{signal:?}: {status}");
        assert!(!std::os::unix::process::ExitStatusExt::core_dumped(&status), "{signal:?}: {status}");
        process.stderr().ends_within(Duration::from_secs(5));
        assert_eq!(canary::find(&keys, "stderr", &process.stderr().bytes()), Vec::<String>::new());
        // Its row stands in the journal, and the key in nothing.
        let journal = std::fs::read_dir(world.path("data/bitrouter/journal")).expect("a journal");
        let rows: u64 = journal.flatten().filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum();
        assert!(rows > 0, "{signal:?}: the call has no row");
        let cores: Vec<_> = super::crash::names(&world).into_iter().filter(|name| name.starts_with("core")).collect();
        assert!(cores.is_empty(), "{signal:?}: {cores:?}");
        drop(running);
        nowhere(&world, &keys);
    }
}
