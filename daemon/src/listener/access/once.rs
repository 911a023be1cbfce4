//! Headers that may stand once: a second value would let two programs read different things.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The values of a header that may stand once.
pub(super) enum Once<'a> {
    Absent,
    Value(&'a HeaderValue),
    Repeated,
}

pub(super) fn once<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Once<'a> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Once::Absent,
        (Some(value), None) => Once::Value(value),
        (Some(_), Some(_)) => Once::Repeated,
    }
}
