//! The scan of documents and the reader of whole replies, beside a parser that makes a tree.

use serde_json::{Map, Value, value::to_raw_value};

use super::{Input, in_pieces};
use crate::protocol::{
    ContentCounter, Dialect, DocumentReader,
    json_scan::{DEEPEST, JsonScan, LARGEST_COPY, LONGEST_TEXT, WHOLE},
    named_model::NamedModel,
    usage::TokenUsage,
};

/// Names at several depths, one of which is copied whole.
pub(in crate::protocol) const NAMES: &[&str] = &["usage", "response", "id", "candidates", "finishReason"];

/// The pieces make no difference to what is whole, and the copy of a document is what a parser would leave of it.
pub fn json_scan(data: &[u8]) {
    let Some(input) = Input::read(data) else { return };
    let scan = |text: &[u8], sizes: &[usize]| {
        let mut scan = JsonScan::new(NAMES);
        in_pieces(text, sizes, |piece| scan.push(&piece));
        scan
    };
    let (cut, whole) = (scan(input.text, &input.sizes), scan(input.text, &[]));
    assert_eq!(cut.is_whole(), whole.is_whole());
    let Some((text, document)) = plain(input.text) else { return };
    // An odd spelling of it tells the same.
    assert!(cut.is_whole() || !matches!(document, Value::Object(_) | Value::Array(_)));
    assert_eq!(cut.copy(), whole.copy());
    let cut = scan(text.as_bytes(), &input.sizes);
    let copy = cut.copy().map(|copy| {
        serde_json::from_str::<Value>(&copy).unwrap_or_else(|error| panic!("the copy is no JSON ({error}): {copy}"))
    });
    if text.len() <= LARGEST_COPY && is_shallow(&document, DEEPEST) {
        assert_eq!(copy, document.is_object().then(|| pruned(&document, false)));
    }
}

/// What a parser would leave: members that are not wanted are taken out of objects that are.
pub(in crate::protocol) fn pruned(value: &Value, whole: bool) -> Value {
    match value {
        Value::Object(members) => {
            let wanted = members.iter().filter(|(name, _)| whole || NAMES.contains(&name.as_str()));
            let pruned =
                wanted.map(|(name, value)| (name.clone(), pruned(value, whole || WHOLE.contains(&name.as_str()))));
            Value::Object(pruned.collect::<Map<_, _>>())
        }
        Value::Array(elements) => elements.iter().map(|element| pruned(element, whole)).collect(),
        Value::String(text) if to_raw_value(text).is_ok_and(|raw| raw.get().len() > LONGEST_TEXT + 1) => {
            Value::from("")
        }
        other => other.clone(),
    }
}

/// True for a nest of no more than `depth`.
fn is_shallow(value: &Value, depth: u32) -> bool {
    match value {
        Value::Object(members) => depth > 0 && members.values().all(|value| is_shallow(value, depth - 1)),
        Value::Array(elements) => depth > 0 && elements.iter().all(|value| is_shallow(value, depth - 1)),
        _ => true,
    }
}

/// The document of a text, and its plainest spelling: no member twice, no escape without need.
fn plain(text: &[u8]) -> Option<(String, Value)> {
    let text = serde_json::from_slice::<Value>(text).ok()?.to_string();
    // Read again, since a fraction that is written may be read as its neighbour.
    let document = serde_json::from_str(&text).ok()?;
    Some((text, document))
}

/// A whole reply tells the same in one piece and in several, and what a parser finds.
pub fn document(data: &[u8]) {
    let Some(input) = Input::read(data) else { return };
    let dialect = Dialect::ALL[input.way % Dialect::ALL.len()];
    let named = || Some(Box::new(NamedModel::new(dialect.rules().model_path(false))));
    let told = |reader: &DocumentReader| (reader.is_whole(), reader.usage(), reader.ids(), reader.models().to_vec());
    let read = |text: &[u8], sizes: &[usize]| {
        let mut reader = DocumentReader::new(dialect, named());
        in_pieces(text, sizes, |piece| reader.push(&piece));
        told(&reader)
    };
    let at_once = |text: &[u8]| {
        let mut reader = DocumentReader::new(dialect, named());
        reader.push_whole(text);
        told(&reader)
    };
    let content = |sizes: &[usize]| {
        let mut counter = ContentCounter::json(dialect.rules().content());
        in_pieces(input.text, sizes, |piece| counter.push(&piece));
        counter.take()
    };
    assert_eq!(content(&input.sizes), content(&[]));
    // Any bytes are safe.
    let _ = (read(input.text, &input.sizes), at_once(input.text));
    let Some((text, document)) = plain(input.text) else { return };
    if !document.is_object() {
        return;
    }
    let rules = dialect.rules();
    let counted = rules.kept().first().and_then(|name| document.get(*name));
    let usage: Option<TokenUsage> = counted.and_then(|value| rules.usage(value.to_string().as_bytes()));
    let (is_whole, found, ids, model) = read(text.as_bytes(), &input.sizes);
    assert!(is_whole);
    if text.len() <= LONGEST_TEXT && is_shallow(&document, DEEPEST) {
        assert_eq!((found, &ids), (usage, &rules.ids(&text)), "{dialect}: {text}");
    }
    assert_eq!(at_once(text.as_bytes()), (is_whole, found, ids, model), "{dialect}: {text}");
}
