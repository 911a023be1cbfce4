//! The connections themselves: small writes leave at once, and the way out is the one that the environment names.

use std::collections::HashMap;

use bitrouter_tests::{MODEL, Provider, World, shared_files, wait};

/// Which sides have TCP_NODELAY: accepted connections, made ones. `strace` sees numbers only, because the daemon lets
/// nobody read its memory; a number belongs to the call that returned it last.
fn without_delay(trace: &str) -> (bool, bool) {
    let mut accepted = HashMap::new();
    let (mut in_, mut out) = (false, false);
    for line in trace.lines() {
        let number =
            |text: Option<(&str, &str)>| text.and_then(|(_, fd)| fd.split(',').next()?.trim().parse::<u32>().ok());
        if line.contains("accept4") {
            if let Some(fd) = number(line.rsplit_once("= ")) {
                accepted.insert(fd, true);
            }
        } else if let Some(fd) = number(line.split_once(" connect(")) {
            accepted.insert(fd, false);
        } else if line.contains("SOL_TCP, TCP_NODELAY")
            && let Some(fd) = number(line.split_once("setsockopt("))
        {
            match accepted.get(&fd) {
                Some(true) => in_ = true,
                Some(false) => out = true,
                None => {}
            }
        }
    }
    (in_, out)
}

#[test]
fn small_writes_leave_at_once_on_both_sides() {
    let world = World::new();
    let provider = Provider::start();
    world.config(&provider.as_openai());
    let trace = world.path("home/trace");
    let (file, binary) = (trace.to_string_lossy().into_owned(), shared_files::binary().to_string_lossy().into_owned());
    let args = ["-f", "-qq", "-o", &file, "-e", "trace=accept4,connect,setsockopt", &binary];
    let args = args.into_iter().chain(["serve", "--listen", "127.0.0.1:0"]);
    let _process = world.program("/usr/bin/strace".as_ref(), args).env("OPENAI_API_KEY", "x").spawn();
    let daemon = world.detached();
    daemon.http().chat(MODEL, "x").send().ok();
    wait::holds("TCP_NODELAY on both sides", || {
        without_delay(&std::fs::read_to_string(&trace).unwrap_or_default()) == (true, true)
    });
}

#[test]
fn the_lower_case_proxy_alone_is_honoured() {
    let world = World::new();
    world.config("[providers.openai]\nbase_url = \"https://nonexistent.invalid/v1\"\n");
    // The trap stays behind `https_proxy`.
    let daemon = world.serve().without("HTTPS_PROXY").env("OPENAI_API_KEY", "x").start();
    daemon.http().chat(MODEL, "x").send().refused(502, "upstream_unavailable");
    let hits = world.network_trap().take();
    assert!(hits.iter().any(|hit| hit.starts_with("CONNECT nonexistent.invalid:443 ")), "{hits:?}");
}
