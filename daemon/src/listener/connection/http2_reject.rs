//! The answer to a client that speaks HTTP/2 with prior knowledge: use HTTP/1.1.
//!
//! Its first request is reset with `HTTP_1_1_REQUIRED` (RFC 9113 §7), on which clients ask again in HTTP/1.1; one that
//! stays is told the same of the whole connection.

use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::stream::WatchedStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Length, type, flags and stream of a frame.
const FRAME_HEAD: usize = 9;

/// The type of the frame that begins a request.
const HEADERS: u8 = 1;

/// Our settings, which must come first: none.
const SETTINGS: [u8; FRAME_HEAD] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

/// The end of the connection: no stream was served, `HTTP_1_1_REQUIRED`, and why in words.
const GOAWAY: &[u8] = b"\0\0\x25\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0dthis listener speaks HTTP/1.1";

/// Bytes that are looked through for the first request.
const LOOKED_AT: usize = 64 * 1024;

/// Tells the client, of which `received` was read, to use HTTP/1.1. It has `patience` for each step.
pub(super) async fn refuse(stream: &mut WatchedStream, received: Bytes, patience: Duration) -> io::Result<()> {
    let mut received = BytesMut::from(received);
    let request = timeout(patience, async {
        stream.write_all(&SETTINGS).await?;
        loop {
            if let Some(id) = first_request(&received) {
                return Ok::<_, io::Error>(Some(id));
            }
            if received.len() > LOOKED_AT || stream.read_buf(&mut received).await? == 0 {
                return Ok(None);
            }
        }
    });
    let request = request.await.unwrap_or(Ok(None))?;
    let told = timeout(patience, async {
        if let Some(id) = request {
            stream.write_all(&reset(id)).await?;
            let mut ignored = [0; 1024];
            while stream.read(&mut ignored).await? != 0 {}
        }
        Ok::<_, io::Error>(())
    });
    if !matches!(told.await, Ok(Err(_))) {
        stream.write_all(GOAWAY).await?;
    }
    stream.shutdown().await
}

/// The stream of the first request, once its frame has begun.
fn first_request(received: &[u8]) -> Option<u32> {
    let mut rest = received.strip_prefix(PREFACE)?;
    loop {
        let head = rest.first_chunk::<FRAME_HEAD>()?;
        let [l2, l1, l0, kind, _, s3, s2, s1, s0] = *head;
        if kind == HEADERS {
            return Some(u32::from_be_bytes([s3, s2, s1, s0]) & 0x7fff_ffff);
        }
        let length = usize::from(l2) << 16 | usize::from(l1) << 8 | usize::from(l0);
        rest = rest.get(FRAME_HEAD + length..)?;
    }
}

/// The frame that resets the stream `id` with `HTTP_1_1_REQUIRED`.
fn reset(id: u32) -> [u8; FRAME_HEAD + 4] {
    let [s3, s2, s1, s0] = id.to_be_bytes();
    [0, 0, 4, 3, 0, s3, s2, s1, s0, 0, 0, 0, 0x0d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_is_found_behind_other_frames() {
        let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100];
        let window = [0, 0, 4, 8, 0, 0, 0, 0, 0, 1, 255, 0, 1];
        let headers = [0, 0, 33, 1, 5, 0x80, 0, 0, 5];
        let sent = [PREFACE, &settings, &window, &headers].concat();
        assert_eq!(first_request(&sent), Some(5));
        for end in 0..sent.len() {
            assert_eq!(first_request(&sent[..end]), None, "{end}");
        }
        assert_eq!(first_request(&[PREFACE, &headers[..8], &[7]].concat()), Some(7));
    }

    #[test]
    fn the_frames_are_as_long_as_they_say() {
        assert_eq!(GOAWAY.len(), FRAME_HEAD + usize::from(GOAWAY[2]));
        assert_eq!(reset(1), *b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x0d");
    }

    proptest::proptest! {
        #[test]
        fn any_frames_are_read_without_a_panic(bytes: Vec<u8>) {
            first_request(&[PREFACE, &bytes].concat());
        }
    }
}
