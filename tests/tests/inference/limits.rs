//! Too large, too odd, too many: the bounds on what a caller may send.

use std::{io::Write as _, time::Duration};

use bitrouter_proto::clock;
use bitrouter_tests::{End, InferenceFixture, MODEL, http::Opened, procfs, wait};

#[test]
fn an_oversized_length_is_answered_before_the_body_is_read() {
    let fixture = InferenceFixture::with("[server]\nmax_body = \"1 MiB\"\n");
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        fixture.daemon.addr(),
        100 << 20
    );
    fixture.http().raw(head).refused(413, "body_too_large");
    assert_eq!(fixture.provider.count(), 0);
}

#[test]
fn an_oversized_chunked_body_is_dropped_so_that_the_caller_sees_the_answer() {
    let fixture = InferenceFixture::with("[server]\nmax_body = \"64 KiB\"\n");
    let large = format!(r#"{{"model":"{MODEL}","messages":[{{"role":"user","content":"{}"}}]}}"#, "x".repeat(2 << 20));
    let answer = fixture.http().post("/v1/chat/completions").json(large).chunked(8192).send();
    answer.refused(413, "body_too_large");
    assert_eq!(fixture.provider.count(), 0);
}

#[test]
fn the_limit_is_exact() {
    let fixture = InferenceFixture::with("[server]\nmax_body = \"2 KiB\"\n");
    let body = |size: usize| {
        let empty = format!(r#"{{"model":"{MODEL}","messages":[],"pad":""}}"#);
        let pad = "x".repeat(size - empty.len());
        format!(r#"{{"model":"{MODEL}","messages":[],"pad":"{pad}"}}"#)
    };
    fixture.http().post("/v1/chat/completions").json(body(2048)).send().ok();
    fixture.http().post("/v1/chat/completions").json(body(2048)).chunked(100).send().ok();
    fixture.http().post("/v1/chat/completions").json(body(2049)).send().refused(413, "body_too_large");
    fixture.http().post("/v1/chat/completions").json(body(2049)).chunked(100).send().refused(413, "body_too_large");
}

#[test]
fn a_malformed_head_is_400_or_431_with_an_empty_body() {
    let fixture = InferenceFixture::new();
    let host = fixture.daemon.addr();
    let table = [
        ("no protocol", "GET /health\r\n\r\n".to_owned(), 400),
        ("no colon", format!("GET /health HTTP/1.1\r\nhost: {host}\r\nnonsense\r\n\r\n"), 400),
        ("a space in a name", format!("GET /health HTTP/1.1\r\nhost: {host}\r\nbad name: x\r\n\r\n"), 400),
        (
            "two lengths",
            format!("POST / HTTP/1.1\r\nhost: {host}\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx"),
            400,
        ),
        ("a large head", format!("GET /health HTTP/1.1\r\nhost: {host}\r\nx: {}\r\n\r\n", "y".repeat(1 << 20)), 431),
        ("many headers", format!("GET /health HTTP/1.1\r\nhost: {host}\r\n{}\r\n", "a: b\r\n".repeat(5000)), 431),
    ];
    for (name, bytes, status) in table {
        let answer = fixture.http().raw(bytes);
        // A server that stops reading may reset before its answer was read; it must not accept.
        if answer.end != End::Nothing {
            assert_eq!((answer.status, answer.text().as_str()), (status, ""), "{name}");
        }
    }
    fixture.http().get("/health").send().ok();
}

#[test]
fn length_and_chunks_together_smuggle_nothing() {
    let fixture = InferenceFixture::new();
    let host = fixture.daemon.addr();
    let bytes = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n\
         content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\nhost: {host}\r\n\r\n"
    );
    let answer = fixture.http().raw_opened(bytes);
    assert!(answer.status >= 400 || answer.status == 0, "{}", answer.status);
}

#[test]
fn pipelined_and_kept_connections_are_answered_in_order() {
    let fixture = InferenceFixture::new();
    let mut stream = fixture.http().connect();
    for number in 0..3 {
        let (answer, kept): (_, _) = fixture.http().chat(MODEL, &number.to_string()).on(stream).finish_keeping();
        answer.ok();
        stream = kept;
    }
    let two = [fixture.http().get("/health").bytes(), fixture.http().get("/nowhere").bytes()].concat();
    stream.write_all(&two).expect("send");
    let one = Opened::read(stream);
    assert_eq!(one.status, 200);
}

#[test]
fn descriptors_are_raised_to_the_hard_limit() {
    let fixture = InferenceFixture::new();
    let (soft, hard) = procfs::limit(fixture.daemon.pid(), "Max open files").expect("limits");
    assert_eq!(soft, hard);
}

#[test]
fn p13_a_body_that_is_too_large_is_dropped_for_one_second_at_most() {
    let fixture = InferenceFixture::with("[server]\nmax_body = \"64 KiB\"\n");
    let head =
        String::from_utf8(fixture.http().post("/v1/chat/completions").json("x").chunked(1).head()).expect("text");
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let mut stream = fixture.http().connect();
    stream.write_all(head.as_bytes()).expect("send");
    for _ in 0..17 {
        stream.write_all(chunk.as_bytes()).expect("send");
    }
    let answered = Opened::read(stream.try_clone().expect("a handle"));
    assert_eq!(answered.status, 413);
    let since = clock::monotonic_now();
    // Sent slowly, so that nothing but the daemon's patience ends it.
    while stream.write_all(chunk.as_bytes()).is_ok() {
        wait::pass(Duration::from_millis(20));
        assert!(
            clock::monotonic_now().saturating_duration_since(since) < Duration::from_secs(5),
            "it is read for ever"
        );
    }
    let took = clock::monotonic_now().saturating_duration_since(since);
    assert!(took < Duration::from_millis(1700), "it was read for {took:?}");
}
