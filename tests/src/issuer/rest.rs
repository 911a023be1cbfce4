//! The account's REST, as far as a test scripts it: any path, and the calls of a namespace, which can be followed.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::{Reply, provider::Request};

/// What the account answers.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// What stands at a path, its query left out.
    pub(super) replies: HashMap<String, Reply>,
    /// Rows with `seq`, in the order of their changes.
    pub(super) calls: Vec<Value>,
    /// Nothing of it answers but with this.
    pub(super) instead: Option<Reply>,
}

impl Rest {
    /// The answer to `request`; `None` where nothing was scripted.
    pub(super) fn answer(&self, request: &Request) -> Option<Reply> {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        if let Some(instead) = &self.instead {
            return path.contains("/namespaces/").then(|| instead.clone());
        }
        if let Some(reply) = self.replies.get(path) {
            return Some(reply.clone());
        }
        if self.calls.is_empty() || !path.ends_with("/requests") {
            return None;
        }
        let number = |name: &str| -> Option<i64> {
            let (_, value) = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?;
            value.parse().ok()
        };
        let limit = usize::try_from(number("limit").unwrap_or(25)).expect("a limit");
        let rows: Vec<&Value> = match number("after") {
            Some(after) => self.calls.iter().filter(|row| row["seq"].as_i64() > Some(after)).take(limit).collect(),
            None => self.calls.iter().rev().take(limit).collect(),
        };
        Some(Reply::json(200, json!({"data": rows, "limit": limit, "offset": 0, "next_cursor": null}).to_string()))
    }
}
