//! The dialects as the benchmark speaks them: where a request goes, what stands in it, and what a provider answers. All
//! bodies have the sizes of those of chat completions, so that the dialects can be compared.

use bytes::Bytes;

use crate::sse::{self, Script};

/// One of the four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Chat,
    Responses,
    Messages,
    Google,
}

/// What is asked for, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) dialect: Dialect,
    pub(crate) script: Script,
}

impl From<Script> for Ask {
    fn from(script: Script) -> Self {
        Self { dialect: Dialect::Chat, script }
    }
}

/// Settings that lead the providers of every dialect to one address.
pub(crate) const SETTINGS: [(&str, &str); 3] = [("openai", "/v1"), ("anthropic", "/v1"), ("google", "/v1beta")];

const TEXT: &str = "The quick brown fox jumps over the lazy dog. ";

impl Dialect {
    pub(crate) const ALL: [Self; 4] = [Self::Chat, Self::Responses, Self::Messages, Self::Google];

    /// Those beside chat completions.
    pub(crate) const OTHERS: [Self; 3] = [Self::Responses, Self::Messages, Self::Google];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::Google => "generateContent",
        }
    }

    /// The dialect of a request's path.
    pub(crate) fn of_path(path: &str) -> Self {
        match path {
            "/v1/responses" => Self::Responses,
            "/v1/messages" => Self::Messages,
            _ if path.ends_with("enerateContent") => Self::Google,
            _ => Self::Chat,
        }
    }

    /// The script that a request asks for: its body says it, or its path.
    pub(crate) fn script(self, path: &str, body: &[u8]) -> Option<Script> {
        Script::of_body(if self == Self::Google { path.as_bytes() } else { body })
    }

    /// A header that its SDKs send and a provider insists on.
    pub(crate) fn header(self) -> Option<(&'static str, &'static str)> {
        (self == Self::Messages).then_some(("anthropic-version", "2023-06-01"))
    }

    /// A whole reply of 1 KB, usage included.
    pub(crate) fn completion(self) -> Bytes {
        let (head, tail) = match self {
            Self::Chat => return sse::completion(),
            Self::Responses => (
                r#"{"id":"resp_bench","object":"response","created_at":1700000000,"status":"completed","model":"bench-plain","output":[{"type":"message","id":"msg_bench","status":"completed","role":"assistant","content":[{"type":"output_text","annotations":[],"text":""#,
                r#""}]}],"usage":{"input_tokens":240,"input_tokens_details":{"cached_tokens":0},"output_tokens":180,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":420}}"#,
            ),
            Self::Messages => (
                r#"{"id":"msg_bench","type":"message","role":"assistant","model":"bench-plain","content":[{"type":"text","text":""#,
                r#""}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":240,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":180}}"#,
            ),
            Self::Google => (
                r#"{"candidates":[{"content":{"parts":[{"text":""#,
                r#""}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":240,"candidatesTokenCount":180,"totalTokenCount":420},"modelVersion":"bench-plain","responseId":"bench"}"#,
            ),
        };
        padded(head, tail)
    }

    /// One event in the middle of a stream.
    pub(crate) fn event(self) -> Bytes {
        Bytes::from_static(match self {
            Self::Chat => return sse::event(),
            Self::Responses => {
                b"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":7,\
                  \"item_id\":\"msg_bench\",\"output_index\":0,\"content_index\":0,\"delta\":\" fox\",\"logprobs\":[]}\n\n"
            }
            Self::Messages => {
                b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\
                  \"delta\":{\"type\":\"text_delta\",\"text\":\" fox jumps over the lazy\"}}\n\n"
            }
            Self::Google => {
                b"data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \" fox\"}],\"role\": \"model\"},\"index\": 0}],\
                  \"usageMetadata\": {\"promptTokenCount\": 240,\"totalTokenCount\": 260},\"modelVersion\": \"bench-events\"}\r\n\r\n"
            }
        })
    }

    /// The last event.
    pub(crate) fn done(self) -> Bytes {
        Bytes::from_static(match self {
            Self::Chat => return sse::done(),
            Self::Responses => {
                b"event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":8,\"response\":\
                  {\"id\":\"resp_bench\",\"status\":\"completed\",\"usage\":{\"input_tokens\":240,\"output_tokens\":180}}}\n\n"
            }
            Self::Messages => b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            Self::Google => {
                b"data: {\"candidates\": [{\"finishReason\": \"STOP\",\"index\": 0}],\"usageMetadata\": \
                  {\"promptTokenCount\": 240,\"candidatesTokenCount\": 180,\"totalTokenCount\": 420}}\r\n\r\n"
            }
        })
    }
}

impl Ask {
    /// Where the request goes.
    pub(crate) fn path(self) -> String {
        match self.dialect {
            Dialect::Chat => "/v1/chat/completions".to_owned(),
            Dialect::Responses => "/v1/responses".to_owned(),
            Dialect::Messages => "/v1/messages".to_owned(),
            Dialect::Google => {
                let verb = if self.script.streams() { "streamGenerateContent?alt=sse" } else { "generateContent" };
                format!("/v1beta/models/google:{}:{verb}", self.script.model())
            }
        }
    }

    /// What stands in it: 1 KB, with the provider named.
    pub(crate) fn body(self) -> Bytes {
        let (model, stream) = (self.script.model(), self.script.streams());
        let (head, tail) = match self.dialect {
            Dialect::Chat => return self.script.request_body(),
            Dialect::Responses => (
                format!(
                    r#"{{"model":"openai:{model}","stream":{stream},"temperature":0.2,"instructions":"You are terse.","input":[{{"role":"user","content":""#
                ),
                r#""}]}"#,
            ),
            Dialect::Messages => (
                format!(
                    r#"{{"model":"anthropic:{model}","stream":{stream},"max_tokens":512,"system":"You are terse.","messages":[{{"role":"user","content":""#
                ),
                r#""}]}"#,
            ),
            Dialect::Google => (
                r#"{"generationConfig":{"temperature":0.2},"systemInstruction":{"parts":[{"text":"You are terse."}]},"contents":[{"role":"user","parts":[{"text":""#
                    .to_owned(),
                r#""}]}]}"#,
            ),
        };
        padded(&head, tail)
    }
}

/// `head` and `tail` with as much text between them as makes 1 KB.
fn padded(head: &str, tail: &str) -> Bytes {
    let text = TEXT.repeat(24);
    let room = 1024_usize.saturating_sub(head.len() + tail.len()).min(text.len());
    Bytes::from(format!("{head}{}{tail}", &text[..room]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_asks_and_answers_in_one_kilobyte() {
        for dialect in Dialect::ALL {
            for script in [Script::Plain, Script::Fifty] {
                let ask = Ask { dialect, script };
                let (path, body) = (ask.path(), ask.body());
                let plain = path.split('?').next().unwrap();
                assert_eq!(Dialect::of_path(plain), dialect);
                assert_eq!((dialect.script(plain, &body), body.len()), (Some(script), 1024));
                assert!(serde_json::from_slice::<serde_json::Value>(&body).unwrap().is_object());
            }
            assert_eq!(dialect.completion().len(), 1024);
            assert!(serde_json::from_slice::<serde_json::Value>(&dialect.completion()).is_ok());
            for event in [dialect.event(), dialect.done()] {
                let text = String::from_utf8(event.to_vec()).unwrap();
                let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
                assert!(data == "[DONE]" || serde_json::from_str::<serde_json::Value>(data).is_ok(), "{text}");
            }
        }
    }
}
