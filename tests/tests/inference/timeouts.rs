//! The separate limits of `[timeouts]`: what a provider that is slow costs its caller.

use std::{net::TcpListener, time::Duration};

use bitrouter_proto::clock;
use bitrouter_tests::{Answer, End, Gate, InferenceFixture, MODEL, Reply, World, provider::Step};

/// Runs `call` and checks that it took about as long as the limit says.
#[track_caller]
fn timed(least_ms: u64, call: impl FnOnce() -> Answer) -> Answer {
    let before = clock::monotonic_now();
    let answer = call();
    let took = clock::monotonic_now().saturating_duration_since(before);
    assert!(took >= Duration::from_millis(least_ms * 9 / 10), "it took only {took:?}");
    assert!(took < Duration::from_secs(10), "it took {took:?}");
    answer
}

#[track_caller]
fn timed_out(answer: &Answer) {
    let text = answer.text();
    assert_eq!((answer.status, answer.end), (200, End::Complete), "{text}");
    assert!(text.contains("\"before\"") && !text.contains("[DONE]"), "{text}");
    let last = text.trim_end().rsplit('\n').next().and_then(|line| line.strip_prefix("data: ")).unwrap_or_default();
    let data: serde_json::Value = serde_json::from_str(last).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!(data["error"]["code"], "upstream_timeout", "{text}");
}

#[test]
fn p13_a_provider_that_says_nothing_is_504() {
    let fixture = InferenceFixture::with("[timeouts]\nfirst_byte = \"300ms\"\n");
    let never = Gate::new();
    for stream in [false, true] {
        fixture.provider.next(Reply::stream().done().after(&never));
        let call = if stream { fixture.http().chat_stream(MODEL, "x") } else { fixture.http().chat(MODEL, "x") };
        timed(300, || call.send()).refused(504, "upstream_timeout");
    }
    fixture.provider.exchange(1).wait_left();
}

#[test]
fn p13_a_stall_in_a_stream_ends_it_with_an_event() {
    let fixture = InferenceFixture::with("[timeouts]\nbetween_chunks = \"300ms\"\n");
    fixture.provider.next(Reply::stream().token("before").stall());
    timed_out(&timed(300, || fixture.stream().finish()));
    fixture.provider.exchange(0).wait_left();
    fixture.provider.next(Reply::stream().token("before").half_chunk("data: {}\n\n").stall());
    timed_out(&timed(300, || fixture.stream().finish()));
}

#[test]
fn p13_a_drip_that_never_ends_meets_the_total() {
    let fixture = InferenceFixture::with("[timeouts]\nbetween_chunks = \"10s\"\ntotal = \"2s\"\n");
    let mut reply = Reply::stream().token("before");
    for _ in 0..100 {
        reply = reply.token("drip").then(Step::Pause(Duration::from_millis(50)));
    }
    fixture.provider.next(reply.done());
    timed_out(&timed(2000, || fixture.stream().finish()));
}

#[test]
fn a_slow_but_steady_stream_is_not_cut() {
    let fixture = InferenceFixture::with("[timeouts]\nfirst_byte = \"2s\"\nbetween_chunks = \"2s\"\n");
    let mut reply = Reply::stream();
    for _ in 0..10 {
        reply = reply.token("drip").then(Step::Pause(Duration::from_millis(30)));
    }
    fixture.provider.next(reply.done());
    assert!(fixture.stream().finish().ok().text().ends_with("data: [DONE]\n\n"));
}

#[test]
fn p13_an_address_that_takes_no_connection_is_504() {
    let world = World::new();
    let key = world.canary("openai");
    // A full backlog: the kernel drops what else comes, and nobody ever accepts.
    let fd = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None);
    let fd = fd.expect("a socket");
    rustix::net::bind(&fd, &std::net::SocketAddr::from(([127, 0, 0, 1], 0))).expect("bind");
    rustix::net::listen(&fd, 0).expect("listen");
    let listener = TcpListener::from(fd);
    let addr = listener.local_addr().expect("an address");
    let timeout = Duration::from_millis(200);
    let mut held = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&addr, timeout) {
        held.push(stream);
    }
    world.config(&format!("[timeouts]\nconnect = \"300ms\"\n[providers.openai]\nbase_url = \"http://{addr}/v1\"\n"));
    let daemon = world.serve().env("OPENAI_API_KEY", &key).start();
    timed(300, || daemon.http().chat(MODEL, "x").send()).refused(504, "upstream_timeout");
}
