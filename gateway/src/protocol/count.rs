//! The body of a question how many tokens a request has, made of the request's own bytes, and what is answered.

use std::ops::Range;

use bytes::Bytes;

use super::{json_read, routing_fields::string, spelling::Spelling, splice::with_raw, usage::count};

/// `{"model":MODEL, …}` with those of `members` that stand at the top of `body`, as they stand there but for `texts`. `None`
/// where that is no object.
pub(super) fn body(
    body: &Bytes,
    model: &str,
    members: &[&'static str],
    spelling: Spelling,
    texts: &[(Range<usize>, String)],
) -> Option<Vec<u8>> {
    // What is hidden from the provider is hidden from it here too.
    let body = with_raw(body, texts);
    let text = std::str::from_utf8(&body).ok()?;
    let found = json_read::members(text, |found: &mut Vec<(Box<[u8]>, Range<usize>)>, name, at| {
        let is_taken = std::str::from_utf8(name).is_ok_and(|name| spelling.find(name, members).is_some());
        if is_taken {
            found.push((name.into(), at));
        }
    });
    let found = found.ok()?;
    let length: usize = found.iter().map(|(name, at)| name.len() + at.len() + 4).sum();
    let mut out = Vec::with_capacity(length + model.len() + 16);
    out.extend_from_slice(b"{\"model\":");
    serde_json::to_writer(&mut out, model).ok()?;
    for (name, at) in found {
        // It is one of the list: nothing in it needs an escape.
        out.extend_from_slice(b",\"");
        out.extend_from_slice(&name);
        out.extend_from_slice(b"\":");
        out.extend_from_slice(&body[at]);
    }
    out.push(b'}');
    Some(out)
}

/// The number that a reply has in one of `members`; Google's is a text in some versions (int64 in ProtoJSON).
pub(super) fn counted<const N: usize>(reply: &[u8], members: [&str; N]) -> Option<u64> {
    let found = json_read::values_in(reply, members)?;
    found.into_iter().flatten().find_map(|raw| count(Some(raw)).or_else(|| count(string(raw).as_deref())))
}

#[cfg(test)]
#[path = "count_tests.rs"]
mod tests;
