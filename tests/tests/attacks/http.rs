//! Hostile programs of the same user on the inference endpoint: heads that never end, bodies that trickle, answers that
//! nobody reads.

use std::{io::Write as _, time::Duration};

use bitrouter_proto::clock;
use bitrouter_tests::{
    End, InferenceFixture, MODEL,
    hostile::{AT_MOST, Bystander, idle_again, raise_descriptors},
    procfs, wait,
};

use super::socket::report;

/// One honest call, and how long it took.
#[track_caller]
fn honest(fixture: &InferenceFixture) -> Duration {
    let begun = clock::monotonic_now();
    fixture.http().chat(MODEL, "x").send().ok();
    let took = clock::monotonic_now().saturating_duration_since(begun);
    assert!(took < AT_MOST, "an honest call took {took:?} under attack");
    took
}

#[test]
fn p06_slow_heads_are_closed_and_delay_nobody() {
    let fixture = InferenceFixture::new();
    raise_descriptors();
    let heads = [
        "",
        "G",
        "POST /v1/chat/completions HTTP/1.1\r\n",
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
    ];
    let mut held: Vec<_> = (0..400)
        .map(|number| {
            let mut stream = fixture.http().connect();
            stream.write_all(heads[number % heads.len()].as_bytes()).expect("half a head");
            stream
        })
        .collect();
    let mut bystander = Bystander::default();
    let mut worst = Duration::ZERO;
    let begun = clock::monotonic_now();
    // One byte now and then keeps no connection alive beyond the limit of its head.
    for _ in 0..12 {
        for stream in &mut held {
            stream.write_all(b"x").ok();
        }
        worst = worst.max(honest(&fixture));
        bystander.asks(&fixture.world);
        wait::pass(Duration::from_secs(1));
    }
    report("the slowest honest call beside 400 slow heads", worst);
    bystander.report("400 slow heads");
    for stream in held {
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time limit");
        let answer = bitrouter_tests::http::Opened::read(stream).finish();
        assert!(matches!(answer.status, 0 | 400 | 408), "half a head was answered with {}", answer.status);
        assert_ne!(answer.end, End::Stalled, "half a head was never closed");
    }
    let took = clock::monotonic_now().saturating_duration_since(begun);
    report("half a head is closed after", took);
    assert!(took < Duration::from_mins(1), "{took:?}");
    assert_eq!(fixture.provider.count(), 12);
    idle_again(fixture.daemon.pid());
}

#[test]
fn p06_slow_bodies_cost_neither_memory_nor_others() {
    let fixture = InferenceFixture::new();
    raise_descriptors();
    let before = procfs::rss(fixture.daemon.pid()).expect("memory");
    let head = |length: u64| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n",
            fixture.http().addr()
        )
    };
    let slow: Vec<_> = (0..300)
        .map(|_| {
            let mut stream = fixture.http().connect();
            stream.write_all(format!("{}{{\"model\":", head(60 << 20)).as_bytes()).expect("half a body");
            stream
        })
        .collect();
    let mut bystander = Bystander::default();
    for _ in 0..5 {
        honest(&fixture);
        bystander.asks(&fixture.world);
    }
    bystander.report("300 slow bodies");
    let grown = procfs::rss(fixture.daemon.pid()).expect("memory").saturating_sub(before);
    assert!(grown < 64 << 20, "300 promised bodies of 60 MiB cost {grown} bytes");
    assert_eq!(fixture.provider.count(), 5, "half a body was sent on");
    drop(slow);
    idle_again(fixture.daemon.pid());
}

#[test]
fn p06_malformed_heads_are_refused_and_spend_nothing() {
    let fixture = InferenceFixture::new();
    let host = fixture.http().addr();
    let body = r#"{"model":"openai:m","messages":[]}"#;
    let length = body.len();
    let post = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n");
    // Requests that two parsers could read differently.
    for (name, bytes) in [
        ("two lengths", format!("{post}content-length: {length}\r\ncontent-length: 0\r\n\r\n{body}")),
        ("length and chunks", format!("{post}content-length: {length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")),
        ("an odd encoding", format!("{post}transfer-encoding: xchunked\r\n\r\n{body}")),
        ("a signed length", format!("{post}content-length: +{length}\r\n\r\n{body}")),
        ("a space before the colon", format!("{post}content-length : {length}\r\n\r\n{body}")),
        ("a folded header", format!("{post}x: a\r\n b\r\ncontent-length: {length}\r\n\r\n{body}")),
        ("a bare line feed", format!("{}content-length: {length}\n\n{body}", post.replace("\r\n", "\n"))),
        ("a NUL in a header", format!("{post}x: a\0b\r\ncontent-length: {length}\r\n\r\n{body}")),
        ("HTTP/2 by prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_owned()),
        ("HTTP/0.9", "GET /v1/models\r\n\r\n".to_owned()),
        ("a tunnel", format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n\r\n")),
    ] {
        let before = fixture.provider.count();
        let answer = fixture.http().within(Duration::from_secs(15)).raw(&bytes);
        let spent = fixture.provider.count() - before;
        // What is read as one honest request may be served as that; never twice, and never with a rest.
        let served_once = answer.status == 200 && spent == 1 && answer.end == End::Complete;
        let closed = answer.status == 0 && answer.end != End::Stalled;
        let refused = spent == 0 && (closed || (400..=505).contains(&answer.status));
        assert!(served_once || refused, "{name}: {} with {spent} calls: {}", answer.status, answer.text());
    }
    honest(&fixture);
}

#[test]
fn p06_heavy_ten_thousand_idle_connections_leave_room_for_honest_calls() {
    let limit = raise_descriptors();
    let fixture = InferenceFixture::new();
    let crowd = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(200).min(9_000);
    let held: Vec<_> = (0..crowd).filter_map(|_| fixture.http().try_connect().ok()).collect();
    let mut bystander = Bystander::default();
    for _ in 0..5 {
        bystander.asks(&fixture.world);
    }
    bystander.report(&format!("{} idle connections", held.len()));
    honest(&fixture);
    drop(held);
    idle_again(fixture.daemon.pid());
    honest(&fixture);
}
