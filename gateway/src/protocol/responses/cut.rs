//! How a stream of a response is cut: everything in it that is open is done, as far as it came, then `response.incomplete`
//! tells all of it, with the reason and what was used. The events are numbered on.
//!
//! What the events have told so far is kept for that, up to a bound: beyond it the texts of the last event are cut short.
//! Source: OpenAI API reference, "Streaming events", object "response" (`incomplete_details`).

use serde_json::{Map, Value, json};

use super::{
    open_item::{ItemEvent, OpenItem, Room},
    usage::written,
};
use crate::protocol::{
    json_read,
    limit::OpenReply,
    sse_event::{type_of, typed_event},
    usage::TokenUsage,
};

/// As many items of a response are told apart.
const MOST_ITEMS: usize = 1 << 10;
/// The longest response, as its first events tell it, that is repeated.
const LONGEST_RESPONSE: usize = 256 << 10;

/// The response of one stream.
#[derive(Debug, Default)]
pub(super) struct OpenResponse {
    /// It, as the first events told it.
    response: Option<String>,
    /// In the order of their indexes.
    items: Vec<OpenItem>,
    room: Room,
    /// The number that the next event has.
    next_number: u64,
}

impl OpenResponse {
    /// Where the item with this index stands, or would stand.
    fn place(&self, index: u64) -> Result<usize, usize> {
        self.items.binary_search_by_key(&index, |item| item.index)
    }

    fn begin_item(&mut self, index: u64, told: &str) {
        if self.items.len() < MOST_ITEMS
            && let Err(at) = self.place(index)
            && let Some(item) = OpenItem::new(index, told, &mut self.room)
        {
            self.items.insert(at, item);
        }
    }

    /// Takes note of an event that concerns an item.
    fn note(&mut self, kind: &str, data: &str) {
        let names = ["output_index", "content_index", "summary_index", "item", "part", "delta"];
        let Some([index, content, summary, item, part, delta]) = json_read::values(data, names) else { return };
        let number = |raw: Option<&str>| raw.and_then(|raw| raw.parse().ok()).unwrap_or(0);
        let index = number(index);
        match (kind, item) {
            ("response.output_item.added", Some(item)) => return self.begin_item(index, item),
            // Some begin and are done in one event.
            ("response.output_item.done", Some(_)) => self.begin_item(index, "{}"),
            _ => {}
        }
        let Ok(at) = self.place(index) else { return };
        match (kind, item) {
            ("response.output_item.done", Some(item)) => self.items[at].end(item, &mut self.room),
            _ => {
                let event = ItemEvent { kind, part_index: number(content.or(summary)), part, delta };
                self.items[at].note(event, &mut self.room);
            }
        }
    }

    /// The response, as it is told last.
    fn incomplete(&self, usage: &TokenUsage) -> Value {
        let told = self.response.as_deref().and_then(|told| serde_json::from_str(told).ok());
        let mut response: Map<String, Value> = told.unwrap_or_default();
        for (name, value) in
            [("id", json!("")), ("object", json!("response")), ("created_at", json!(0)), ("model", json!(""))]
        {
            response.entry(name).or_insert(value);
        }
        let output: Vec<Value> = self.items.iter().map(OpenItem::value).collect();
        for (name, value) in [
            ("status", json!("incomplete")),
            ("error", Value::Null),
            ("incomplete_details", json!({ "reason": "max_output_tokens" })),
            ("output", output.into()),
            ("usage", written(usage)),
        ] {
            response.insert(name.to_owned(), value);
        }
        response.into()
    }
}

impl OpenReply for OpenResponse {
    fn read(&mut self, frame: &[u8]) {
        let number = json_read::values_in(frame, ["sequence_number"]);
        if let Some(number) = number.and_then(|[number]| number?.parse::<u64>().ok()) {
            self.next_number = number.saturating_add(1);
        }
        let (Some(kind), Ok(data)) = (type_of(frame), std::str::from_utf8(frame)) else { return };
        match &*kind {
            "response.created" | "response.in_progress" | "response.queued" => {
                let response = json_read::values(data, ["response"]).and_then(|[response]| response);
                if let Some(response) = response.filter(|response| response.len() <= LONGEST_RESPONSE) {
                    self.response = Some(response.to_owned());
                }
            }
            kind => self.note(kind, data),
        }
    }

    fn cut_before(&mut self, _frame: &[u8]) {}

    fn ending(&self, usage: &TokenUsage, _is_array: bool) -> Vec<u8> {
        let (mut events, mut number) = (String::new(), self.next_number);
        let mut put = |mut event: Value| {
            event["sequence_number"] = number.into();
            number = number.saturating_add(1);
            events += &typed_event(&event);
        };
        if self.response.is_none() {
            // Every client takes what comes for a part of a response that has begun.
            let mut response = self.incomplete(usage);
            for (name, value) in [("status", json!("in_progress")), ("output", json!([]))] {
                response[name] = value;
            }
            for name in ["incomplete_details", "usage"] {
                response[name] = Value::Null;
            }
            put(json!({ "type": "response.created", "response": response }));
        }
        self.items.iter().for_each(|item| item.finish(&mut put));
        put(json!({ "type": "response.incomplete", "response": self.incomplete(usage) }));
        events.into_bytes()
    }
}

#[cfg(test)]
#[path = "cut_tests.rs"]
mod tests;
