//! What is asked of the scripted provider and what it answers: bodies of the size that chat completions have.

use bytes::Bytes;

/// How the provider behaves; the model of the request says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    /// A completion of 1 KB.
    Plain,
    /// [`EVENTS`] events, one write each.
    Events,
    /// [`FIFTY`] events, one write each.
    Fifty,
    /// The same, each long after the one before, so that whoever is slow gets each alone too.
    Paced,
    /// One event, then nothing.
    Hold,
    /// No answer at all.
    Silent,
    /// [`FLOOD`] bytes of events as fast as they are taken.
    Flood,
    /// The end of the key that came with the request.
    Key,
}

/// Events of [`Script::Events`].
pub(crate) const EVENTS: usize = 32;

/// Events of [`Script::Fifty`] and [`Script::Paced`].
pub(crate) const FIFTY: usize = 50;

/// Bytes of [`Script::Flood`].
pub(crate) const FLOOD: u64 = 256 << 20;

/// What the keys of a run begin with; the provider answers the rest.
pub(crate) const KEY_PREFIX: &str = "sk-bench-";

const ALL: [Script; 8] = [
    Script::Plain,
    Script::Events,
    Script::Fifty,
    Script::Paced,
    Script::Hold,
    Script::Silent,
    Script::Flood,
    Script::Key,
];

impl Script {
    /// The model, without the provider.
    pub(crate) fn model(self) -> &'static str {
        match self {
            Self::Plain => "bench-plain",
            Self::Events => "bench-events",
            Self::Fifty => "bench-fifty",
            Self::Paced => "bench-paced",
            Self::Hold => "bench-hold",
            Self::Silent => "bench-silent",
            Self::Flood => "bench-flood",
            Self::Key => "bench-key",
        }
    }

    /// The script with this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        ALL.into_iter().find(|script| script.model().strip_prefix("bench-") == Some(name))
    }

    /// The script that a request body asks for. The model stands near its beginning.
    pub(crate) fn of_body(body: &[u8]) -> Option<Self> {
        let mark = b"bench-";
        let start = body.windows(mark.len()).take(256).position(|window| window == mark)? + mark.len();
        let name = body[start..].split(|byte| matches!(byte, b'"' | b':')).next()?;
        Self::parse(std::str::from_utf8(name).ok()?)
    }

    /// Whether a stream is asked for.
    pub(crate) fn streams(self) -> bool {
        !matches!(self, Self::Plain | Self::Key)
    }

    /// The body that asks for it: 1 KB, with the provider named.
    pub(crate) fn request_body(self) -> Bytes {
        let stream = self.streams();
        let head = format!(
            "{{\"model\":\"openai:{}\",\"stream\":{stream},\"temperature\":0.2,\"messages\":[{{\"role\":\"system\",\
             \"content\":\"You are terse.\"}},{{\"role\":\"user\",\"content\":\"",
            self.model()
        );
        let tail = "\"}]}";
        let text = "The quick brown fox jumps over the lazy dog. ".repeat(24);
        let room = 1024_usize.saturating_sub(head.len() + tail.len()).min(text.len());
        Bytes::from(format!("{head}{}{tail}", &text[..room]))
    }
}

/// A completion of 1 KB, usage included.
pub(crate) fn completion() -> Bytes {
    let head = "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"bench-plain\",\
                \"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"";
    let tail = "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":240,\"completion_tokens\":180,\
                \"total_tokens\":420}}";
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(24);
    Bytes::from(format!("{head}{}{tail}", &text[..1024 - head.len() - tail.len()]))
}

/// One event of a streamed completion.
pub(crate) fn event() -> Bytes {
    Bytes::from_static(
        b"data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\
          \"model\":\"bench-events\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" fox\"},\
          \"finish_reason\":null}]}\n\n",
    )
}

/// The last event.
pub(crate) fn done() -> Bytes {
    Bytes::from_static(b"data: [DONE]\n\n")
}

/// About 64 KiB of whole events.
pub(crate) fn block() -> Bytes {
    let event = event();
    Bytes::from(event.repeat((64 << 10) / event.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_reads_what_the_caller_asks_for() {
        for script in ALL {
            let body = script.request_body();
            assert_eq!((body.len(), Script::of_body(&body)), (1024, Some(script)));
            let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(value["model"], format!("openai:{}", script.model()));
        }
        assert_eq!(Script::of_body(b"{}"), None);
    }

    #[test]
    fn a_completion_is_one_kilobyte_of_json() {
        let value: serde_json::Value = serde_json::from_slice(&completion()).unwrap();
        assert_eq!((completion().len(), &value["usage"]["total_tokens"]), (1024, &420.into()));
        assert!(block().len() > 60_000 && block().ends_with(b"}\n\n"));
    }
}
