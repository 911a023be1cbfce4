//! OpenAI's chat completions, and what goes with them: completions, embeddings.

mod content;
mod cut;
mod include_usage;
mod judged;
mod parts;
mod stream_end;
mod text;
mod usage;

use std::{ops::Range, sync::LazyLock};

use bytes::{Buf as _, Bytes};
use memchr::memmem::{self, Finder};

use self::judged::{CAPS, RULES};
pub(super) use self::judged::{COUNTS, runner};
use super::{
    cap,
    content::ContentMap,
    judged::{self as judging, Judged},
    limit::OpenReply,
    openai_error,
    parts::{BodyParts, read as read_parts},
    rewrite::Rewrite,
    routing_fields::{self, BodyError},
    rules::{ModelPlaces, RequestFields, Rules},
    splice::{Pieces, splice},
    sse_event::data_of,
    stream::{ContentEnd, EventReader, Progress, ReplyStream, SseStream},
    texts::TextMap,
    usage::TokenUsage,
    verb::Verb,
};
use crate::error::InferenceError;

/// The longest error event of a provider that is known for one.
const LONGEST_ERROR: usize = 8 << 10;

/// The dialect.
pub(super) struct ChatCompletions;

static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage\""));

impl Rules for ChatCompletions {
    fn fixed_paths(&self) -> &'static [(Verb, &'static str)] {
        &[(Verb::Generate, "/chat/completions"), (Verb::Complete, "/completions"), (Verb::Embed, "/embeddings")]
    }

    fn read<'a>(&self, verb: Verb, _: Option<String>, body: &'a [u8]) -> Result<RequestFields<'a>, BodyError> {
        let fields = routing_fields::read(body)?;
        let caps = if verb == Verb::Complete { &CAPS[..1] } else { &CAPS[..] };
        Ok(RequestFields {
            asked: fields.asked(caps),
            model: fields.model,
            stream: fields.stream && verb != Verb::Embed,
            previous_response: None,
            places: ModelPlaces::InBody(fields.span),
            stream_options: fields.stream_options,
            marks: fields.marks,
            parts: None,
            judged: None,
            texts: None,
        })
    }

    fn parts(&self, text: &str) -> BodyParts {
        read_parts(text, parts::Body)
    }

    fn judge(&self, text: &str) -> Judged {
        judging::read(text, &RULES)
    }

    fn rewrite(&self, fields: &RequestFields<'_>, body: &Bytes, with: &Rewrite<'_>) -> (Pieces, bool) {
        let name = fields.rename(with.model);
        let usage = (fields.stream && with.asks_usage)
            .then(|| include_usage::edit(body, fields.stream_options.clone()))
            .flatten();
        let asked = usage.is_some();
        let pieces = match (name, usage) {
            (name, usage) if !with.is_plain() => {
                with.splice(body, name.into_iter().chain(usage), &self.bounds(fields, body, with))
            }
            (None, None) => Pieces::One(body.clone()),
            (Some(one), None) | (None, Some(one)) => splice(body, &[one]),
            (Some(a), Some(b)) if a.at.start <= b.at.start => splice(body, &[a, b]),
            (Some(a), Some(b)) => splice(body, &[b, a]),
        };
        (pieces, asked)
    }

    fn bounds(&self, fields: &RequestFields<'_>, body: &Bytes, with: &Rewrite<'_>) -> Vec<(Range<usize>, String)> {
        let Some(cap) = with.output() else { return Vec::new() };
        let judged = fields.judged(self, body);
        match with.verb {
            Verb::Complete => cap::set(body, &judged, &CAPS[..1], CAPS[0], cap),
            _ => cap::set(body, &judged, &CAPS, with.output_cap.as_str(), cap),
        }
    }

    fn error_document(&self, error: &InferenceError) -> Vec<u8> {
        openai_error::document(error)
    }

    fn events(&self, close_delimited: bool, hides_usage: bool) -> Box<dyn ReplyStream> {
        Box::new(SseStream::new(Chunks {
            progress: Progress::Open,
            must_announce: close_delimited,
            hides_usage,
            hides_next_newline: false,
            usage: None,
            last: Vec::new(),
            long_may_end: None,
        }))
    }

    fn asks_usage(&self, fields: &RequestFields<'_>, body: &[u8]) -> bool {
        fields.stream_options.clone().is_some_and(|options| include_usage::is_asked(&body[options]))
    }

    fn open_reply(&self, asks_usage: bool) -> Box<dyn OpenReply> {
        Box::new(cut::OpenChoices::new(asks_usage))
    }

    fn content(&self) -> &'static ContentMap {
        &content::MAP
    }

    fn texts(&self) -> &'static TextMap {
        &text::MAP
    }

    fn kept(&self) -> &'static [&'static str] {
        &["usage"]
    }

    fn finder(&self) -> &'static Finder<'static> {
        &FINDER
    }

    fn usage(&self, value: &[u8]) -> Option<TokenUsage> {
        usage::in_value(value)
    }
}

