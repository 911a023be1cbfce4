//! A stream of a message: it ends with `message_stop`, or with an error of the provider's own.
//!
//! Source: Anthropic API reference, "Streaming messages".

use bytes::Bytes;

use super::{error, usage::Counts};
use crate::{
    error::InferenceError,
    protocol::{
        json_read,
        sse_event::{data_of, type_of},
        stream::{EventReader, Progress},
        usage::TokenUsage,
    },
};

/// What its events have told so far.
#[derive(Debug)]
pub(super) struct Events {
    progress: Progress,
    counts: Counts,
    has_news: bool,
}

impl Default for Events {
    fn default() -> Self {
        Self { progress: Progress::Open, counts: Counts::default(), has_news: false }
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
                Some("message_stop" | "error") => {
                    self.progress = Progress::Ended;
                    break;
                }
                Some("message_start") => {
                    let message = json_read::values_in(&data, ["message"]);
                    let usage = message.and_then(|[message]| json_read::values(message?, ["usage"]));
                    self.count(usage.and_then(|[usage]| usage));
                }
                Some("message_delta") => {
                    let usage = json_read::values_in(&data, ["usage"]);
                    self.count(usage.and_then(|[usage]| usage));
                }
                _ => {}
            }
        }
        events
    }

    fn progress(&self) -> Progress {
        self.progress
    }

    fn error_event(&self, error: &InferenceError) -> Vec<u8> {
        error::event(error)
    }

    fn has_news(&self) -> bool {
        self.has_news
    }

    fn take_usage(&mut self) -> Option<TokenUsage> {
        std::mem::take(&mut self.has_news).then(|| self.counts.usage()).flatten()
    }

    fn names(&self) -> &'static [&'static str] {
        &["type", "message", "usage"]
    }
}
