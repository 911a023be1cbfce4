//! A stream of which only so much output may pass: where it is cut, and what is open there.
//!
//! The count is one from below, so that a provider that keeps to a cap is never cut early: the greater of one token a content
//! frame and a twelfth of the content bytes. What has passed its limit is cut before the frame (event, element) that passes
//! it; each dialect says in its own folder how a reply is ended there. None of this exists for a stream without a limit.

use std::fmt::Debug;

use bytes::Bytes;

use super::{
    content::{Content, ContentCounter, ContentMap},
    sse_event::{data_of, events_of},
    usage::TokenUsage,
};

/// As many bytes of content are at least one token.
const MOST_BYTES_A_TOKEN: u64 = 12;

/// What of a reply has begun and has not ended, in one dialect.
pub(crate) trait OpenReply: Debug + Send {
    /// Takes note of a frame that goes on: an event's data, or an element.
    fn read(&mut self, frame: &[u8]);

    /// The reply is cut before this frame. What it says of the reply as a whole may be missing yet.
    fn cut_before(&mut self, frame: &[u8]);

    /// The events that end it there, or the last element where it `is_array`. `usage` is what is charged.
    fn ending(&self, usage: &TokenUsage, is_array: bool) -> Vec<u8>;
}

/// Output tokens, counted from below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LowerCount {
    frames: u64,
    bytes: u64,
}

impl LowerCount {
    fn tokens(self) -> u64 {
        self.frames.max(self.bytes / MOST_BYTES_A_TOKEN)
    }

    /// With the content of one more frame, or of a frame that `is_continued`.
    fn with(self, content: Content, is_continued: bool) -> Self {
        let is_frame = !content.is_empty() && !is_continued;
        let bytes = content.visible.bytes.saturating_add(content.reasoning.bytes);
        Self { frames: self.frames.saturating_add(u64::from(is_frame)), bytes: self.bytes.saturating_add(bytes) }
    }
}

/// The limit of one stream.
#[derive(Debug)]
pub(crate) struct OutputLimit {
    /// Tokens.
    most: u64,
    map: &'static ContentMap,
    counter: ContentCounter,
    passed: LowerCount,
    open: Box<dyn OpenReply>,
    /// Its frames are elements of an array.
    is_array: bool,
    is_cut: bool,
    /// The content of what did not fit: the provider has made it, and takes money for it.
    withheld: Content,
    /// The frame of which the beginning has passed.
    long: Option<LongFrame>,
}

/// A frame that is too long to be held.
#[derive(Debug)]
struct LongFrame {
    counter: ContentCounter,
    /// Some of it was content.
    has_content: bool,
}

impl LongFrame {
    fn new(map: &'static ContentMap, is_array: bool) -> Self {
        let counter = if is_array { ContentCounter::json(map) } else { ContentCounter::events(map) };
        Self { counter, has_content: false }
    }
}

impl OutputLimit {
    /// At most so many tokens of a stream of events pass.
    pub(super) fn new(most: u64, map: &'static ContentMap, open: Box<dyn OpenReply>) -> Self {
        let counter = ContentCounter::json(map);
        let passed = LowerCount::default();
        Self {
            most,
            map,
            counter,
            passed,
            open,
            is_array: false,
            is_cut: false,
            withheld: Content::default(),
            long: None,
        }
    }

    /// The same of an array.
    pub(super) fn of_array(self) -> Self {
        Self { is_array: true, ..self }
    }

    /// True once something did not fit: nothing passes any more.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The content of what did not fit.
    pub(super) fn withheld(&self) -> Content {
        self.withheld
    }

    /// True where the beginning of a frame has passed, and not its end.
    pub(super) fn is_inside(&self) -> bool {
        self.long.is_some()
    }

    /// What of these whole events goes on.
    pub(super) fn fitting(&mut self, events: Bytes) -> Bytes {
        let over = events_of(&events).find(|event| !self.fits(&event.data)).map(|event| event.at.start);
        match over {
            Some(start) => events.slice(..start),
            None => events,
        }
    }

    /// True where a frame goes on.
    pub(super) fn fits(&mut self, frame: &[u8]) -> bool {
        let content = self.counter.of_frame(frame);
        let with = self.passed.with(content, false);
        if with.tokens() > self.most {
            (self.is_cut, self.withheld) = (true, content);
            self.open.cut_before(frame);
            return false;
        }
        self.passed = with;
        self.open.read(frame);
        true
    }

    /// True where a part goes on of a frame that is too long to be held. One of which the beginning has passed can only be
    /// broken.
    pub(super) fn fits_part(&mut self, part: &[u8]) -> bool {
        let has_begun = self.is_inside();
        let mut long = self.long.take().unwrap_or_else(|| LongFrame::new(self.map, self.is_array));
        long.counter.push(part);
        let content = long.counter.take();
        let with = self.passed.with(content, long.has_content);
        self.is_cut = with.tokens() > self.most;
        if self.is_cut {
            self.withheld = content;
        } else {
            long.has_content |= !content.is_empty();
            self.passed = with;
        }
        if has_begun || !self.is_cut {
            self.long = Some(long);
        }
        !self.is_cut
    }

    /// The same of the last part; `short` tells what all of the frame does, where it tells anything.
    pub(super) fn fits_last_part(&mut self, part: &[u8], short: Option<&[u8]>) -> bool {
        let fits = self.fits_part(part);
        if fits {
            self.long = None;
            match short {
                Some(element) if self.is_array => self.open.read(element),
                short => short.into_iter().flat_map(data_of).for_each(|data| self.open.read(&data)),
            }
        }
        fits
    }

    /// What ends a stream that is cut: events, or the last element of an array. `usage` is what is charged.
    pub(super) fn last(&self, usage: &TokenUsage) -> Vec<u8> {
        // Half an event has passed.
        let before: &[u8] = if self.is_inside() { b"\n\n" } else { b"" };
        [before, &self.open.ending(usage, self.is_array)].concat()
    }
}

#[cfg(test)]
#[path = "limit_tests.rs"]
mod tests;
