//! Where in the JSON of a frame the last byte stood.

use super::{Kind, Role};

/// An object or an array that may hold content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) role: Role,
    pub(super) is_object: bool,
}

/// What the string is that the last byte stood in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// A member's name.
    Name,
    /// It counts as it is decoded.
    Counts(Kind),
    /// That there is any of it counts.
    Opaque(Kind),
    /// What it says matters.
    Mark,
    /// Nothing.
    Nothing,
}

/// Where in an escape of a string the last byte stood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Escape {
    #[default]
    None,
    /// Behind the backslash.
    Begun,
    /// Behind so many digits of a code unit, and its value so far.
    Unit(u8, u16),
}
