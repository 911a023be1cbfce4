//! Bounds on memory: a caller that does not read, a thousand streams, an idle daemon.

use std::time::Duration;

use bitrouter_tests::{Gate, InferenceFixture, MODEL, Reply, World, procfs, wait};

const MIB: u64 = 1 << 20;

#[test]
fn a_caller_that_does_not_read_stops_the_provider() {
    let fixture = InferenceFixture::new();
    fixture.stream().finish().ok();
    let before = procfs::rss(fixture.daemon.pid()).expect("rss");
    let piece = format!("data: {}\n\n", "x".repeat(65_528));
    fixture.provider.next(Reply::stream().flood(&piece, 256 * MIB / 65_536).end());
    let open = fixture.stream();
    let exchange = fixture.provider.exchange(1);
    // The provider is stopped once it sent nothing for a while.
    let mut last = 0;
    wait::until("the provider to be stopped", || {
        let seen = exchange.bytes_sent();
        let stopped = seen > 0 && seen == last;
        last = seen;
        wait::pass(Duration::from_millis(200));
        stopped.then_some(())
    });
    let grown = procfs::rss(fixture.daemon.pid()).expect("rss").saturating_sub(before);
    assert!(exchange.bytes_sent() < 64 * MIB, "{} MiB were taken from the provider", exchange.bytes_sent() / MIB);
    assert!(grown <= 24 * MIB, "{} MiB more for one caller that does not read", grown / MIB);
    assert!(fixture.http().chat(MODEL, "x").send().status == 200, "others are served meanwhile");
    drop(open);
    exchange.wait_left();
}

#[test]
fn a_large_stream_passes_whole_without_being_kept() {
    let fixture = InferenceFixture::new();
    fixture.stream().finish().ok();
    let before = procfs::rss(fixture.daemon.pid()).expect("rss");
    let piece = format!("data: {}\n\n", "x".repeat(65_528));
    let times = 64 * MIB / 65_536;
    fixture.provider.next(Reply::stream().flood(&piece, times).event("[DONE]").end());
    let mut open = fixture.stream();
    let mut read = 0;
    while let Some(piece) = open.piece() {
        read += piece.len() as u64;
    }
    assert_eq!(read, times * piece.len() as u64 + "data: [DONE]\n\n".len() as u64);
    let grown = procfs::rss(fixture.daemon.pid()).expect("rss").saturating_sub(before);
    assert!(grown <= 24 * MIB, "{} MiB more", grown / MIB);
}

#[test]
fn an_idle_daemon_is_small() {
    let fixture = InferenceFixture::new();
    fixture.http().get("/health").send().ok();
    procfs::idles_within(fixture.daemon.pid(), 20_000_000);
    // What was given back is there again when somebody calls.
    fixture.stream().finish().ok();
    procfs::idles_within(fixture.daemon.pid(), 20_000_000);
}

#[test]
fn an_idle_daemon_without_a_node_is_smaller() {
    let world = World::new();
    world.config("[node]\nenabled = false\n");
    // Detached, as one idles for days: what only the command line touches is not in its memory.
    world.cli(["start", "--listen", "127.0.0.1:0"]).expect_code(0);
    let daemon = world.detached();
    daemon.http().get("/health").send().ok();
    procfs::idles_within(daemon.pid(), 12_000_000);
    daemon.stop();
}

#[test]
fn a_thousand_streams_are_small() {
    // Two descriptors for each stream in this process, and the default limit is 1024.
    let nofile = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: nofile.maximum, ..nofile };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).expect("setrlimit");
    let fixture = InferenceFixture::new();
    let gate = Gate::new();
    let held = gate.clone();
    fixture.provider.always(move |_| Reply::stream().token("first").gate(&held).done());
    let mut open: Vec<_> = (0..1000)
        .map(|_| {
            let mut stream = fixture.stream();
            stream.until_contains("\"first\"");
            stream
        })
        .collect();
    let rss = procfs::rss(fixture.daemon.pid()).expect("rss");
    assert!(rss <= 64 * MIB, "{} MiB", rss / MIB);
    gate.open();
    for stream in open.drain(..) {
        assert!(stream.finish().ok().text().ends_with("data: [DONE]\n\n"));
    }
}
