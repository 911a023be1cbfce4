//! Puts a cap of the output into `generationConfig`, in whichever spelling that stands there.
//!
//! Source: Gemini API reference, `GenerationConfig`, `maxOutputTokens`.

use std::ops::Range;

use super::judged::{CAP, SPELLING};
use crate::protocol::{json_members::space, json_read, judged::Judged};

/// The changes that make `cap` the cap of `body`.
pub(super) fn set(body: &[u8], judged: &Judged, cap: u64) -> Vec<(Range<usize>, String)> {
    let mut changes = Vec::new();
    for place in &judged.caps {
        let name = if place.as_listed { CAP } else { "maxOutputTokens" };
        let value = body.get(place.at.clone()).and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default();
        match value.as_bytes().first() {
            Some(b'n') => changes.push((place.at.clone(), format!("{{\"{name}\":{cap}}}"))),
            Some(b'{') => in_config(value, place.at.start, name, cap, &mut changes),
            // The provider takes none of the others.
            _ => {}
        }
    }
    if judged.caps.is_empty() {
        let config = format!("\"generationConfig\":{{\"maxOutputTokens\":{cap}}}");
        changes.extend(put_first(body, space(body, 0), config));
    }
    changes
}

fn in_config(config: &str, start: usize, name: &str, cap: u64, changes: &mut Vec<(Range<usize>, String)>) {
    let found = json_read::members(config, |found: &mut Vec<Range<usize>>, name, at| {
        if std::str::from_utf8(name).is_ok_and(|name| SPELLING.is(name, CAP)) {
            found.push(at);
        }
    });
    let found = found.unwrap_or_default();
    if found.is_empty() {
        let member = put_first(config.as_bytes(), 0, format!("\"{name}\":{cap}"));
        changes.extend(member.map(|(at, with)| (start + at.start..start + at.end, with)));
    } else {
        changes.extend(found.into_iter().map(|at| (start + at.start..start + at.end, cap.to_string())));
    }
}

/// The change that makes `member` the first one of the object that begins at `at`.
fn put_first(bytes: &[u8], at: usize, mut member: String) -> Option<(Range<usize>, String)> {
    if bytes.get(at) != Some(&b'{') {
        return None;
    }
    if bytes.get(space(bytes, at + 1)) != Some(&b'}') {
        member.push(',');
    }
    Some((at + 1..at + 1, member))
}
