//! One chunk of a stream of content: which candidates have ended, what was counted.
//!
//! Source: Gemini API reference, `GenerateContentResponse`.

use super::usage;
use crate::protocol::{
    json_read,
    stream::{ContentEnd, Progress},
    usage::TokenUsage,
};

/// Candidates beyond this are not told apart.
const MOST_CANDIDATES: usize = 64;

/// The members that are read of a chunk.
pub(super) const NAMES: &[&str] = &[
    "candidates",
    "index",
    "finishReason",
    "promptFeedback",
    "blockReason",
    "usageMetadata",
    "error",
    "modelVersion",
    "responseId",
];

/// What the chunks of a stream have told so far.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// The candidates that have begun, and those that have ended, by their index.
    begun: u64,
    ended: u64,
    /// The prompt was refused: there will be no candidate.
    is_blocked: bool,
    /// An error was told.
    has_failed: bool,
    usage: Option<TokenUsage>,
    /// The last chunk counted.
    is_counted: bool,
}

impl Chunks {
    /// Takes note of a whole chunk.
    pub(super) fn read(&mut self, chunk: &[u8]) {
        let names = ["candidates", "promptFeedback", "usageMetadata", "error"];
        let text = std::str::from_utf8(chunk).ok();
        let Some([candidates, feedback, counted, error]) = text.and_then(|text| json_read::camel_values(text, names))
        else {
            return;
        };
        let counted = counted.and_then(usage::in_value);
        self.is_counted = counted.is_some();
        self.usage = TokenUsage::joined(self.usage, counted);
        self.has_failed |= error.is_some_and(says_something);
        for candidate in candidates
            .into_iter()
            .flat_map(|list| json_read::elements(list).unwrap_or_default().into_iter().map(move |at| &list[at]))
        {
            self.candidate(candidate);
        }
        let blocked = feedback.and_then(|feedback| json_read::camel_values(feedback, ["blockReason"]));
        self.is_blocked |= blocked.is_some_and(|[reason]| reason.is_some_and(says_something));
    }

    fn candidate(&mut self, candidate: &str) {
        let Some([index, reason]) = json_read::camel_values(candidate, ["index", "finishReason"]) else { return };
        // The first one's index is left out, as the encoding of the API does with zero.
        let index: usize = index.and_then(|index| index.parse().ok()).unwrap_or(0);
        let bit = 1 << index.min(MOST_CANDIDATES - 1);
        self.begun |= bit;
        if reason.is_some_and(says_something) {
            self.ended |= bit;
        }
    }

    pub(super) fn progress(&self) -> Progress {
        if self.has_failed {
            Progress::Ended
        } else if self.is_blocked || (self.begun != 0 && self.begun == self.ended) {
            // Counts may follow, or another candidate that begins.
            Progress::Complete
        } else {
            Progress::Open
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    pub(super) fn content_end(&self) -> ContentEnd {
        match (self.progress(), self.is_counted) {
            (Progress::Complete, false) => ContentEnd::Uncounted,
            (Progress::Complete, true) => ContentEnd::Counted,
            _ => ContentEnd::Open,
        }
    }

    pub(super) fn has_news(&self) -> bool {
        self.usage.is_some()
    }

    pub(super) fn take_usage(&mut self) -> Option<TokenUsage> {
        self.usage.take()
    }
}

fn says_something(value: &str) -> bool {
    value.starts_with(['{', '"'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(chunks: &[&str]) -> Progress {
        let mut read = Chunks::default();
        for chunk in chunks {
            read.read(chunk.as_bytes());
        }
        read.progress()
    }

    #[test]
    fn a_stream_is_complete_when_every_candidate_has_ended() {
        for (chunks, progress) in [
            (&[r#"{"candidates":[{"content":{},"finishReason":"STOP"}]}"#][..], Progress::Complete),
            (&[r#"{"candidates":[{"content":{},"finish_reason":"STOP"}]}"#], Progress::Complete),
            (&[r#"{"prompt_feedback":{"block_reason":"SAFETY"}}"#], Progress::Complete),
            (&[r#"{"candidates":[{"content":{"parts":[{"text":"\"finishReason\":\"STOP\""}]}}]}"#], Progress::Open),
            (&[r#"{"candidates":[{"index":0,"finishReason":null}]}"#], Progress::Open),
            (
                &[r#"{"candidates":[{"index":0},{"index":1,"finishReason":"STOP"}]}"#, r#"{"usageMetadata":{}}"#],
                Progress::Open,
            ),
            (
                &[
                    r#"{"candidates":[{"index":1,"finishReason":"STOP"}]}"#,
                    r#"{"candidates":[{"content":{}}]}"#,
                    r#"{"candidates":[{"finishReason":"MAX_TOKENS"}]}"#,
                ],
                Progress::Complete,
            ),
            (&[r#"{"candidates":[{"index":1,"finishReason":"STOP"}]}"#, r#"{"candidates":[{}]}"#], Progress::Open),
            (&[r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#], Progress::Complete),
            (&[r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#, r#"{"usageMetadata":{}}"#], Progress::Complete),
            (&[r#"{"promptFeedback":{"safetyRatings":[]}}"#], Progress::Open),
            (&[r#"{"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}"#], Progress::Ended),
            (&[r#"{"error":null}"#, "no json"], Progress::Open),
            (&[r#"{"candidates":[{"tool":{"finishReason":"STOP"}}]}"#], Progress::Open),
        ] {
            assert_eq!(after(chunks), progress, "{chunks:?}");
        }
    }
}
