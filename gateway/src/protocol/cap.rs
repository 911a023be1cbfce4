//! Puts caps into bodies whose caps stand at the top: OpenAI's and Anthropic's.

use std::ops::Range;

use super::judged::{CapPlace, Judged};

/// The changes that make `value` of `member` at the top of `body`, an object with at least one member. Each of `members` that
/// says a number gets the new one, and where none does `member` itself. One that is null stays: it says nothing, and providers
/// refuse two at once.
pub(super) fn set(
    body: &[u8],
    judged: &Judged,
    members: &[&str],
    member: &str,
    value: u64,
) -> Vec<(Range<usize>, String)> {
    let here = judged.caps.iter().filter(|place| members.contains(&place.name));
    let is_null = |place: &CapPlace| body.get(place.at.clone()) == Some(b"null");
    let mut places: Vec<&CapPlace> = here.clone().filter(|place| !is_null(place)).collect();
    if places.is_empty() {
        places.extend(here.filter(|place| place.name == member));
    }
    if places.is_empty() {
        // Nothing but white space is behind it.
        let end = body.iter().rposition(|byte| *byte == b'}');
        return end.map(|end| (end..end, format!(",\"{member}\":{value}"))).into_iter().collect();
    }
    places.into_iter().map(|place| (place.at.clone(), value.to_string())).collect()
}

#[cfg(test)]
#[path = "cap_tests.rs"]
mod tests;
