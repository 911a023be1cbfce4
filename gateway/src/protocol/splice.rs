//! Puts other bytes in the place of some of a body whose other bytes stay.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

/// Bodies up to this size are copied around what changes; longer ones are sent in pieces instead.
pub(super) const COPIED: usize = 64 << 10;

/// With more changes than these a longer body is copied too.
const IN_PIECES: usize = 16;

/// A body in pieces that are sent one after the other. Nearly every one is a single piece, and small to be moved.
#[derive(Clone, Debug)]
pub(crate) enum Pieces {
    /// All of it.
    One(Bytes),
    /// Several of them, some empty.
    Several(Box<[Bytes]>),
}

impl Pieces {
    /// The next piece that is not empty.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        let next = self.as_mut_slice().iter_mut().find(|piece| !piece.is_empty());
        next.map(std::mem::take)
    }

    /// The bytes that are left.
    pub(crate) fn len(&self) -> u64 {
        self.as_slice().iter().map(|piece| piece.len() as u64).sum()
    }

    /// All of it in one.
    pub(crate) fn to_bytes(&self) -> Bytes {
        match self {
            Self::One(whole) => whole.clone(),
            Self::Several(pieces) => pieces.concat().into(),
        }
    }

    pub(super) fn as_slice(&self) -> &[Bytes] {
        match self {
            Self::One(whole) => std::slice::from_ref(whole),
            Self::Several(pieces) => pieces,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [Bytes] {
        match self {
            Self::One(whole) => std::slice::from_mut(whole),
            Self::Several(pieces) => pieces,
        }
    }
}

/// One change.
#[derive(Clone, Debug)]
pub(super) struct Edit<'a> {
    /// What it takes the place of; an empty place is where it is put in.
    pub(super) at: Range<usize>,
    /// What stands there then.
    pub(super) with: Replacement<'a>,
}

/// What takes a place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Replacement<'a> {
    /// A text, as a JSON string.
    Text(&'a str),
    /// These bytes.
    Raw(&'a str),
}

impl Edit<'_> {
    /// How long it gets at the least.
    fn len(&self) -> usize {
        match self.with {
            Replacement::Text(text) => text.len() + 2,
            Replacement::Raw(text) => text.len(),
        }
    }

    fn put(&self, out: &mut BytesMut) {
        match self.with {
            Replacement::Text(text) => quote(out, text),
            Replacement::Raw(text) => out.put_slice(text.as_bytes()),
        }
    }
}

/// The changes that put these bytes in the place of others.
pub(super) fn raw(edits: &[(Range<usize>, String)]) -> impl Iterator<Item = Edit<'_>> {
    edits.iter().map(|(at, with)| Edit { at: at.clone(), with: Replacement::Raw(with) })
}

/// The body with these bytes in the place of others, in one piece; it itself, where there are none.
pub(crate) fn with_raw(body: &Bytes, edits: &[(Range<usize>, String)]) -> Bytes {
    if edits.is_empty() { body.clone() } else { splice_in_order(body, raw(edits).collect()).to_bytes() }
}

/// The body with `edits`, which stand in their order and do not overlap. Every other byte stays.
pub(super) fn splice(body: &Bytes, edits: &[Edit<'_>]) -> Pieces {
    if body.len() > COPIED && edits.len() <= IN_PIECES {
        return pieces(body, edits);
    }
    let more: usize = edits.iter().map(Edit::len).sum();
    let mut out = BytesMut::with_capacity(body.len() + more);
    let mut from = 0;
    for edit in edits {
        out.put_slice(&body[from..edit.at.start]);
        edit.put(&mut out);
        from = edit.at.end;
    }
    out.put_slice(&body[from..]);
    Pieces::One(out.freeze())
}

/// The same with edits in any order; what is put in at one place stays in its order. Of two that overlap the one that begins
/// first is made.
pub(super) fn splice_in_order(body: &Bytes, mut edits: Vec<Edit<'_>>) -> Pieces {
    edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
    let mut end = 0;
    edits.retain(|edit| {
        let fits = edit.at.start >= end;
        debug_assert!(fits, "two changes of a body overlap");
        if fits {
            end = edit.at.end;
        }
        fits
    });
    splice(body, &edits)
}

fn pieces(body: &Bytes, edits: &[Edit<'_>]) -> Pieces {
    let mut pieces = Vec::with_capacity(2 * edits.len() + 1);
    let mut from = 0;
    for edit in edits {
        let mut with = BytesMut::with_capacity(edit.len());
        edit.put(&mut with);
        pieces.push(body.slice(from..edit.at.start));
        pieces.push(with.freeze());
        from = edit.at.end;
    }
    pieces.push(body.slice(from..));
    Pieces::Several(pieces.into_boxed_slice())
}

/// Appends `text` as a JSON string.
fn quote(out: &mut BytesMut, text: &str) {
    if text.bytes().any(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        // Writing a string to memory cannot fail.
        let _ = serde_json::to_writer(out.writer(), text);
    } else {
        out.put_u8(b'"');
        out.put_slice(text.as_bytes());
        out.put_u8(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_body_is_changed_as_a_short_one_is() {
        for pad in ["", &"x".repeat(COPIED)] {
            let body = Bytes::from(format!("<{pad}a{pad}b{pad}>"));
            let (a, b) = (1 + pad.len(), 2 + 2 * pad.len());
            let edits =
                [Edit { at: a..a + 1, with: Replacement::Text("q\"") }, Edit { at: b..b, with: Replacement::Raw("+") }];
            assert_eq!(splice(&body, &edits).as_slice().concat(), format!("<{pad}\"q\\\"\"{pad}+b{pad}>").as_bytes());
            assert_eq!(
                splice(&body, &edits[..1]).as_slice().concat(),
                format!("<{pad}\"q\\\"\"{pad}b{pad}>").as_bytes()
            );
            assert_eq!(splice(&body, &[]).as_slice().concat(), body);
            assert_eq!(matches!(splice(&body, &edits), Pieces::One(_)), pad.is_empty());
            let texts = [(a..a + 1, "q".to_owned()), (b..b, "+".to_owned())];
            assert_eq!(with_raw(&body, &texts), format!("<{pad}q{pad}+b{pad}>").as_bytes());
            assert_eq!(with_raw(&body, &[]).as_ptr(), body.as_ptr());
            let mut pieces = splice(&body, &edits);
            let mut sent = Vec::new();
            while let Some(piece) = pieces.next() {
                sent.extend_from_slice(&piece);
            }
            assert_eq!((sent.len(), pieces.len()), (body.len() + 5, 0));
        }
    }

    #[test]
    fn any_number_of_edits_in_any_order_is_made() {
        for pad in ["", &"x".repeat(COPIED)] {
            for count in [0, 1, 3, IN_PIECES, IN_PIECES + 1, 100] {
                let body = Bytes::from(format!("{}{pad}", "ab".repeat(count)));
                let at = |index: usize, length: usize| 2 * index..2 * index + length;
                let taken = (0..count).map(|index| Edit { at: at(index, 1), with: Replacement::Text("") });
                let put = (0..count).map(|index| Edit { at: at(index, 0), with: Replacement::Raw("+") });
                let edits = put.chain(taken).rev().collect();
                let after = splice_in_order(&body, edits).as_slice().concat();
                assert_eq!(after, format!("{}{pad}", "+\"\"b".repeat(count)).as_bytes());
            }
        }
    }
}
