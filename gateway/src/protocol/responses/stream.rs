//! A stream of a response: it ends with `response.completed`, `.incomplete`, `.failed` or `.cancelled`, or with an error of
//! the provider's own (behind which most send `response.failed`).
//!
//! Its events are numbered, and ours go on with the numbers. A failure is two of them: `error` with its detail nested, which
//! makes the official SDKs raise, and `response.failed`, which other clients wait for.
//! Source: OpenAI API reference, "Streaming events".

use std::time::SystemTime;

use bitrouter_proto::clock;
use bytes::Bytes;
use serde_json::{Value, json};

use super::{ids, usage};
use crate::{
    error::InferenceError,
    protocol::{
        json_read,
        openai_error::ErrorObject,
        routing_fields::string,
        sse_event::{data_of, type_of},
        stored_ids::StoredIds,
        stream::{ContentEnd, EventReader, Progress},
        usage::TokenUsage,
    },
};

/// What its events have told so far.
#[derive(Debug)]
pub(super) struct Events {
    progress: Progress,
    usage: Option<TokenUsage>,
    /// What the first event says of the response, for the one that says that it has failed.
    response: Option<Value>,
    ids: StoredIds,
    has_failed: bool,
    content_end: ContentEnd,
    /// The id of a stored response that the stream goes on with.
    stored_id: Option<String>,
    /// The number that the next event has.
    next_number: u64,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            progress: Progress::Open,
            usage: None,
            response: None,
            ids: StoredIds::default(),
            has_failed: false,
            content_end: ContentEnd::Open,
            stored_id: None,
            next_number: 0,
        }
    }
}

impl Events {
    /// The beginning of a response: its id, and what clients need to know of it besides.
    fn begin(&mut self, data: &[u8]) {
        let Some([Some(response)]) = json_read::values_in(data, ["response"]) else {
            return;
        };
        let Some([id, created_at, model]) = json_read::values(response, ["id", "created_at", "model"]) else { return };
        let Some(id) = id.and_then(string) else { return };
        let value = |raw: Option<&str>| raw.and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or(Value::Null);
        self.response = Some(json!({ "id": id, "created_at": value(created_at), "model": value(model) }));
        self.ids.add(&id);
    }

    /// An item of its output begins or has ended.
    fn item(&mut self, data: &[u8]) {
        if let Some([Some(item)]) = json_read::values_in(data, ["item"]) {
            ids::add_of_item(item, &mut self.ids);
        }
    }

    fn end(&mut self, data: &[u8]) {
        self.progress = Progress::Ended;
        let response = json_read::values_in(data, ["response"]);
        let usage = response.and_then(|[response]| json_read::values(response?, ["usage"]));
        let usage = usage.and_then(|[usage]| usage::in_value(usage?));
        self.usage = TokenUsage::joined(self.usage, usage);
    }

    /// Takes note of the number of an event.
    fn count(&mut self, data: &[u8]) {
        if let Some(number) = number_of(data) {
            self.next_number = number.saturating_add(1);
        }
    }
}

impl EventReader for Events {
    fn read(&mut self, events: Bytes) -> Bytes {
        for data in data_of(&events) {
            self.count(&data);
            let kind = type_of(&data);
            match kind.as_deref() {
                Some(
                    "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled" | "error",
                ) => {
                    self.has_failed = matches!(kind.as_deref(), Some("response.failed" | "error"));
                    self.end(&data);
                }
                Some("response.output_item.added") => {
                    self.content_end = ContentEnd::Open;
                    self.item(&data);
                }
                Some("response.output_item.done") => {
                    self.content_end = ContentEnd::Uncounted;
                    self.item(&data);
                }
                Some("response.created" | "response.in_progress" | "response.queued") if self.response.is_none() => {
                    self.begin(&data);
                }
                _ => {}
            }
        }
        events
    }

    fn progress(&self) -> Progress {
        self.progress
    }

    fn withhold(&mut self, events: &[u8]) {
        if let Some(first) = data_of(events).find_map(|data| number_of(&data)) {
            self.next_number = self.next_number.min(first);
        }
    }

    fn error_event(&self, error: &InferenceError) -> Vec<u8> {
        let number = self.next_number;
        let told = json!({ "type": "error", "sequence_number": number, "error": object(error) });
        let of = |name: &str| self.response.as_ref().map_or(Value::Null, |response| response[name].clone());
        // Clients take it for a number.
        let created_at = Some(of("created_at")).filter(|at| !at.is_null()).unwrap_or_else(|| now().into());
        let stored_id = || self.stored_id.clone().unwrap_or_default().into();
        let id = self.response.as_ref().map_or_else(stored_id, |response| response["id"].clone());
        let failed = json!({
            "type": "response.failed",
            "sequence_number": number.saturating_add(1),
            "response": {
                "id": id,
                "object": "response",
                "created_at": created_at,
                "status": "failed",
                "model": of("model"),
                "output": [],
                "error": { "code": error.code().as_str(), "message": error.message() },
                "incomplete_details": null,
                "usage": null,
            },
        });
        format!("event: error\ndata: {told}\n\nevent: response.failed\ndata: {failed}\n\n").into_bytes()
    }

    fn has_failed(&self) -> bool {
        self.has_failed
    }

    fn content_end(&self) -> ContentEnd {
        self.content_end
    }

    fn has_news(&self) -> bool {
        self.usage.is_some() || self.ids.has_news()
    }

    fn take_usage(&mut self) -> Option<TokenUsage> {
        self.usage.take()
    }

    fn take_ids(&mut self) -> Vec<String> {
        self.ids.take()
    }

    fn is_of_response(&mut self, id: &str) {
        self.stored_id = Some(id.to_owned());
    }

    fn names(&self) -> &'static [&'static str] {
        &[
            "type",
            "sequence_number",
            "response",
            "id",
            "created_at",
            "model",
            "usage",
            "item",
            "container_id",
            "output_index",
            "content_index",
            "summary_index",
            "part",
        ]
    }
}

/// The number of an event.
fn number_of(data: &[u8]) -> Option<u64> {
    let [number] = json_read::values_in(data, ["sequence_number"])?;
    number?.parse().ok()
}

/// Now, in seconds since 1970, as responses tell it.
fn now() -> u64 {
    clock::wall_now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The error as a value.
fn object(error: &InferenceError) -> Value {
    // Strings and values are values.
    serde_json::to_value(ErrorObject(error)).unwrap_or(Value::Null)
}
