//! P10: a caller that goes away cancels the upstream call.

use std::{net::Shutdown, time::Duration};

use bitrouter_proto::clock;
use bitrouter_tests::{Gate, InferenceFixture, MODEL, Reply, logs, wait};

/// Five times the promised 100 ms: a slow machine is no bug.
const BOUND: Duration = Duration::from_millis(500);

#[test]
fn p10_a_caller_that_leaves_a_stream_cancels_upstream() {
    let fixture = InferenceFixture::build("", |serve| serve.args(["--log-format", "json"]));
    for (number, name) in ["closes", "resets"].into_iter().enumerate() {
        fixture.provider.next(Reply::stream().token("first").stall());
        let mut open = fixture.stream();
        open.until_contains("\"first\"");
        let stream = open.stream().try_clone().expect("a handle");
        drop(open);
        let left = clock::monotonic_now();
        if name == "resets" {
            rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).expect("linger");
        }
        drop(stream);
        let noticed = fixture.provider.exchange(number).wait_left();
        assert!(noticed.saturating_duration_since(left) <= BOUND, "a caller that {name}");
    }
    let lines = logs::wait_for(&fixture.daemon, "request", 2);
    assert!(lines.iter().all(|line| logs::member(line, "cancelled") == true), "{lines:?}");
}

#[test]
fn p10_a_caller_that_leaves_before_the_head_cancels_upstream() {
    let fixture = InferenceFixture::new();
    fixture.provider.next(Reply::json(200, "{}").after(&Gate::new()));
    let stream = fixture.http().chat(MODEL, "x").fire();
    let exchange = fixture.provider.exchange(0);
    assert!(exchange.left_at().is_none());
    let left = clock::monotonic_now();
    stream.shutdown(Shutdown::Both).expect("shutdown");
    drop(stream);
    assert!(exchange.wait_left().saturating_duration_since(left) <= BOUND);
}

#[test]
fn p10_one_caller_that_leaves_does_not_touch_another() {
    let fixture = InferenceFixture::new();
    let gate = Gate::new();
    fixture.provider.next(Reply::stream().token("kept").gate(&gate).done());
    fixture.provider.next(Reply::stream().token("left").gate(&gate).done());
    let mut kept = fixture.stream();
    kept.until_contains("\"kept\"");
    let mut left = fixture.stream();
    left.until_contains("\"left\"");
    drop(left);
    fixture.provider.exchange(1).wait_left();
    wait::stays("the other stream", Duration::from_millis(100), || fixture.provider.exchange(0).left_at().is_none());
    gate.open();
    assert!(kept.finish().ok().text().ends_with("data: [DONE]\n\n"));
}

#[test]
fn a_caller_that_leaves_in_the_middle_of_its_request_reaches_no_provider() {
    let fixture = InferenceFixture::new();
    let call = fixture.http().chat(MODEL, "never finished");
    let bytes = call.bytes();
    let mut stream = fixture.http().connect();
    std::io::Write::write_all(&mut stream, &bytes[..bytes.len() - 5]).expect("send");
    drop(stream);
    fixture.http().chat(MODEL, "another").send().ok();
    assert_eq!(fixture.provider.count(), 1);
}

#[test]
fn p10_a_caller_that_leaves_behind_unread_bytes_cancels_upstream() {
    let fixture = InferenceFixture::build("", |serve| serve.args(["--log-format", "json"]));
    let second = fixture.http().chat(MODEL, "a second request").bytes();
    let long = [second.clone(), vec![b'x'; 40 << 10]].concat();
    let table: [(&str, Vec<u8>, bool); 6] = [
        ("an empty line", b"\r\n".to_vec(), false),
        ("an empty line, reset", b"\r\n".to_vec(), true),
        ("a second request", second.clone(), false),
        ("a second request, reset", second, true),
        ("much more than a request", long.clone(), false),
        ("much more than a request, reset", long, true),
    ];
    for (number, (name, behind, reset)) in table.into_iter().enumerate() {
        fixture.provider.next(Reply::json(200, "{}").after(&Gate::new()));
        let mut stream = fixture.http().chat(MODEL, "x").fire();
        let exchange = fixture.provider.exchange(number);
        stream.set_write_timeout(Some(Duration::from_millis(200))).expect("a time limit");
        std::io::Write::write_all(&mut stream, &behind).ok();
        // What lies unread is no reason to leave.
        wait::stays(name, Duration::from_millis(50), || exchange.left_at().is_none());
        if reset {
            rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).expect("linger");
        }
        let left = clock::monotonic_now();
        drop(stream);
        assert!(exchange.wait_left().saturating_duration_since(left) <= BOUND, "{name}");
    }
    let lines = logs::wait_for(&fixture.daemon, "request", 6);
    for line in &lines {
        assert_eq!(
            (logs::member(line, "status"), logs::member(line, "cancelled")),
            (&499.into(), &true.into()),
            "{line}"
        );
    }
}

#[test]
fn requests_behind_one_another_are_answered_in_order_while_the_caller_stays() {
    let fixture = InferenceFixture::new();
    let gates = [Gate::new(), Gate::new()];
    for gate in &gates {
        fixture.provider.next(Reply::json(200, r#"{"choices":[]}"#).after(gate));
    }
    let mut stream = fixture.http().chat(MODEL, "first").fire();
    fixture.provider.exchange(0);
    std::io::Write::write_all(&mut stream, &fixture.http().chat(MODEL, "second").bytes()).expect("send");
    gates[0].open();
    assert_eq!(bitrouter_tests::http::Opened::read(stream.try_clone().expect("a handle")).status, 200);
    // The second one reached the provider, and leaving is noticed as ever.
    let exchange = fixture.provider.exchange(1);
    let left = clock::monotonic_now();
    drop(stream);
    assert!(exchange.wait_left().saturating_duration_since(left) <= BOUND);
}
