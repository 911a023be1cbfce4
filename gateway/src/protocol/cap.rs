//! Puts caps into bodies whose caps stand at the top: OpenAI's and Anthropic's.

use std::ops::Range;

use super::{
    judged::{CapPlace, Judged},
    routing_fields::CAPS,
};

/// The changes that cap the output of `body`, an object with at least one member. Each cap that says a number gets the new one,
/// those of other dialects too, since some servers read them; where none of `own` does, `member` is added. One that is null
/// stays: it says nothing, and providers refuse two at once.
pub(super) fn set(body: &[u8], judged: &Judged, own: &[&str], member: &str, cap: u64) -> Vec<(Range<usize>, String)> {
    let says_a_number = |place: &&CapPlace| body.get(place.at.clone()) != Some(b"null");
    let caps = judged.caps.iter().filter(says_a_number).filter(|place| CAPS.contains(&place.name));
    let mut changes: Vec<_> = caps.clone().map(|place| (place.at.clone(), cap.to_string())).collect();
    if !caps.into_iter().any(|place| own.contains(&place.name)) {
        changes.extend(put(body, judged, member, cap));
    }
    changes
}

/// The change that has `member` say `value`, whether it stands there or not.
pub(super) fn put(body: &[u8], judged: &Judged, member: &str, value: u64) -> Option<(Range<usize>, String)> {
    if let Some(place) = judged.caps.iter().find(|place| place.name == member) {
        return Some((place.at.clone(), value.to_string()));
    }
    // Nothing but white space is behind it.
    let end = body.iter().rposition(|byte| *byte == b'}')?;
    Some((end..end, format!(",\"{member}\":{value}")))
}

#[cfg(test)]
#[path = "cap_tests.rs"]
mod tests;
