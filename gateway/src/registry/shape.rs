//! Which keys a manifest may have, and the nearest one to a key it may not.

use std::path::Path;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::RegistryError;

/// What stands under a key.
enum Under {
    /// A value; its kind is checked when it is read.
    Value,
    /// A table, or an array of tables, with these keys.
    Keys(&'static [Key]),
}

/// A key and what stands under it.
struct Key(&'static str, Under);

const INPUT: &[Key] =
    &[Key("no_cache", Under::Value), Key("cache_read", Under::Value), Key("cache_write", Under::Value)];
const OUTPUT: &[Key] = &[Key("text", Under::Value), Key("reasoning", Under::Value)];
const TIER: &[Key] = &[
    Key("above_input_tokens", Under::Value),
    Key("input_tokens", Under::Keys(INPUT)),
    Key("output_tokens", Under::Keys(OUTPUT)),
];
const PRICING: &[Key] = &[
    Key("input_tokens", Under::Keys(INPUT)),
    Key("output_tokens", Under::Keys(OUTPUT)),
    Key("context_tiers", Under::Keys(TIER)),
];
const MODEL: &[Key] = &[
    Key("id", Under::Value),
    Key("provider_model_id", Under::Value),
    Key("max_input_tokens", Under::Value),
    Key("max_output_tokens", Under::Value),
    Key("capabilities", Under::Value),
    Key("pricing", Under::Keys(PRICING)),
];
const AUTH: &[Key] = &[
    Key("header", Under::Value),
    Key("scheme", Under::Value),
    Key("env", Under::Value),
    // Any header name may stand below.
    Key("extra_headers", Under::Value),
];
const ENDPOINT: &[Key] = &[Key("url", Under::Value), Key("header", Under::Value), Key("scheme", Under::Value)];
const ENDPOINTS: &[Key] = &[
    Key("chat_completions", Under::Keys(ENDPOINT)),
    Key("responses", Under::Keys(ENDPOINT)),
    Key("messages", Under::Keys(ENDPOINT)),
    Key("generate_content", Under::Keys(ENDPOINT)),
];
const PAYMENT: &[Key] = &[Key("modes", Under::Value)];
const MANIFEST: &[Key] = &[
    Key("id", Under::Value),
    Key("name", Under::Value),
    Key("kind", Under::Value),
    Key("endpoint", Under::Value),
    Key("protocol", Under::Value),
    Key("auth", Under::Keys(AUTH)),
    Key("endpoints", Under::Keys(ENDPOINTS)),
    Key("payment", Under::Keys(PAYMENT)),
    Key("models", Under::Keys(MODEL)),
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

/// A TOML error as ours.
pub(super) fn syntax(error: &toml::de::Error, text: &str, file: &Path) -> RegistryError {
    RegistryError::Manifest {
        file: file.to_owned(),
        line: error.span().map_or(1, |span| line_of(text, span.start)),
        reason: error.message().trim().replace('\n', "; "),
    }
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
        if let Under::Keys(below) = under {
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
