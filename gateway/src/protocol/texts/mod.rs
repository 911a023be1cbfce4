//! Content rules over requests and replies: which of their strings are texts, and what becomes of them.
//!
//! A dialect says by name where texts stand ([`TextMap`]). `find` lists them in one document or event, `object` is what they
//! stand in, `literal` decodes a string and knows where each character stands, `values` does so once more for JSON within a
//! string, `encoded` reads documents in base64, `tracked` is one text on its way through the rules. `document` judges what is
//! there as a whole, `guard` what comes as a stream.
//!
//! What is redacted is a stretch within a string: every other byte stays, escapes included. A document in base64 is encoded anew.

mod document;
mod encoded;
mod find;
mod guard;
mod literal;
mod object;
mod tracked;
mod units;
mod values;

use std::ops::Range;

pub(crate) use self::{
    document::{check_any, check_reply, check_request},
    guard::{Form, Passed, ReplyGuard},
};
use crate::content_rules::Blocked;

/// What stands where something was redacted; JSON needs no escape for it, at whatever depth of strings within strings.
pub(crate) const REDACTED: &str = "[REDACTED]";

/// What the rules say of a whole document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Clear,
    /// These bytes are to be replaced, in their order; they are strings, or stand within such.
    Redacted(Vec<(Range<usize>, String)>),
    /// It is blocked.
    Blocked(Blocked),
}

/// The number of the object that a request is.
pub(super) const REQUEST: u8 = 0;
/// The number of the object that a reply, an event or an element is.
pub(super) const REPLY: u8 = 1;
/// Any object: each string in it is a text, but for names and media.
pub(super) const ANY: u8 = 255;

/// What tells that a text is signed: it is blocked then, and never redacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    /// A signature beside it.
    Beside,
    /// The same; in a stream it may also come behind it, before the place of the text ends.
    Behind,
    /// The same; in a stream it is signed in any case, since nothing says when its signature would come.
    InStreams,
}

/// How a text is to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct How {
    pub(super) signed: Signed,
    /// In a stream the events that follow go on with it.
    pub(super) goes_on: bool,
}

/// A text of its own.
pub(super) const OWN: How = How { signed: Signed::Beside, goes_on: false };
/// A text that a stream tells bit by bit.
pub(super) const BITS: How = How { signed: Signed::Beside, goes_on: true };
/// The same, with a signature behind it perhaps.
pub(super) const BITS_TO_SIGN: How = How { signed: Signed::Behind, goes_on: true };
/// The same, signed.
pub(super) const SIGNED_BITS: How = How { signed: Signed::InStreams, goes_on: true };

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// No text.
    Skip,
    /// An object with this number, or an array of such.
    Node(u8),
    /// A text, or an array of such.
    Text(How),
    /// A text, an object with this number, or an array of such.
    TextOr(How, u8),
    /// JSON within a string: the string values in it are texts. As an object or array, the same without the string.
    Json(How),
    /// As `Json`, where the type of the object ends so; otherwise as `Text`.
    JsonIf(How, &'static str),
    /// A text where the object's type is `text`, and one in base64 where its media type allows that.
    Data,
    /// Every string at whatever depth is a text, but for names and media.
    Any(How),
}

/// Where texts stand in a dialect's requests and replies. Arrays are what their elements are.
#[derive(Debug)]
pub(crate) struct TextMap {
    /// In the object with this number, the member of this name is that.
    pub(super) members: &'static [(u8, &'static str, Role)],
    /// In the object with this number, any other member is that; no text, where the object is not named.
    pub(super) others: &'static [(u8, Role)],
    /// The objects that are told apart by their place in an array where they have no index.
    pub(super) by_place: &'static [u8],
    /// The objects that are calls, told in several events: one that has a name is another one, and one that does not say that
    /// it goes on has ended.
    pub(super) calls: &'static [u8],
    /// Which texts an event ends by its type.
    pub(super) ends: fn(&str) -> Ends,
    /// The type of an event tells texts apart.
    pub(super) by_type: bool,
}

/// Which texts an event ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    Nothing,
    /// Those of the place that it names.
    Place,
    /// All.
    All,
}
