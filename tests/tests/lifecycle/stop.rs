//! P15: stopping drains, with a bound.

use std::{net::TcpStream, time::Duration};

use bitrouter_tests::{End, Gate, InferenceFixture, Reply, process::shell_code, wait};
use rustix::process::Signal;

#[test]
fn p15_a_stream_in_flight_finishes_before_the_end() {
    let mut fixture = InferenceFixture::new();
    let gate = Gate::new();
    fixture.provider.next(Reply::stream().token("first").gate(&gate).token("second").done());
    let mut open = fixture.stream();
    open.until_contains("\"first\"");
    fixture.daemon.signal(Signal::TERM);
    let addr = fixture.daemon.addr();
    wait::holds("the listener to close", || TcpStream::connect(addr).is_err());
    assert!(fixture.daemon.is_running());
    let status = fixture.world.cli(["status", "--json"]).json();
    assert_eq!(status["state"], "draining");
    gate.open();
    let answer = open.finish();
    assert_eq!(answer.end, End::Complete);
    assert!(answer.text().contains("\"second\"") && answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    assert_eq!(shell_code(fixture.daemon.wait(Duration::from_secs(5))), 0);
}

#[test]
fn p15_a_forced_stream_ends_in_an_error_event() {
    for timeout in ["1", "1s", "500ms"] {
        let mut fixture = InferenceFixture::new();
        fixture.provider.next(Reply::stream().token("first").stall());
        let mut open = fixture.stream();
        open.until_contains("\"first\"");
        let output = fixture.world.cli(["stop", "--timeout", timeout]).with_code(0);
        assert!(output.took < Duration::from_secs(4), "{:?}", output.took);
        assert!(!fixture.daemon.is_running());
        let answer = open.finish();
        let text = answer.text();
        assert!(text.contains("data: {\"error\"") && !text.contains("[DONE]"), "{timeout}: {text}");
        assert_eq!(answer.end, End::Complete, "{timeout}: {text}");
    }
}

#[test]
fn p15_a_second_signal_forces() {
    let mut fixture = InferenceFixture::new();
    fixture.provider.next(Reply::stream().token("first").stall());
    let mut open = fixture.stream();
    open.until_contains("\"first\"");
    fixture.daemon.signal(Signal::TERM);
    let addr = fixture.daemon.addr();
    wait::holds("the listener to close", || TcpStream::connect(addr).is_err());
    fixture.daemon.signal(Signal::TERM);
    fixture.daemon.wait(Duration::from_secs(5));
    let text = open.finish().text();
    assert!(text.contains("data: {\"error\""), "{text}");
}

#[test]
fn p15_an_idle_connection_does_not_hold_the_end() {
    let mut fixture = InferenceFixture::new();
    let (answer, kept) = fixture.http().get("/health").open().finish_keeping();
    answer.ok();
    let quiet = fixture.http().connect();
    let control = std::os::unix::net::UnixStream::connect(fixture.daemon.socket()).expect("connect");
    let output = fixture.world.cli(["stop"]).with_code(0);
    assert!(output.took < Duration::from_secs(5), "{:?}", output.took);
    assert!(!fixture.daemon.is_running());
    drop((kept, quiet, control));
}
