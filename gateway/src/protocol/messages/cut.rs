//! How a stream of a message is cut: the block that is open stops, then `message_delta` with `stop_reason: "max_tokens"` and
//! what was used, then `message_stop`.
//!
//! Source: Anthropic API reference, "Streaming messages".

use std::collections::BTreeSet;

use serde_json::json;

use super::usage::written;
use crate::protocol::{
    json_read,
    limit::OpenReply,
    sse_event::{type_of, typed_event},
    usage::TokenUsage,
};

/// More blocks than this are open at once in no stream.
const MOST_BLOCKS: usize = 64;

/// The message of one stream.
#[derive(Debug, Default)]
pub(super) struct OpenMessage {
    has_begun: bool,
    /// The blocks that have begun and have not stopped, by their index.
    blocks: BTreeSet<u64>,
}

impl OpenReply for OpenMessage {
    fn read(&mut self, frame: &[u8]) {
        let index = || {
            let [index] = json_read::values_in(frame, ["index"])?;
            index?.parse().ok()
        };
        match type_of(frame).as_deref() {
            Some("message_start") => self.has_begun = true,
            Some("content_block_start") if self.blocks.len() < MOST_BLOCKS => self.blocks.extend(index()),
            Some("content_block_stop") => {
                index().map(|index: u64| self.blocks.remove(&index));
            }
            _ => {}
        }
    }

    fn cut_before(&mut self, _frame: &[u8]) {}

    fn ending(&self, usage: &TokenUsage, _is_array: bool) -> Vec<u8> {
        let usage = written(usage);
        let mut events = Vec::new();
        if !self.has_begun {
            // Every client takes what comes for a part of a message that has begun.
            let mut before = usage.clone();
            before["output_tokens"] = 0.into();
            let message = json!({
                "id": "msg_cut", "type": "message", "role": "assistant", "model": "", "content": [],
                "stop_reason": null, "stop_sequence": null, "usage": before,
            });
            events.push(json!({ "type": "message_start", "message": message }));
        }
        events.extend(self.blocks.iter().map(|index| json!({ "type": "content_block_stop", "index": index })));
        let delta = json!({ "stop_reason": "max_tokens", "stop_sequence": null });
        events.push(json!({ "type": "message_delta", "delta": delta, "usage": usage }));
        events.push(json!({ "type": "message_stop" }));
        events.iter().map(typed_event).collect::<String>().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::usage::{InputTokens, OutputTokens};

    fn cut(events: &[&str]) -> String {
        let mut open = OpenMessage::default();
        for event in events {
            open.read(event.as_bytes());
        }
        open.cut_before(b"{}");
        let input = InputTokens { uncached: 5, cache_read: 2, ..InputTokens::default() };
        let output = OutputTokens { visible: 3, ..OutputTokens::default() };
        String::from_utf8(open.ending(&TokenUsage { input: Some(input), output: Some(output) }, false)).unwrap()
    }

    #[test]
    fn the_open_block_stops_and_the_message_with_it() {
        let start = r#"{"type":"message_start","message":{"usage":{}}}"#;
        let block = r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#;
        let stop = r#"{"index":1,"type":"content_block_stop"}"#;
        let end = "event: message_delta\ndata: {\"delta\":{\"stop_reason\":\"max_tokens\",\"stop_sequence\":null},\
            \"type\":\"message_delta\",\"usage\":{\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":2,\
            \"input_tokens\":5,\"output_tokens\":3}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
        assert_eq!(cut(&[start]), end);
        assert_eq!(cut(&[start, block, stop]), end);
        let stopped = "event: content_block_stop\ndata: {\"index\":1,\"type\":\"content_block_stop\"}\n\n";
        assert_eq!(cut(&[start, block]), format!("{stopped}{end}"));
        let made = cut(&[]);
        assert!(made.starts_with("event: message_start\ndata: {") && made.ends_with(end), "{made}");
        assert!(made.contains("\"output_tokens\":0"), "{made}");
    }
}
