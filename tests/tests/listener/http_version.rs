//! The listener speaks HTTP/1.1, and says so to whoever begins with something newer.

use std::{
    io::{Read as _, Write as _},
    net::Shutdown,
    process::Command,
};

use bitrouter_tests::{
    World,
    hostile::{frame, kind},
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// `HTTP_1_1_REQUIRED` (RFC 9113 §7).
const HTTP_1_1_REQUIRED: [u8; 4] = [0, 0, 0, 0x0d];

#[test]
fn r5_08_a_client_with_prior_knowledge_of_http2_is_told_to_use_http_1_1() {
    let world = World::new();
    let daemon = world.demo();
    let settings = frame(kind::SETTINGS, 0, 0, &[]);
    let request = frame(kind::HEADERS, 0x05, 1, &[0x82, 0x84, 0x86]);
    // In one piece, as curl sends it, and as clients do that wait between frames.
    for pieces in [vec![[PREFACE, &settings, &request].concat()], vec![PREFACE.to_vec(), settings.clone(), request]] {
        let mut stream = daemon.http().connect();
        for piece in &pieces {
            stream.write_all(piece).expect("send");
        }
        let reset = frame(kind::RESET, 0, 1, &HTTP_1_1_REQUIRED);
        let mut told = vec![0; settings.len() + reset.len()];
        stream.read_exact(&mut told).expect("an answer in HTTP/2");
        assert_eq!(told, [settings.clone(), reset].concat());
        stream.shutdown(Shutdown::Write).expect("no more from us");
        let mut left = Vec::new();
        stream.read_to_end(&mut left).expect("the end");
        assert!(left.ends_with(b"\x0dthis listener speaks HTTP/1.1"), "{left:?}");
    }
    // Without a request there is nothing to reset; the connection still says why it ends.
    let mut stream = daemon.http().connect();
    stream.write_all(PREFACE).expect("send");
    stream.shutdown(Shutdown::Write).expect("no more from us");
    let mut told = Vec::new();
    stream.read_to_end(&mut told).expect("the end");
    assert!(told.starts_with(&settings) && told.ends_with(b"this listener speaks HTTP/1.1"), "{told:?}");
}

#[test]
fn r5_08_curl_with_prior_knowledge_of_http2_gets_its_answer() {
    let world = World::new();
    let daemon = world.demo();
    let mut curl = Command::new("curl");
    curl.args(["--noproxy", "*", "-sS", "--http2-prior-knowledge"]).arg(format!("http://{}/health", daemon.addr()));
    let output = curl.output().expect("run curl");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), r#"{"status":"ok"}"#, "{output:?}");
}
