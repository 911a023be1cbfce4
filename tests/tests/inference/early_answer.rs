//! A provider that answers from the head of a request and closes while the body is still on its way.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use bitrouter_tests::{MODEL, World};

const TEXT: &str = r#"{"error":{"message":"too large for me","type":"invalid_request_error","code":"too_large"}}"#;

/// Reads the head and `more` bytes of each request, sends `answer`, and closes with the rest unread: a reset.
fn answers_early(more: usize, answer: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            read_head(&mut stream);
            let mut some = vec![0; more];
            stream.read_exact(&mut some).ok();
            stream.write_all(answer.as_bytes()).ok();
        }
    });
    addr
}

fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
}

/// Asks `times` times with 3 MB, and gets the provider's own words each time.
#[track_caller]
fn always_answers(times: usize, more: usize, framing: &str, body: &str) {
    let addr =
        answers_early(more, format!("HTTP/1.1 413 Too Large\r\ncontent-type: application/json\r\n{framing}\r\n{body}"));
    let world = World::new();
    world.config(&format!("[providers.openai]\nbase_url = \"http://{addr}/v1\"\n"));
    let daemon = world.serve().env("OPENAI_API_KEY", world.canary("openai")).start();
    let long = "x".repeat(3_000_000);
    for time in 0..times {
        let answer = daemon.http().chat(MODEL, &long).send();
        assert_eq!((answer.status, answer.text().as_str()), (413, TEXT), "call {time}");
    }
}

#[test]
fn r1_08_an_answer_from_the_head_is_passed_on_every_time() {
    always_answers(150, 0, &format!("content-length: {}\r\n", TEXT.len()), TEXT);
}

#[test]
fn r1_08_an_answer_in_the_middle_of_the_body_is_passed_on_every_time() {
    let framing = format!("content-length: {}\r\nconnection: close\r\n", TEXT.len());
    always_answers(60, 700_000, &framing, TEXT);
}

#[test]
fn r1_08_an_early_answer_in_chunks_is_passed_on_every_time() {
    let chunked = format!("{:x}\r\n{TEXT}\r\n0\r\n\r\n", TEXT.len());
    always_answers(60, 0, "transfer-encoding: chunked\r\n", &chunked);
}

#[test]
fn r1_08_an_early_answer_that_ends_with_the_connection_is_passed_on_every_time() {
    always_answers(60, 0, "connection: close\r\n", TEXT);
}
