//! The responses that a scripted OpenAI keeps: `GET`, `DELETE`, `cancel` and `input_items` below `/v1/responses/{id}`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{refusal::Refusal, script};
use crate::provider::Request;

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Stored {
    made: u64,
    responses: BTreeMap<String, Kept>,
}

#[derive(Debug)]
struct Kept {
    response: Value,
    input: Vec<Value>,
}

impl Stored {
    pub(super) fn next_id(&mut self) -> String {
        self.made += 1;
        format!("resp_{:032x}", self.made)
    }

    pub(super) fn keep(&mut self, id: &str, response: &Value, input: &Value) {
        let items = match input {
            Value::Array(items) => items.clone(),
            text => vec![json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})],
        };
        let input = items.into_iter().enumerate().map(|(number, mut item)| {
            if item["id"].is_null() {
                item["id"] = json!(format!("msg_in{number}"));
            }
            if item["type"].is_null() {
                item["type"] = json!("message");
            }
            if let Some(text) = item["content"].as_str().map(str::to_owned) {
                item["content"] = json!([{"type": "input_text", "text": text}]);
            }
            item
        });
        self.responses.insert(id.to_owned(), Kept { response: response.clone(), input: input.collect() });
    }

    /// What this response said, or the refusal of who names it.
    pub(super) fn output_before(&self, id: &str) -> Result<&Value, Refusal> {
        let kept = self.responses.get(id).map(|kept| &kept.response["output"]);
        kept.ok_or_else(|| {
            let refusal = Refusal::bad(format!("Previous response with id '{id}' not found."));
            refusal.param("previous_response_id").code("previous_response_not_found")
        })
    }

    /// Whether an item of a kept response has this id.
    pub(super) fn has_item(&self, id: &str) -> bool {
        let items = self.responses.values().filter_map(|kept| kept.response["output"].as_array()).flatten();
        items.into_iter().any(|item| item["id"] == id)
    }
}

/// Answers below `/v1/responses`; `None` where there is no such path.
pub(super) fn answer(
    stored: &mut Stored,
    method: &str,
    rest: &str,
    request: &Request,
) -> Option<Result<Value, Refusal>> {
    let rest = rest.strip_prefix('/')?;
    let (id, verb) = rest.split_once('/').map_or((rest, None), |(id, verb)| (id, Some(verb)));
    let known =
        matches!((method, verb), ("GET" | "DELETE", None) | ("POST", Some("cancel")) | ("GET", Some("input_items")));
    if !known {
        return None;
    }
    let Some(kept) = stored.responses.get(id) else {
        return Some(Err(Refusal::new(404, format!("Response with id '{id}' not found.")).param("id")));
    };
    Some(match (method, verb) {
        ("DELETE", _) => {
            stored.responses.remove(id);
            Ok(json!({"id": id, "object": "response", "deleted": true}))
        }
        ("POST", _) => Err(Refusal::bad("Cannot cancel a synchronous response.").param("id")),
        (_, Some(_)) => Ok(items(kept, request)),
        _ => Ok(kept.response.clone()),
    })
}

fn items(kept: &Kept, request: &Request) -> Value {
    let id = |item: &Value| item["id"].as_str().unwrap_or_default().to_owned();
    let (limit, after) = (script::query(request, "limit").or(Some("20")), script::query(request, "after"));
    let (page, more) = script::page(&kept.input, id, limit, after);
    let (first, last) = (page.first().map(id), page.last().map(id));
    json!({"object": "list", "data": page, "first_id": first, "last_id": last, "has_more": more})
}
