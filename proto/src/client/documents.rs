//! Documents of a server, as a client of ours reads them: by what it knows, without what a terminal would obey.

use std::hash::{BuildHasher as _, RandomState};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ClientError, asked::Told, distrust};

/// What says that a call which makes something is a repetition of an earlier one: nothing is made twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Another one than any before: one for each thing that is to be made, the same for every try.
    #[expect(clippy::new_without_default, reason = "each one is another, which no default is")]
    pub fn new() -> Self {
        // It is no secret and must only never come twice: what the standard library seeds hashers with is enough.
        let random = || RandomState::new().hash_one(std::process::id());
        Self(format!("{:016x}{:016x}", random(), random()))
    }

    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Members that are shown as JSON, whole, and are made fit for a terminal as JSON then: they stay what was told until they are.
const SHOWN_AS_JSON: [&str; 6] = ["spec", "guardrail", "budget", "rate_limit", "budgets", "rate_limits"];

/// Reads a document. Every text in what is read can be shown on a terminal, as the document itself can, but for what is
/// shown as JSON.
pub(super) fn read<T: DeserializeOwned>(json: &str) -> Result<Told<T>, ClientError> {
    Ok(Told { read: parsed(json)?, json: distrust::document(json)? })
}

/// The same without the document.
pub(super) fn parsed<T: DeserializeOwned>(json: &str) -> Result<T, ClientError> {
    let document: Value =
        serde_json::from_str(json).map_err(|_| ClientError::Broken("it answered JSON that is none".to_owned()))?;
    // The error could repeat what was told.
    serde_json::from_value(shown(document))
        .map_err(|_| ClientError::Broken("it answered a document of another kind".to_owned()))
}

/// Reads a document that says in one member whether something is so.
pub(super) fn flag(json: &str, member: &str) -> Result<Told<bool>, ClientError> {
    let told: Told<Value> = read(json)?;
    let said = told.read.get(member).and_then(Value::as_bool);
    let read = said.ok_or_else(|| ClientError::Broken(format!("it answered a document without `{member}`")))?;
    Ok(Told { read, json: told.json })
}

fn shown(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(distrust::line(text)),
        Value::Array(values) => values.into_iter().map(shown).collect(),
        Value::Object(members) => {
            let member = |(name, value): (String, Value)| match value {
                Value::Object(_) | Value::Array(_) if SHOWN_AS_JSON.contains(&name.as_str()) => (name, value),
                value => (distrust::line(name), shown(value)),
            };
            members.into_iter().map(member).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{List, told::ToldPolicy};

    #[test]
    fn what_is_read_can_be_shown_and_the_document_stays_what_it_is() {
        let json = "{ \"data\": [{\"id\":\"p\",\"name\":\"a\\u001b[2J\u{202e}\",\"kind\":\"budget\",\"spec\":{\"\u{9b}x\":[\"\\n\"]},\"budget\":\"\u{9b}\",\"more\":1}]}";
        let told: Told<List<ToldPolicy>> = read(json).unwrap();
        let row = &told.read.data[0];
        assert_eq!(
            (row.name.as_str(), row.spec.to_string().as_str()),
            ("a\\u{1b}[2J\\u{202e}", "{\"\u{9b}x\":[\"\\n\"]}")
        );
        let unread: Value = parsed(json).unwrap();
        assert_eq!(unread["data"][0]["budget"], "\\u{9b}", "only what has members is shown as JSON");
        assert_eq!(told.json, json.replace('\u{202e}', "\\u202e").replace('\u{9b}', "\\u009b"));
    }

    #[test]
    fn what_is_no_such_document_is_refused() {
        assert!(read::<List<ToldPolicy>>("{").is_err() && read::<List<ToldPolicy>>("{}").is_err());
        assert!(flag(r#"{"deleted":"yes"}"#, "deleted").is_err() && flag("[]", "deleted").is_err());
        assert!(flag(r#"{"deleted":true,"x":1}"#, "deleted").unwrap().read);
    }

    #[test]
    fn no_two_keys_of_calls_are_the_same() {
        let keys: std::collections::HashSet<_> = (0..1000).map(|_| IdempotencyKey::new().0).collect();
        assert_eq!(keys.len(), 1000);
        assert!(keys.iter().all(|key| key.len() == 32));
    }
}
