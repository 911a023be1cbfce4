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
    http::{CallerConnection, ResponseBodyError},
    interrupt::Interrupt,
    meter::{CallEnd, RequestRecorder},
    protocol::ReplyStream,
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
        recorder: RequestRecorder,
        interrupt: Arc<Interrupt>,
        connection: Arc<dyn CallerConnection>,
    ) -> Self {
        let (position, next) = (Position::default(), Next::Begin);
        Self { reply, writer, stream, position, next, recorder, interrupt, connection }
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
            if !piece.is_empty() {
                return Some(Ok(piece));
            }
        }
        None
    }

    fn finish(&mut self) -> Piece {
        self.next = Next::Nothing;
        self.recorder.end(CallEnd::Whole);
        let last = self.stream.push(self.writer.end(&self.reply).into());
        let rest = self.stream.finish().ok_or(ResponseBodyError::Upstream)?;
        Ok([last, rest].concat().into())
    }

    /// The forced end.
    fn fail(&mut self) -> Piece {
        self.next = Next::Nothing;
        let error = InferenceError::new(InferenceCode::UpstreamInterrupted, "the daemon is stopping");
        self.recorder.set_error(error.code());
        self.recorder.end(CallEnd::Interrupted);
        self.connection.close_after_reply();
        self.stream.fail(&error).ok_or(ResponseBodyError::Upstream)
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
