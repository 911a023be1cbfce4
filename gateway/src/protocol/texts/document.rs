//! A request, or a reply that is no stream, judged as a whole.

use serde::de::IgnoredAny;

use super::{
    ANY, REPLY, REQUEST, TextMap, Verdict,
    encoded::{Encoded, Media},
    find::{Found, Kind, Texts, texts_of},
    literal::Spelt,
    tracked::{Block, Desk, Edits, Tracked, judge_whole},
};
use crate::{
    content_rules::{ContentRules, Scratch},
    protocol::{Dialect, routing_fields},
};

/// What the rules say of a request: each kind of request has names of its own.
pub(crate) fn check_request(rules: &ContentRules, texts: &'static TextMap, text: &str) -> Verdict {
    check(rules, texts, REQUEST, text)
}

/// What the rules say of a reply that is no stream.
pub(crate) fn check_reply(rules: &ContentRules, dialect: Dialect, text: &str) -> Verdict {
    check(rules, dialect.rules().texts(), REPLY, text)
}

/// What the rules say of a document of which nothing is known: every string in it is a text, or all of it, where it is no JSON.
pub(crate) fn check_any(rules: &ContentRules, text: &str) -> Verdict {
    static NOTHING: TextMap = TextMap {
        members: &[],
        others: &[],
        by_place: &[],
        calls: &[],
        ends: |_| super::Ends::Nothing,
        by_type: false,
    };
    check(rules, &NOTHING, ANY, text)
}

fn check(rules: &ContentRules, map: &TextMap, root: u8, text: &str) -> Verdict {
    let (mut scratch, mut edits) = (Scratch::default(), Edits::new());
    let mut desk = Desk { rules, scratch: &mut scratch, edits: &mut edits };
    let judged = if is_object(text) {
        let texts = texts_of(map, root, text);
        texts.found.iter().try_for_each(|found| judge(&mut desk, text, 0, &texts, found, texts.is_signed(found)))
    } else {
        let mut all = Spelt::default();
        all.add_plain(text, 0);
        judge_unknown(&mut desk, all)
    };
    if let Err(Block(rule)) = judged {
        return rules.blocked(rule).map_or(Verdict::Clear, Verdict::Blocked);
    }
    if edits.is_empty() {
        return Verdict::Clear;
    }
    Verdict::Redacted(edits.into_iter().map(|(start, (end, with))| (start..end, with.into_owned())).collect())
}

/// Judges what is no object: the string values of what is JSON all the same, and of anything else all as one text.
pub(super) fn judge_unknown(desk: &mut Desk<'_>, all: Spelt) -> Result<(), Block> {
    let mut json = Tracked::new(true);
    json.push(desk, all, false)?;
    json.finish(desk)
}

/// True where `text` is one JSON object and nothing else.
pub(super) fn is_object(text: &str) -> bool {
    text.trim_ascii_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Judges one text of `text`, which begins at `base`, as a whole.
pub(super) fn judge(
    desk: &mut Desk<'_>,
    text: &str,
    base: usize,
    texts: &Texts,
    found: &Found,
    is_signed: bool,
) -> Result<(), Block> {
    let is_json = match found.kind {
        Kind::Text => false,
        Kind::Json | Kind::Values => true,
        Kind::JsonIf(end) => type_of(texts, found).is_some_and(|kind| kind.ends_with(end)),
        Kind::Data if type_of(texts, found) == Some("text") => false,
        Kind::Data | Kind::File => return judge_encoded(desk, text, base, texts, found, is_signed),
    };
    let piece = piece_of(text, base, found);
    if !is_json {
        return judge_whole(desk, &piece, is_signed);
    }
    let mut json = Tracked::new(true);
    json.push(desk, piece, is_signed)?;
    json.finish(desk)
}

/// The same of a text that is encoded: where something of it is redacted, all of it is encoded anew.
fn judge_encoded(
    desk: &mut Desk<'_>,
    text: &str,
    base: usize,
    texts: &Texts,
    found: &Found,
    is_signed: bool,
) -> Result<(), Block> {
    let Some(string) = routing_fields::string(&text[found.at.clone()]) else { return Ok(()) };
    let media = texts.objects.get(found.object).map_or(Media::Unknown, |object| object.media);
    let encoded = match found.kind {
        Kind::File => Encoded::of_file(&string),
        _ => Encoded::of_base64(&string, media),
    };
    let Some(encoded) = encoded else { return Ok(()) };
    let (mut whole, mut edits) = (Spelt::default(), Edits::new());
    whole.add_plain(&encoded.text, 0);
    judge_whole(&mut Desk { rules: desk.rules, scratch: desk.scratch, edits: &mut edits }, &whole, is_signed)?;
    if !edits.is_empty() {
        let (mut redacted, mut from) = (String::with_capacity(encoded.text.len()), 0);
        for (start, (end, with)) in edits {
            redacted.push_str(&encoded.text[from..start]);
            redacted.push_str(&with);
            from = end;
        }
        redacted.push_str(&encoded.text[from..]);
        let at = base + found.at.start..base + found.at.end;
        desk.edits.insert(at.start, (at.end, encoded.rewritten(&redacted).into()));
    }
    Ok(())
}

/// The type of the object that a text is in.
pub(super) fn type_of<'t>(texts: &'t Texts, found: &Found) -> Option<&'t str> {
    texts.objects.get(found.object)?.kind.as_deref()
}

/// The text as it is read.
pub(super) fn piece_of(text: &str, base: usize, found: &Found) -> Spelt {
    let mut piece = Spelt::default();
    let raw = &text[found.at.clone()];
    match found.kind {
        Kind::Values => piece.add_plain(raw, base + found.at.start),
        _ => piece.add_string(&raw[1..raw.len() - 1], base + found.at.start + 1),
    }
    piece
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
