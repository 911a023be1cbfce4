//! The connections themselves: small writes leave at once, and the way out is the one that the environment names.

use std::collections::HashMap;

use bitrouter_tests::{MODEL, Provider, World, provider::Absent, shared_files, wait};

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

#[test]
fn r1_17_what_no_proxy_names_is_reached_directly() {
    // An address of this machine that does not look like one: without the list it would go through the proxy.
    let absent = Absent::somewhere();
    let port = absent.base_url().trim_end_matches("/v1").rsplit_once(':').expect("a port").1.to_owned();
    let url = format!("https://0.0.0.0:{port}/v1");
    for (name, list, direct) in [
        ("NO_PROXY", "*".to_owned(), true),
        ("NO_PROXY", "a.example b.example 0.0.0.0".to_owned(), true),
        ("NO_PROXY", format!("0.0.0.0:{port}"), true),
        ("no_proxy", "10.0.0.0/8, 0.0.0.0/8".to_owned(), true),
        ("NO_PROXY", "0.0.0.0:1".to_owned(), false),
        ("NO_PROXY", "*.example 10.0.0.0/8".to_owned(), false),
    ] {
        let world = World::new();
        world.config(&format!("[providers.openai]\nbase_url = \"{url}\"\n"));
        let serve = world.serve().without("NO_PROXY").without("no_proxy").env("OPENAI_API_KEY", "x");
        let daemon = serve.env(name, &list).start();
        daemon.http().chat(MODEL, "x").send().refused(502, "upstream_unavailable");
        let hits = world.network_trap().take();
        assert_eq!(hits.is_empty(), direct, "{name}={list}: {hits:?}");
    }
}
