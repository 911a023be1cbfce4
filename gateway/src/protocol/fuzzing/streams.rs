//! The readers of streams, beside themselves: the same bytes in other pieces.

use bitrouter_proto::codes::InferenceCode;
use bytes::Bytes;

use super::{Input, in_pieces};
use crate::{
    error::InferenceError,
    protocol::{
        Content, ContentCounter, Dialect, OutputLimit,
        named_model::NamedModel,
        stream::{ContentEnd, Progress, ReplyStream},
        usage::{InputTokens, OutputTokens, TokenUsage},
    },
};

/// One way in which a stream is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Form {
    Chat { close_delimited: bool, hides_usage: bool },
    Of(Dialect),
    Array,
}

impl Form {
    /// All of them.
    pub(in crate::protocol) const ALL: [Self; 7] = [
        Self::Chat { close_delimited: false, hides_usage: true },
        Self::Chat { close_delimited: true, hides_usage: false },
        Self::Chat { close_delimited: true, hides_usage: true },
        Self::Of(Dialect::Messages),
        Self::Of(Dialect::Responses),
        Self::Of(Dialect::GenerateContent),
        Self::Array,
    ];

    fn stream(self) -> Box<dyn ReplyStream> {
        let stream = match self {
            Self::Chat { close_delimited, hides_usage } => {
                Some(Dialect::ChatCompletions.rules().events(close_delimited, hides_usage))
            }
            Self::Of(dialect) => Some(dialect.rules().events(false, false)),
            Self::Array => Dialect::GenerateContent.rules().array(b"["),
        };
        stream.unwrap_or_else(|| panic!("{self:?} is a form of a stream"))
    }

    fn dialect(self) -> Dialect {
        match self {
            Self::Chat { .. } => Dialect::ChatCompletions,
            Self::Of(dialect) => dialect,
            Self::Array => Dialect::GenerateContent,
        }
    }

    /// The same with a limit.
    fn limited(self, most: u64) -> Box<dyn ReplyStream> {
        let (mut stream, rules) = (self.stream(), self.dialect().rules());
        stream.set_limit(Box::new(OutputLimit::new(most, rules.content(), rules.open_reply(true))));
        stream
    }
}

/// What a stream that arrives in pieces of these sizes lets pass of so many tokens, and how it ends where it is cut.
pub(in crate::protocol) fn cut(form: Form, text: &[u8], sizes: &[usize], most: u64) -> (Bytes, Option<Bytes>) {
    let (mut stream, mut passed) = (form.limited(most), Vec::new());
    in_pieces(text, sizes, |piece| passed.extend_from_slice(&stream.push(piece)));
    if !stream.status().is_cut
        && let Some(rest) = stream.finish()
    {
        passed.extend_from_slice(&rest);
    }
    let usage = TokenUsage { input: Some(InputTokens::default()), output: Some(OutputTokens::default()) };
    let end = stream.status().is_cut.then(|| stream.cut(&usage));
    (passed.into(), end)
}

/// The models that a stream has named where it was cut.
#[cfg(test)]
pub(in crate::protocol) fn named_where_cut(form: Form, text: &[u8], most: u64) -> Vec<String> {
    let mut stream = form.limited(most);
    stream.seek_model(Box::new(NamedModel::new(form.dialect().rules().model_path(true))));
    stream.push(Bytes::copy_from_slice(text));
    assert!(stream.status().is_cut, "nothing is cut");
    stream.models().to_vec()
}

/// Everything that a stream did.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::protocol) struct Outcome {
    pub(in crate::protocol) passed: Bytes,
    pub(in crate::protocol) progress: Progress,
    pub(in crate::protocol) is_complete: bool,
    pub(in crate::protocol) has_failed: bool,
    pub(in crate::protocol) content_end: ContentEnd,
    pub(in crate::protocol) usage: TokenUsage,
    pub(in crate::protocol) ids: Vec<String>,
    pub(in crate::protocol) model: Vec<String>,
    /// What its end let pass.
    pub(in crate::protocol) finished: Option<Bytes>,
    /// What ended it where it broke off instead.
    pub(in crate::protocol) broken: Option<Bytes>,
}

