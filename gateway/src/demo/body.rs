//! A stream of the demo's: a word at a time, and no sooner than the caller reads.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bitrouter_proto::codes::InferenceCode;
use bytes::Bytes;
use http_body::Frame;

use super::{Reply, Writer, counts, words::Position};
use crate::{
    error::InferenceError,
    http::{CallerConnection, ResponseBodyError, blocked},
    interrupt::Interrupt,
    meter::{CallEnd, RequestRecorder},
    protocol::{Passed, Progress, ReplyGuard, ReplyStream},
};

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Begin,
    Word,
    Nothing,
}

/// The body of a stream.
pub(super) struct StreamedBody {
    reply: Reply,
    writer: Box<dyn Writer>,
    /// Follows what is written as it follows a provider's, so that both end alike.
    stream: Box<dyn ReplyStream>,
    /// Judges it by content rules, where some are in force.
    guard: Option<Box<ReplyGuard>>,
    position: Position,
    next: Next,
    recorder: RequestRecorder,
    interrupt: Arc<Interrupt>,
    connection: Arc<dyn CallerConnection>,
}

type Piece = Result<Bytes, ResponseBodyError>;

impl StreamedBody {
    pub(super) fn new(
        reply: Reply,
        writer: Box<dyn Writer>,
        stream: Box<dyn ReplyStream>,
        guard: Option<Box<ReplyGuard>>,
        recorder: RequestRecorder,
        interrupt: Arc<Interrupt>,
        connection: Arc<dyn CallerConnection>,
    ) -> Self {
        let (position, next) = (Position::default(), Next::Begin);
        Self { reply, writer, stream, guard, position, next, recorder, interrupt, connection }
    }

    fn step(&mut self) -> Option<Piece> {
        while self.next != Next::Nothing {
            if self.interrupt.is_set() {
                return Some(self.fail());
            }
            let is_first = self.next == Next::Begin;
            let (piece, said) = if is_first {
                self.next = Next::Word;
                (self.writer.begin(&self.reply), 0)
            } else if let Some(word) = self.position.next_word(&self.reply.completion.texts) {
                (self.writer.word(&self.reply, &word), word.said)
            } else {
                return Some(self.finish());
            };
            self.recorder.add_usage(counts(self.reply.input(), Some(said)));
            if is_first {
                let now = self.recorder.set_first_byte();
                self.recorder.tell(now);
            } else {
                // Its words are counted as they are said.
                self.recorder.pass(&[]);
            }
            let piece = self.stream.push(piece.into());
            let piece = match self.guarded(piece, false) {
                Ok(piece) => piece,
                Err(last) => return Some(last),
            };
            if !piece.is_empty() {
                return Some(Ok(piece));
            }
        }
        None
    }

    fn finish(&mut self) -> Piece {
        self.next = Next::Nothing;
        let last = self.stream.push(self.writer.end(&self.reply).into());
        let rest = self.stream.finish().ok_or(ResponseBodyError::Upstream)?;
        let last = match self.guarded(last, false) {
            Ok(last) => last,
            Err(last) => return last,
        };
        let rest = match self.guarded(rest, true) {
            Ok(rest) => rest,
            Err(end) => return Ok([last, end?].concat().into()),
        };
        self.recorder.end(CallEnd::Whole);
        Ok([last, rest].concat().into())
    }

    /// What the rules let go on of these whole events, and of those that they held; all of them where nothing follows. The
    /// error is the last piece of a stream that they block.
    fn guarded(&mut self, events: Bytes, is_last: bool) -> Result<Bytes, Piece> {
        let Some(guard) = &mut self.guard else { return Ok(events) };
        let Passed { bytes, blocked: rule, withheld } =
            if is_last { guard.push_last(events) } else { guard.push(events) };
        let Some(rule) = rule else { return Ok(bytes) };
        let error = blocked(&rule);
        self.next = Next::Nothing;
        self.guard = None;
        self.recorder.set_error(error.code());
        let is_over = self.stream.status().progress == Progress::Ended;
        self.recorder.end(if is_over { CallEnd::Withheld } else { CallEnd::Failed });
        self.connection.close_after_reply();
        self.stream.withhold(&withheld);
        let last = self.stream.fail(&error).ok_or(ResponseBodyError::Upstream);
        Err(last.map(|last| [bytes, last].concat().into()))
    }

    /// The forced end.
    fn fail(&mut self) -> Piece {
        self.next = Next::Nothing;
        let held = match self.guarded(Bytes::new(), true) {
            Ok(held) => held,
            Err(last) => return last,
        };
        let error = InferenceError::new(InferenceCode::UpstreamInterrupted, "the daemon is stopping");
        self.recorder.set_error(error.code());
        self.recorder.end(CallEnd::Interrupted);
        self.connection.close_after_reply();
        let last = self.stream.fail(&error).ok_or(ResponseBodyError::Upstream)?;
        Ok(if held.is_empty() { last } else { [held, last].concat().into() })
    }
}

impl http_body::Body for StreamedBody {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        Poll::Ready(self.get_mut().step().map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.next == Next::Nothing
    }
}
