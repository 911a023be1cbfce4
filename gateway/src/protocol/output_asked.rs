//! How much output a request asks for at most, as far as its members at the top say so.

use super::usage::count;

/// The largest number that is a cap or a count of choices.
const MOST: u64 = (1 << 31) - 1;

/// What a caller asks for at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutputAsked {
    /// Tokens of one reply; of several caps the greatest, `None` where the caller states none.
    pub(crate) cap: Option<u64>,
    /// How many replies are made.
    pub(crate) choices: u64,
}

/// What a member says that caps the output. What is no whole number from 1 on is no cap.
pub(super) fn cap(raw: &str) -> Option<u64> {
    count(Some(raw)).filter(|count| (1..=MOST).contains(count))
}

/// What a member says that asks for several replies.
pub(super) fn choices(raw: &str) -> u64 {
    count(Some(raw)).unwrap_or(1).clamp(1, MOST)
}
