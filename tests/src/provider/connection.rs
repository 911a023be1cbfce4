//! Serves one connection: reads requests, plays scripts, notices when the other side leaves.

use std::{
    io::{self, Write as _},
    net::{Shutdown, TcpStream},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bitrouter_proto::clock;

use super::{Exchange, Request, Shared, Step};
use crate::{
    http::Framing,
    http::{Body, Buffered},
    wait,
};

/// How often a waiting script looks whether the other side is still there.
const LOOK: Duration = Duration::from_millis(2);

pub(super) fn serve(stream: TcpStream, number: u64, shared: &Shared) {
    stream.set_nodelay(true).ok();
    let mut source = Buffered::new(stream);
    while let Some(request) = read(&mut source, number) {
        if shared.closing.load(Ordering::Relaxed) {
            return;
        }
        let reply = shared.reply_to(&request);
        let exchange = Arc::new(Exchange::new(request));
        shared.arrived(Arc::clone(&exchange));
        if !play(source.source(), &exchange, reply.into_steps(), shared) {
            return;
        }
    }
}

/// The next request; `None` where none comes whole.
fn read(source: &mut Buffered<TcpStream>, connection: u64) -> Option<Request> {
    let head = source.until(b"\r\n\r\n").ok()??;
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut lines = text.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect();
    let value = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let framing = match (value("transfer-encoding"), value("content-length")) {
        (Some(_), _) => Framing::Chunked,
        (None, Some(length)) => Framing::Length(length.parse().ok()?),
        (None, None) => Framing::Empty,
    };
    let mut reader = Body::new(framing);
    let mut body = Vec::new();
    while let Some(piece) = reader.next(source) {
        body.extend(piece);
    }
    let whole = reader.end()? == crate::http::End::Complete;
    whole.then_some(Request { connection, method, target, head, headers, body, at: clock::monotonic_now() })
}

/// Plays the steps. False where the connection is over.
fn play(stream: &TcpStream, exchange: &Exchange, steps: Vec<Step>, shared: &Shared) -> bool {
    for step in steps {
        let open = match step {
            Step::Send(bytes) => send(stream, exchange, &bytes),
            Step::Repeat(bytes, times) => (0..times).all(|_| send(stream, exchange, &bytes)),
            Step::Pause(span) => {
                wait::pass(span);
                true
            }
            Step::Await(gate) => await_or_leave(stream, exchange, shared, || gate.is_open_within(LOOK)),
            Step::Stall => await_or_leave(stream, exchange, shared, || {
                wait::pass(LOOK);
                false
            }),
            Step::Reset => {
                rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).ok();
                exchange.finished();
                false
            }
            Step::Close => {
                stream.shutdown(Shutdown::Write).ok();
                exchange.finished();
                false
            }
        };
        if !open {
            return false;
        }
    }
    exchange.finished();
    true
}

fn send(mut stream: &TcpStream, exchange: &Exchange, bytes: &[u8]) -> bool {
    if stream.write_all(bytes).is_err() {
        exchange.left();
        return false;
    }
    exchange.sent(bytes.len() as u64);
    true
}

fn await_or_leave(
    stream: &TcpStream,
    exchange: &Exchange,
    shared: &Shared,
    mut condition: impl FnMut() -> bool,
) -> bool {
    while !condition() {
        if has_left(stream) {
            exchange.left();
            return false;
        }
        if shared.closing.load(Ordering::Relaxed) {
            return false;
        }
    }
    true
}

/// Whether the other side closed or reset, without taking bytes of a next request.
fn has_left(stream: &TcpStream) -> bool {
    if stream.set_nonblocking(true).is_err() {
        return true;
    }
    let seen = stream.peek(&mut [0]);
    stream.set_nonblocking(false).ok();
    match seen {
        Ok(read) => read == 0,
        Err(e) => e.kind() != io::ErrorKind::WouldBlock,
    }
}
