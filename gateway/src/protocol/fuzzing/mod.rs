//! What must hold whatever bytes come: each function takes any, and panics where something does not hold. `make fuzz` looks
//! for such bytes; the tests of this crate try the seeds and some at random.
//!
//! The first [`CONTROL`] bytes of an input say how the rest is read and in which pieces it arrives.

mod cutter;
pub(super) mod documents;
mod requests;
pub(super) mod streams;

use bytes::Bytes;

pub use self::{
    cutter::sse,
    documents::{document, json_scan},
    requests::request,
    streams::reply_stream,
};

/// How many bytes of an input are no part of the text: which of several ways, and three sizes of pieces.
const CONTROL: usize = 4;

/// An input.
struct Input<'a> {
    /// A number that chooses among the ways in which the text can be read.
    way: usize,
    /// The sizes of the pieces in which it arrives.
    sizes: [usize; CONTROL - 1],
    text: &'a [u8],
}

impl<'a> Input<'a> {
    /// `None` where there is no text.
    fn read(data: &'a [u8]) -> Option<Self> {
        let (control, text) = data.split_first_chunk::<CONTROL>()?;
        let [way, sizes @ ..] = control.map(usize::from);
        // Digits choose the first ways, so that seeds can be read and written by people.
        Some(Self { way: way.wrapping_sub(usize::from(b'0')) & 0xff, sizes: sizes.map(|size| size % 64 + 1), text })
    }
}

/// Shows `take` the text in pieces of these sizes, over and over; all of it at once where there are none.
fn in_pieces(text: &[u8], sizes: &[usize], mut take: impl FnMut(Bytes)) {
    let (mut rest, mut sizes) = (Bytes::copy_from_slice(text), sizes.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
        take(rest.split_to(size));
    }
}

#[cfg(test)]
mod tests;
