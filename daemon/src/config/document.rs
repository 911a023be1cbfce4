//! Reading a TOML document with the line of everything that is wrong.
//!
//! Knows tables, types, and spans; does not know one setting.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::error::Problem;
use crate::nearest::{nearest, shown};

/// A table of settings: its dotted name, the keys that may stand in it, and a line as it could be written for each.
pub(super) struct Section {
    /// `server`, or empty for the top of the file.
    pub(super) name: &'static str,
    /// Key and example.
    pub(super) keys: &'static [(&'static str, &'static str)],
}

impl Section {
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|(key, _)| *key)
    }
}

/// Why a value cannot stand; `at` where a part of the value is meant.
pub(super) struct ValueError {
    reason: String,
    at: Option<Range<usize>>,
}

impl ValueError {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), at: None }
    }

    pub(super) fn at(reason: impl Into<String>, span: Range<usize>) -> Self {
        Self { reason: reason.into(), at: Some(span) }
    }

    pub(super) fn into_reason(self) -> String {
        self.reason
    }
}

impl<E: std::error::Error> From<E> for ValueError {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

/// The text, and what was found wrong with it so far.
pub(super) struct Document<'t> {
    text: &'t str,
    problems: Vec<Problem>,
}

impl<'t> Document<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, problems: Vec::new() }
    }

    /// The problems, in the order of the lines.
    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| problem.line);
        self.problems
    }

    /// The table of the whole text. Text that is no TOML is a problem and gives none.
    pub(super) fn root(&mut self) -> Option<DeTable<'t>> {
        match DeTable::parse(self.text) {
            Ok(root) => Some(root.into_inner()),
            Err(error) => {
                // Only the message: `Display` would quote the line, and a line can hold anything.
                let message = format!("not TOML: {}", error.message());
                self.problem(&error.span().unwrap_or(0..0), message);
                None
            }
        }
    }

    pub(super) fn problem(&mut self, span: &Range<usize>, message: String) {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        // What is missing at the very end is missing in the last line, not in the one after it.
        let line = before.split(|byte| *byte == b'\n').count().min(self.text.lines().count()).max(1);
        self.problems.push(Problem { line, message });
    }

    /// Reports every key of `table` that is not in `section`. `elsewhere` gives the section of a key that is only
    /// misplaced, and `advice` may know better than the nearest name.
    pub(super) fn only_known(
        &mut self,
        table: &DeTable<'_>,
        prefix: &str,
        section: &Section,
        others: &[&Section],
        advice: impl Fn(&str) -> Option<String>,
    ) {
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if section.names().any(|known| known == name) {
                continue;
            }
            let full = dotted(prefix, name);
            let home = others.iter().find(|other| other.names().any(|known| known == name));
            let cure = if let Some(advice) = advice(name) {
                advice
            } else if let Some(near) = nearest(name, section.names()) {
                format!("did you mean `{near}`?")
            } else if let Some(home) = home {
                match home.name {
                    "" => format!("did you mean `{name}` above the first `[…]`?"),
                    home => format!("did you mean `{name}` in `[{home}]`?"),
                }
            } else {
                let known: Vec<_> = section.names().map(|known| format!("`{known}`")).collect();
                format!("known here: {}", known.join(", "))
            };
            self.problem(&key.span(), format!("unknown key `{full}`; {cure}"));
        }
    }

    /// The table under `key`, where it is there and is a table.
    pub(super) fn table<'d>(&mut self, parent: &'d DeTable<'t>, prefix: &str, key: &str) -> Option<&'d DeTable<'t>> {
        let value = parent.get(key)?;
        if let DeValue::Table(table) = value.get_ref() {
            return Some(table);
        }
        let full = dotted(prefix, key);
        let found = kind(value.get_ref());
        self.problem(&value.span(), format!("`{full}` must be a table, not {found}; for example `[{full}]`"));
        None
    }

    /// The setting under `key`, where it is there and `read` takes it.
    pub(super) fn read<T>(
        &mut self,
        table: &DeTable<'_>,
        prefix: &str,
        section: &Section,
        key: &str,
        read: impl FnOnce(&Spanned<DeValue<'_>>) -> Result<T, ValueError>,
    ) -> Option<T> {
        let value = table.get(key)?;
        match read(value) {
            Ok(read) => Some(read),
            Err(error) => {
                let example = section.keys.iter().find(|(known, _)| *known == key).map_or("", |(_, example)| example);
                let message = format!("`{}` {}; for example `{key} = {example}`", dotted(prefix, key), error.reason);
                self.problem(&error.at.unwrap_or(value.span()), message);
                None
            }
        }
    }
}

/// The value as a string.
pub(super) fn text<'v>(value: &'v Spanned<DeValue<'_>>) -> Result<&'v str, ValueError> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text),
        other => Err(ValueError::at(format!("must be a string, not {}", kind(other)), value.span())),
    }
}

/// The value as true or false.
pub(super) fn truth(value: &Spanned<DeValue<'_>>) -> Result<bool, ValueError> {
    match value.get_ref() {
        DeValue::Boolean(truth) => Ok(*truth),
        other => Err(ValueError::new(format!("must be true or false, not {}", kind(other)))),
    }
}

/// The value as a list, each member read by `member`.
pub(super) fn list<T>(
    value: &Spanned<DeValue<'_>>,
    mut member: impl FnMut(&str) -> Result<T, ValueError>,
) -> Result<Vec<T>, ValueError> {
    let DeValue::Array(items) = value.get_ref() else {
        return Err(ValueError::new(format!("must be a list of strings, not {}", kind(value.get_ref()))));
    };
    let read = |item: &Spanned<DeValue<'_>>| {
        let text = text(item)
            .map_err(|_| ValueError::at(format!("must hold strings, not {}", kind(item.get_ref())), item.span()))?;
        member(text).map_err(|error| ValueError { at: Some(item.span()), ..error })
    };
    items.iter().map(read).collect()
}

/// The value as one of a few words.
pub(super) fn word<T>(
    value: &Spanned<DeValue<'_>>,
    words: &[&str],
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, ValueError> {
    let text = text(value)?;
    parse(text).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
        ValueError::new(format!("must be one of {}", words.join(", ")))
    })
}

/// `server` and `listen` as `server.listen`.
pub(super) fn dotted(prefix: &str, key: &str) -> String {
    let key = shown(key);
    if prefix.is_empty() { key } else { format!("{prefix}.{key}") }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
