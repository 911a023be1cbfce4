//! A JSON object whose every member is known, each with the path by which an error names it.

use std::fmt;

use serde_json::{Map, Value};

/// The longest name of a member that an error repeats, in characters.
const SHOWN: usize = 64;

/// What is wrong with a policy, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SpecError {
    /// The member, as `spec.guardrail.model_allow[3]`; empty where no single one is wrong.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
    /// True where there is only too much of it.
    pub is_limit: bool,
}

impl SpecError {
    /// What stands at `field` is wrong.
    pub fn wrong(field: &Path<'_>, message: impl fmt::Display) -> Self {
        Self { field: field.to_string(), message: format!("`{field}` {message}"), is_limit: false }
    }

    /// No member is wrong by itself.
    pub fn of_all(message: impl fmt::Display) -> Self {
        Self { field: String::new(), message: message.to_string(), is_limit: false }
    }

    /// What stands at `field` is too much.
    pub fn limit(field: &Path<'_>, message: impl fmt::Display) -> Self {
        Self { is_limit: true, ..Self::wrong(field, message) }
    }
}

/// Where something stands in a body.
#[derive(Clone, Copy, Debug)]
pub enum Path<'a> {
    /// The body itself.
    Body,
    /// A member of it.
    Member(&'a Path<'a>, &'a str),
    /// An item of a list.
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => Ok(()),
            Self::Member(Self::Body, name) => f.write_str(name),
            Self::Member(above, name) => write!(f, "{above}.{name}"),
            Self::Item(above, index) => write!(f, "{above}[{index}]"),
        }
    }
}

/// The members that were not taken yet; `null` is as good as none.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    members: Map<String, Value>,
    at: Path<'a>,
}

impl<'a> Fields<'a> {
    /// The members of what stands at `at`.
    ///
    /// # Errors
    /// Where it is no object.
    pub(super) fn of(value: Value, at: Path<'a>) -> Result<Self, SpecError> {
        match value {
            Value::Object(members) => Ok(Self { members, at }),
            _ => Err(SpecError::wrong(&at, "must be an object")),
        }
    }

    /// Takes whatever stands there, with its path.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// The error that `name` is not as it must be.
    pub(super) fn wrong(&self, name: &str, message: impl fmt::Display) -> SpecError {
        SpecError::wrong(&Path::Member(&self.at, name), message)
    }

    /// Takes a number of 1 or more.
    ///
    /// # Errors
    /// Where it is something else, or more than `most`.
    pub(super) fn count(&mut self, name: &str, most: i64) -> Result<Option<i64>, SpecError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_i64() {
            Some(number) if (1..=most).contains(&number) => Ok(Some(number)),
            _ => Err(self.wrong(name, format_args!("must be a whole number from 1 to {most}"))),
        }
    }

    /// The same where it must be there.
    ///
    /// # Errors
    /// Where it is absent or something else.
    pub(super) fn needed_count(&mut self, name: &str, most: i64) -> Result<i64, SpecError> {
        self.count(name, most)?.ok_or_else(|| self.wrong(name, "is missing"))
    }

    /// Takes one of some words.
    ///
    /// # Errors
    /// Where it is none of them.
    pub(super) fn word<T: Copy + fmt::Display>(
        &mut self,
        name: &str,
        all: &[T],
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, SpecError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let wrong = || {
            let words: Vec<String> = all.iter().map(|word| format!("`{word}`")).collect();
            self.wrong(name, format_args!("must be one of {}", words.join(", ")))
        };
        value.as_str().and_then(parse).map(Some).ok_or_else(wrong)
    }

    /// Takes true or false.
    ///
    /// # Errors
    /// Where it is neither.
    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, SpecError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| self.wrong(name, "must be true or false"))
    }

    /// Takes a text that must be there.
    ///
    /// # Errors
    /// Where it is absent or something else.
    pub(super) fn needed_text(&mut self, name: &str) -> Result<String, SpecError> {
        match self.take(name) {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(self.wrong(name, "must be a string")),
            None => Err(self.wrong(name, "is missing")),
        }
    }

    /// Takes an object, reading it with its path.
    ///
    /// # Errors
    /// Where it is something else.
    pub(super) fn object<T>(
        &mut self,
        name: &str,
        read: impl Fn(Fields<'_>) -> Result<T, SpecError>,
    ) -> Result<Option<T>, SpecError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        Fields::of(value, Path::Member(&self.at, name)).and_then(read).map(Some)
    }

    /// Takes a list, reading each item with its path.
    ///
    /// # Errors
    /// Where it is something else, or has more than `most` items.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        most: usize,
        read: impl Fn(Value, Path<'_>) -> Result<T, SpecError>,
    ) -> Result<Option<Vec<T>>, SpecError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let at = Path::Member(&self.at, name);
        let Value::Array(items) = value else { return Err(SpecError::wrong(&at, "must be a list")) };
        if items.len() > most {
            return Err(SpecError::limit(&at, format_args!("has {} items, and {most} is the most", items.len())));
        }
        let items = items.into_iter().enumerate();
        items.map(|(index, item)| read(item, Path::Item(&at, index))).collect::<Result<_, _>>().map(Some)
    }

    /// Says that all members have been taken.
    ///
    /// # Errors
    /// Names one that nobody asked for.
    pub(super) fn end(self) -> Result<(), SpecError> {
        let Some(name) = self.members.into_iter().next().map(|(name, _)| name) else { return Ok(()) };
        let name = match name.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &name[..end]),
            None => name,
        };
        Err(SpecError::wrong(&Path::Member(&self.at, &name), "is unknown here"))
    }
}
