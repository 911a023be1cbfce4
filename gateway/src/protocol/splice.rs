//! Puts another name in the place of the model's in a body whose other bytes stay.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

/// Bodies up to this size are copied around a new name; longer ones are sent in three pieces instead.
pub(super) const COPIED: usize = 64 << 10;

/// The body with `name` in the place of `span`, in one to three pieces. Every other byte stays.
pub fn splice(body: &Bytes, span: Range<usize>, name: &str) -> [Bytes; 3] {
    if body.len() > COPIED {
        let mut quoted = BytesMut::with_capacity(name.len() + 2);
        quote(&mut quoted, name);
        return [body.slice(..span.start), quoted.freeze(), body.slice(span.end..)];
    }
    let mut whole = BytesMut::with_capacity(body.len() - span.len() + name.len() + 2);
    whole.put_slice(&body[..span.start]);
    quote(&mut whole, name);
    whole.put_slice(&body[span.end..]);
    [whole.freeze(), Bytes::new(), Bytes::new()]
}

/// Appends `name` as a JSON string.
fn quote(out: &mut BytesMut, name: &str) {
    if name.bytes().any(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        // Writing a string to memory cannot fail.
        let _ = serde_json::to_writer(out.writer(), name);
    } else {
        out.put_u8(b'"');
        out.put_slice(name.as_bytes());
        out.put_u8(b'"');
    }
}