/// A stream of chunks. It may end without `[DONE]`, which many providers do not send, and not in the midst of its content. One
/// that marks the end of its reply only by closing its connection must have announced it.
#[derive(Debug)]
struct Chunks {
    progress: Progress,
    must_announce: bool,
    hides_usage: bool,
    /// The second half of the line end of what was hidden may still come.
    hides_next_newline: bool,
    usage: Option<TokenUsage>,
    /// The end of what passed last. Whether it is an error is asked only where the stream breaks: to look for that in every
    /// event would cost more than to keep it. The same holds for whether the stream may end there.
    last: Vec<u8>,
    /// Whether it may end behind what passed last, where that is too long to be kept.
    long_may_end: Option<bool>,
}

impl EventReader for Chunks {
    fn read(&mut self, mut events: Bytes) -> Bytes {
        if std::mem::take(&mut self.hides_next_newline) && events.first() == Some(&b'\n') {
            events.advance(1);
        }
        // Nothing that matters comes behind the last event.
        if self.progress == Progress::Ended {
            return events;
        }
        // Comments that keep a connection alive, and the like, say nothing of how it ends.
        if events.starts_with(b"data:") || data_of(&events).next().is_some() {
            self.last.clear();
            self.last.extend_from_slice(&events[events.len().saturating_sub(LONGEST_ERROR)..]);
            let is_kept = events.len() <= LONGEST_ERROR || memmem::rfind(&self.last, b"\ndata:").is_some();
            self.long_may_end = (!is_kept).then(|| stream_end::may_end(&events));
        }
        let end = stream_end::done_end(&events);
        if end.is_some() {
            self.progress = Progress::Ended;
        } else if self.must_announce && self.progress == Progress::Open && stream_end::announces_end(&events) {
            self.progress = Progress::MayEnd;
        }
        let told = match end {
            Some(end) if end < events.len() => {
                let told = usage::in_events(&events.slice(..end), self.hides_usage);
                let rest = told.rest.map(|rest| [&rest, &events[end..]].concat().into());
                usage::Told { rest, ..told }
            }
            _ => usage::in_events(&events, self.hides_usage),
        };
        self.hides_next_newline = told.hides_next_newline;
        self.usage = TokenUsage::joined(self.usage, told.usage);
        told.rest.unwrap_or(events)
    }

    fn progress(&self) -> Progress {
        self.progress
    }

    fn may_end(&self) -> bool {
        let may_end = || self.long_may_end.unwrap_or_else(|| stream_end::may_end(&self.last));
        self.progress >= Progress::MayEnd || !self.must_announce && may_end()
    }

    fn is_complete(&self) -> bool {
        // An error event of the provider's own is the last one.
        self.progress == Progress::Ended || stream_end::ends_with_error(&self.last)
    }

    fn has_failed(&self) -> bool {
        self.progress != Progress::Ended && stream_end::ends_with_error(&self.last)
    }

    fn content_end(&self) -> ContentEnd {
        match self.progress {
            Progress::Ended => ContentEnd::Counted,
            _ => stream_end::content_end(&self.last),
        }
    }

    fn error_event(&self, error: &InferenceError) -> Vec<u8> {
        [b"data: ", openai_error::document(error).as_slice(), b"\n\n"].concat()
    }

    fn has_news(&self) -> bool {
        self.usage.is_some()
    }

    fn take_usage(&mut self) -> Option<TokenUsage> {
        self.usage.take()
    }

    fn names(&self) -> &'static [&'static str] {
        &["choices", "index", "finish_reason", "usage", "error", "id", "object", "created", "model"]
    }
}
