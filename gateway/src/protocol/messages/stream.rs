//! A stream of a message: it ends with `message_stop`, or with an error of the provider's own.
//!
//! Source: Anthropic API reference, "Streaming messages".

use bytes::Bytes;

use super::{container_id, error, usage::Counts};
use crate::{
    error::InferenceError,
    protocol::{
        json_read,
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
    counts: Counts,
    has_news: bool,
    has_failed: bool,
    content_end: ContentEnd,
    /// The container in which tools run.
    ids: StoredIds,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            progress: Progress::Open,
            counts: Counts::default(),
            has_news: false,
            has_failed: false,
            content_end: ContentEnd::Open,
            ids: StoredIds::default(),
        }
    }
}

impl Events {
    fn count(&mut self, usage: Option<&str>) {
        if let Some(usage) = usage {
            self.counts.update(Counts::of(usage));
            self.has_news = true;
        }
    }
}

impl EventReader for Events {
    fn read(&mut self, events: Bytes) -> Bytes {
        if self.progress == Progress::Ended {
            return events;
        }
        for data in data_of(&events) {
            let kind = type_of(&data);
            match kind.as_deref() {
                Some(end @ ("message_stop" | "error")) => {
                    self.progress = Progress::Ended;
                    self.has_failed = end == "error";
                    break;
                }
                Some("content_block_start") => self.content_end = ContentEnd::Open,
                // Another block may begin, or what was used comes next.
                Some("content_block_stop") => self.content_end = ContentEnd::Uncounted,
                Some("message_start") => {
                    let message = json_read::values_in(&data, ["message"]);
                    let usage = message.and_then(|[message]| json_read::values(message?, ["usage"]));
                    self.count(usage.and_then(|[usage]| usage));
                }
                Some("message_delta") => {
                    let [usage, delta] = json_read::values_in(&data, ["usage", "delta"]).unwrap_or_default();
                    self.count(usage);
                    self.content_end = if usage.is_some() { ContentEnd::Counted } else { ContentEnd::Uncounted };
                    delta.and_then(container_id).iter().for_each(|id| self.ids.add(id));
                }
                _ => {}
            }
        }
        events
    }

    fn progress(&self) -> Progress {
        self.progress
    }

    fn has_failed(&self) -> bool {
        self.has_failed
    }

    fn content_end(&self) -> ContentEnd {
        self.content_end
    }

    fn take_ids(&mut self) -> Vec<String> {
        self.ids.take()
    }

    fn error_event(&self, error: &InferenceError) -> Vec<u8> {
        error::event(error)
    }

    fn has_news(&self) -> bool {
        self.has_news || self.ids.has_news()
    }

    fn take_usage(&mut self) -> Option<TokenUsage> {
        std::mem::take(&mut self.has_news).then(|| self.counts.usage()).flatten()
    }

    fn names(&self) -> &'static [&'static str] {
        &["type", "index", "message", "model", "usage", "delta", "container", "id"]
    }
}
