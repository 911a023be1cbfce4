//! The cutter of streams, beside one that sees the whole text.

use bytes::Bytes;

use super::{Input, in_pieces};
use crate::protocol::{
    sse::SseFramer,
    sse_event::{is_whole_event, looks_like_events},
};

/// Nothing is lost or invented, whole events pass and nothing else, and the pieces make no difference.
pub fn sse(data: &[u8]) {
    let Some(input) = Input::read(data) else { return };
    let (passed, rest) = cut(input.text, &input.sizes);
    assert_eq!([&passed[..], &rest].concat(), input.text, "a byte was lost or invented");
    assert_eq!(passed.len(), last_end(input.text), "what passed is not what ended");
    for sizes in [&[][..], &[1]] {
        assert_eq!(cut(input.text, sizes), (passed.clone(), rest.clone()), "in pieces of {sizes:?}");
    }
    // What says something of a rest says it of any.
    let _ = (is_whole_event(&rest), looks_like_events(&rest));
}

fn cut(text: &[u8], sizes: &[usize]) -> (Vec<u8>, Bytes) {
    let (mut framer, mut passed) = (SseFramer::default(), Vec::new());
    in_pieces(text, sizes, |piece| {
        let whole = framer.push(piece);
        // Only what ended may pass, and each piece of it ends with an event.
        assert_eq!(last_end(&[&passed[..], &whole].concat()), passed.len() + whole.len());
        passed.extend_from_slice(&whole);
    });
    (passed, framer.finish())
}

/// Where the last empty line of a text ends.
fn last_end(text: &[u8]) -> usize {
    let (mut end, mut at, mut is_empty) = (0, 0, true);
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'\r' | b'\n' => {
                if *byte == b'\r' && text.get(at) == Some(&b'\n') {
                    at += 1;
                }
                if is_empty {
                    end = at;
                }
                is_empty = true;
            }
            _ => is_empty = false,
        }
    }
    end
}