/// Follows a stream that arrives in pieces of these sizes.
pub(in crate::protocol) fn run(form: Form, text: &[u8], sizes: &[usize]) -> Outcome {
    let read = || {
        let (mut stream, mut passed) = (form.stream(), Vec::new());
        let (mut usage, mut ids) = (TokenUsage::default(), Vec::new());
        stream.seek_model(Box::new(NamedModel::new(form.dialect().rules().model_path(true))));
        in_pieces(text, sizes, |piece| {
            passed.extend_from_slice(&stream.push(piece));
            usage.update(stream.take_usage().unwrap_or_default());
            ids.extend(stream.take_ids());
        });
        (stream, passed, usage, ids)
    };
    let (mut stream, passed, mut usage, ids) = read();
    let (progress, is_complete) = (stream.status().progress, stream.is_complete());
    let (has_failed, content_end) = (stream.has_failed(), stream.content_end());
    let model = stream.models().to_vec();
    let broken = if is_complete {
        Some(stream.complete())
    } else {
        stream.fail(&InferenceError::new(InferenceCode::UpstreamInterrupted, "broke"))
    };
    let (mut stream, ..) = read();
    let finished = stream.finish();
    usage.update(stream.take_usage().unwrap_or_default());
    let passed = passed.into();
    let broken = broken.map(undated);
    Outcome { passed, progress, is_complete, has_failed, content_end, usage, ids, model, finished, broken }
}

/// What ends a stream, without the date of its response: where nobody told that, it is the time of the run.
fn undated(end: Bytes) -> Bytes {
    const DATE: &[u8] = b"\"created_at\":";
    let Some(at) = memchr::memmem::find(&end, DATE) else { return end };
    let from = at + DATE.len();
    let digits = end[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    [&end[..from], &end[from + digits..]].concat().into()
}

/// The pieces make no difference; nothing is invented, and nothing is lost but what is hidden and half an event.
pub fn reply_stream(data: &[u8]) {
    let Some(input) = Input::read(data) else { return };
    check(Form::ALL[input.way % Form::ALL.len()], input.text, &input.sizes);
}

/// As [`reply_stream`], for one form.
pub(in crate::protocol) fn check(form: Form, text: &[u8], sizes: &[usize]) {
    let whole = run(form, text, &[]);
    assert_eq!(run(form, text, sizes), whole);
    assert_eq!(run(form, text, &[1]), whole);
    assert_eq!(content(form, text, sizes), content(form, text, &[]));
    for most in [0, 1, 3] {
        let whole = cut(form, text, &[], most);
        assert_eq!(cut(form, text, sizes, most), whole);
        assert_eq!(cut(form, text, &[1], most), whole);
    }
    let all = [&whole.passed[..], whole.finished.as_deref().unwrap_or_default()].concat();
    match form {
        Form::Chat { hides_usage: true, .. } => assert!(is_within(&all, text), "something was invented"),
        _ => assert!(text.starts_with(&all), "something was invented or changed"),
    }
}

/// What a stream that arrives in pieces of these sizes has of content.
fn content(form: Form, text: &[u8], sizes: &[usize]) -> Content {
    let mut counter = match form {
        Form::Chat { .. } => ContentCounter::events(Dialect::ChatCompletions.rules().content()),
        Form::Of(dialect) => ContentCounter::events(dialect.rules().content()),
        Form::Array => ContentCounter::json(Dialect::GenerateContent.rules().content()),
    };
    in_pieces(text, sizes, |piece| counter.push(&piece));
    counter.take()
}

/// True where `all` is left of `text` when some bytes are taken out.
fn is_within(all: &[u8], text: &[u8]) -> bool {
    let mut text = text.iter();
    all.iter().all(|byte| text.any(|other| other == byte))
}
