//! Which keys a manifest may have, and the nearest one to a key it may not.

use std::path::Path;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::RegistryError;

/// What stands under a key.
enum Schema {
    /// A value; its kind is checked when it is read.
    Value,
    /// A table, or an array of tables, with these keys.
    Keys(&'static [Key]),
}

/// A key and what stands under it.
struct Key(&'static str, Schema);

const INPUT: &[Key] = &[
    Key("no_cache", Schema::Value),
    Key("cache_read", Schema::Value),
    Key("cache_write", Schema::Value),
    Key("cache_write_1h", Schema::Value),
    Key("audio", Schema::Value),
    Key("image", Schema::Value),
    Key("video", Schema::Value),
];
const OUTPUT: &[Key] = &[
    Key("text", Schema::Value),
    Key("reasoning", Schema::Value),
    Key("audio", Schema::Value),
    Key("image", Schema::Value),
];
const TIER: &[Key] = &[
    Key("above_input_tokens", Schema::Value),
    Key("input_tokens", Schema::Keys(INPUT)),
    Key("output_tokens", Schema::Keys(OUTPUT)),
];
const CHANGE: &[Key] = &[
    Key("from", Schema::Value),
    Key("input_tokens", Schema::Keys(INPUT)),
    Key("output_tokens", Schema::Keys(OUTPUT)),
    Key("context_tiers", Schema::Keys(TIER)),
];
const PRICING: &[Key] = &[
    Key("input_tokens", Schema::Keys(INPUT)),
    Key("output_tokens", Schema::Keys(OUTPUT)),
    Key("context_tiers", Schema::Keys(TIER)),
    Key("changes", Schema::Keys(CHANGE)),
];
const MODEL: &[Key] = &[
    Key("id", Schema::Value),
    Key("provider_model_id", Schema::Value),
    Key("max_input_tokens", Schema::Value),
    Key("max_output_tokens", Schema::Value),
    Key("max_image_tokens", Schema::Value),
    Key("max_audio_tokens", Schema::Value),
    Key("max_file_tokens", Schema::Value),
    Key("max_output_tps", Schema::Value),
    Key("output_cap", Schema::Value),
    Key("capabilities", Schema::Value),
    Key("pricing", Schema::Keys(PRICING)),
];
const TOOL: &[Key] =
    &[Key("type", Schema::Value), Key("usd_per_use", Schema::Value), Key("max_input_tokens", Schema::Value)];
const AUTH: &[Key] = &[
    Key("header", Schema::Value),
    Key("scheme", Schema::Value),
    Key("env", Schema::Value),
    // Any header name may stand below.
    Key("extra_headers", Schema::Value),
];
const ENDPOINT: &[Key] = &[Key("url", Schema::Value), Key("header", Schema::Value), Key("scheme", Schema::Value)];
const ENDPOINTS: &[Key] = &[
    Key("chat_completions", Schema::Keys(ENDPOINT)),
    Key("responses", Schema::Keys(ENDPOINT)),
    Key("messages", Schema::Keys(ENDPOINT)),
    Key("generate_content", Schema::Keys(ENDPOINT)),
];
const PAYMENT: &[Key] = &[Key("modes", Schema::Value)];
const MANIFEST: &[Key] = &[
    Key("id", Schema::Value),
    Key("name", Schema::Value),
    Key("kind", Schema::Value),
    Key("endpoint", Schema::Value),
    Key("protocol", Schema::Value),
    Key("auth", Schema::Keys(AUTH)),
    Key("endpoints", Schema::Keys(ENDPOINTS)),
    Key("stream_usage", Schema::Value),
    Key("payment", Schema::Keys(PAYMENT)),
    Key("output_cap", Schema::Value),
    Key("tools", Schema::Keys(TOOL)),
    Key("models", Schema::Keys(MODEL)),
];

/// The line, from 1, at which byte `at` of `text` stands.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

/// The one of `known` that is nearest to `word`.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known.max_by(|a, b| strsim::jaro_winkler(word, a).total_cmp(&strsim::jaro_winkler(word, b)))
}

/// Refuses `text` where it has a key that no manifest has.
pub(super) fn check(text: &str, file: &Path) -> Result<(), RegistryError> {
    let table = DeTable::parse(text).map_err(|error| syntax(&error, text, file))?;
    keys(table.get_ref(), MANIFEST, "", text, file)
}

/// The line where the key at the end of `path` stands; where there is none, that of the nearest one above it.
pub(super) fn line_of_key(text: &str, path: &[&str]) -> usize {
    let Ok(root) = DeTable::parse(text) else { return 1 };
    let (mut table, mut at) = (root.get_ref(), 0);
    for name in path {
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == name) else { break };
        at = key.span().start;
        let Some(below) = value.get_ref().as_table() else { break };
        table = below;
    }
    line_of(text, at)
}

/// A TOML error as ours.
pub(super) fn syntax(error: &toml::de::Error, text: &str, file: &Path) -> RegistryError {
    let start = error.span().map_or(0, |span| span.start);
    let message = error.message().trim();
    // What is of the wrong kind is quoted before these words, and what should stand there follows them.
    let wrong_kind = ["invalid type", "invalid value", "invalid length", "unknown variant"];
    let wrong_kind = wrong_kind.iter().any(|start| message.starts_with(start));
    let reason = match message.rsplit_once(", expected ").filter(|_| wrong_kind) {
        Some((_, expected)) => {
            let is_number = expected == "u64" || expected.starts_with("a nonzero u");
            let expected = if is_number { "a whole number" } else { expected };
            let key = DeTable::parse(text).ok().and_then(|table| key_at(table.get_ref(), start, ""));
            format!("`{}` must be {expected}", key.unwrap_or_default())
        }
        None => message.replace('\n', "; "),
    };
    RegistryError::Manifest { file: file.to_owned(), line: line_of(text, start), reason }
}

/// The key, with its path, whose value holds byte `at`.
fn key_at(table: &DeTable<'_>, at: usize, path: &str) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let path = format!("{path}{}", key.get_ref());
        let below = |table: &DeTable<'_>| key_at(table, at, &format!("{path}."));
        let found = match value.get_ref() {
            DeValue::Table(table) => below(table),
            DeValue::Array(array) => array.iter().filter_map(|item| item.get_ref().as_table()).find_map(below),
            _ => None,
        };
        found.or_else(|| value.span().contains(&at).then_some(path))
    })
}

fn keys(table: &DeTable<'_>, known: &'static [Key], path: &str, text: &str, file: &Path) -> Result<(), RegistryError> {
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let Some(Key(_, under)) = known.iter().find(|Key(known, _)| *known == name) else {
            return Err(RegistryError::UnknownKey {
                file: file.to_owned(),
                line: line_of(text, key.span().start),
                key: format!("{path}{name}"),
                nearest: nearest(name, known.iter().map(|Key(known, _)| *known)).unwrap_or_default().to_owned(),
            });
        };
        if let Schema::Keys(below) = under {
            let path = format!("{path}{name}.");
            tables(value, |table| keys(table, below, &path, text, file))?;
        }
    }
    Ok(())
}

fn tables(
    value: &Spanned<DeValue<'_>>,
    mut each: impl FnMut(&DeTable<'_>) -> Result<(), RegistryError>,
) -> Result<(), RegistryError> {
    match value.get_ref() {
        DeValue::Table(table) => each(table),
        DeValue::Array(array) => array.iter().filter_map(|item| item.get_ref().as_table()).try_for_each(each),
        _ => Ok(()),
    }
}
