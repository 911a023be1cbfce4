//! A stream of content in its other form: one JSON array, a chunk an element, written as the chunks come.
//!
//! Whole elements pass at once. The bracket that ends the array is held until the provider has ended its reply, so that a
//! failure can still be told as the last element.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::{
    chunk::{self, Chunks},
    error,
};
use crate::{
    error::InferenceError,
    protocol::{
        content::Content,
        json_scan::JsonScan,
        limit::OutputLimit,
        named_model::NamedModel,
        stream::{ContentEnd, Progress, ReplyStream, StreamStatus},
        usage::TokenUsage,
    },
};

/// What is longer than this is no longer held back.
const LONGEST_HELD: usize = 1 << 20;

/// The array as far as it has come.
#[derive(Debug, Default)]
pub(super) struct ArrayStream {
    chunks: Chunks,
    /// What has not passed: the beginning of an element, or what stands between two.
    held: BytesMut,
    /// Up to where `held` was looked at.
    seen: usize,
    /// How many objects and arrays are open, the outer array included.
    depth: u64,
    in_string: bool,
    escaped: bool,
    /// An element has passed: the next one follows a comma.
    has_element: bool,
    /// The bracket that ends the array has come.
    is_closed: bool,
    /// Follows the element whose beginning has passed because it was too long to be held.
    long: Option<Box<JsonScan>>,
    /// What stands between two elements was too long to be held: whether a comma was part of it is not known any more.
    is_odd: bool,
    limit: Option<Box<OutputLimit>>,
    model: Option<Box<NamedModel>>,
}

impl ArrayStream {
    /// Looks at what is held and was not looked at; where the last element ends in it, if one does.
    fn scan(&mut self) -> Option<usize> {
        let mut end = None;
        // Where the element that is open begins, if it begins here.
        let mut begin = 0;
        while let Some(&byte) = self.held.get(self.seen) {
            self.seen += 1;
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    self.depth += 1;
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    match self.depth {
                        0 => self.is_closed = true,
                        1 => {
                            if !self.element_ended(begin) {
                                self.seen = begin;
                                return end;
                            }
                            begin = self.seen;
                            end = Some(self.seen);
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        end
    }

    /// The element has ended of which `held` has what stands between `begin` and what was looked at. False where it does not
    /// fit.
    fn element_ended(&mut self, begin: usize) -> bool {
        let rest = &self.held[begin..self.seen];
        let mut long = self.long.take();
        if let Some(scan) = &mut long {
            scan.push(rest);
        }
        let copy = long.as_ref().map(|scan| scan.copy());
        let text = match &copy {
            Some(copy) => copy.as_deref().unwrap_or_default().as_bytes(),
            None => from_first_brace(rest),
        };
        // What it costs may be another model's also where it is cut here.
        if let Some(model) = &mut self.model {
            model.read(text);
        }
        if let Some(limit) = &mut self.limit {
            let fits = if copy.is_some() { limit.fits_last_part(rest, Some(text)) } else { limit.fits(text) };
            if !fits {
                return false;
            }
        }
        self.has_element = true;
        self.chunks.read(text);
        true
    }

    /// The beginning of an element passes because it is too long. False where it does not fit.
    fn follow_long(&mut self) -> bool {
        if let Some(limit) = &mut self.limit
            && !limit.fits_part(&self.held)
        {
            return false;
        }
        match self.long.as_mut() {
            Some(scan) => scan.push(&self.held),
            None => {
                let mut scan = Box::new(JsonScan::new(chunk::NAMES));
                scan.push(from_first_brace(&self.held));
                self.long = Some(scan);
            }
        }
        true
    }

    /// True for an array that has ended with nothing in it: a reply that says nothing.
    fn is_empty(&self) -> bool {
        let is_bare = || self.held.iter().filter(|byte| !byte.is_ascii_whitespace()).eq(b"[]");
        self.is_closed && !self.has_element && !self.is_odd && is_bare()
    }

    /// True once the output has passed its limit.
    fn is_cut(&self) -> bool {
        self.limit.as_ref().is_some_and(|limit| limit.is_cut())
    }

    fn pass(&mut self, end: usize) -> Bytes {
        self.seen -= end;
        self.held.split_to(end).freeze()
    }
}

impl ReplyStream for ArrayStream {
    fn push(&mut self, piece: Bytes) -> Bytes {
        if self.is_cut() {
            return Bytes::new();
        }
        self.held.put(piece);
        if let Some(end) = self.scan() {
            return self.pass(end);
        }
        if self.is_cut() {
            return Bytes::new();
        }
        let is_long = self.held.len() > LONGEST_HELD;
        if self.depth > 1 {
            if !is_long && self.long.is_none() {
                return Bytes::new();
            }
            if !self.follow_long() {
                return Bytes::new();
            }
        } else if is_long {
            self.is_odd = true;
        } else if !self.is_odd {
            return Bytes::new();
        }
        self.pass(self.held.len())
    }

    fn finish(&mut self) -> Option<Bytes> {
        let is_whole = self.is_closed && self.chunks.progress() >= Progress::Complete || self.is_empty();
        is_whole.then(|| self.pass(self.held.len()))
    }

    fn status(&self) -> StreamStatus {
        let progress = match self.chunks.progress() {
            Progress::Complete if self.is_closed => Progress::Ended,
            Progress::Open if self.is_empty() => Progress::Ended,
            progress => progress,
        };
        StreamStatus { progress, has_news: self.chunks.has_news(), is_cut: self.is_cut() }
    }

    fn has_failed(&self) -> bool {
        self.chunks.has_failed()
    }

    fn content_end(&self) -> ContentEnd {
        self.chunks.content_end()
    }

    fn fail(&mut self, error: &InferenceError) -> Option<Bytes> {
        // Half of an element has passed, or nobody knows what: nothing makes an array of that.
        if self.long.is_some() || self.is_odd {
            return None;
        }
        let before: &[u8] = if self.has_element { b"," } else { b"[" };
        Some([before, &error::document(error), b"]"].concat().into())
    }

    fn complete(&mut self) -> Bytes {
        if self.is_closed { self.pass(self.held.len()) } else { Bytes::from_static(b"]") }
    }

    fn set_limit(&mut self, limit: Box<OutputLimit>) {
        self.limit = Some(Box::new(limit.of_array()));
    }

    fn withheld(&self) -> Content {
        self.limit.as_ref().map_or_else(Content::default, |limit| limit.withheld())
    }

    fn cut(&mut self, usage: &TokenUsage) -> Bytes {
        self.held.clear();
        match &self.limit {
            // Half of an element has passed, or nobody knows what, as in a failure.
            Some(limit) if self.long.is_none() && !limit.is_inside() && !self.is_odd => {
                let before: &[u8] = if self.has_element { b"," } else { b"[" };
                [before, &limit.last(usage), b"]"].concat().into()
            }
            _ => Bytes::new(),
        }
    }

    fn seek_model(&mut self, named: Box<NamedModel>) {
        self.model = Some(named);
    }

    fn models(&self) -> &[String] {
        self.model.as_ref().map_or(&[], |model| model.found())
    }

    fn take_usage(&mut self) -> Option<TokenUsage> {
        self.chunks.take_usage()
    }
}

/// What of a text belongs to the object in it.
fn from_first_brace(text: &[u8]) -> &[u8] {
    memchr::memchr(b'{', text).map_or(&[], |at| &text[at..])
}

#[cfg(test)]
mod tests {
    use bitrouter_proto::codes::InferenceCode;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const CHUNK: &str = r#"{"candidates":[{"content":{"parts":[{"text":"a],\"}[é"}]}}]}"#;
    const LAST: &str =
        r#"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":2,"totalTokenCount":5}}"#;

    fn run(text: &[u8], sizes: &[usize]) -> (ArrayStream, Vec<u8>) {
        let (mut stream, mut passed, mut rest) = (ArrayStream::default(), Vec::new(), Bytes::copy_from_slice(text));
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let size = sizes.next().map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
            passed.extend_from_slice(&stream.push(rest.split_to(size)));
        }
        (stream, passed)
    }

    fn failed(text: &str) -> Value {
        let (mut stream, mut passed) = run(text.as_bytes(), &[5]);
        assert_eq!(stream.finish(), None, "{text}");
        let error = InferenceError::new(InferenceCode::UpstreamInterrupted, "broke");
        passed.extend_from_slice(&stream.fail(&error).unwrap());
        serde_json::from_slice(&passed).unwrap()
    }

    #[test]
    fn a_failure_is_the_last_element_wherever_it_comes() {
        let whole = format!("[{CHUNK}\n,\r\n{CHUNK}\n]");
        let chunk: Value = serde_json::from_str(CHUNK).unwrap();
        for end in 0..=whole.len() {
            if !whole.is_char_boundary(end) {
                continue;
            }
            let array = failed(&whole[..end]);
            let (error, before) = array.as_array().unwrap().split_last().unwrap();
            assert_eq!(error["error"]["status"], "UNAVAILABLE");
            assert!(before.iter().all(|element| *element == chunk) && before.len() <= 2, "{array}");
        }
        assert_eq!(failed("[1]").as_array().unwrap().len(), 1);
    }

    #[test]
    fn an_array_without_an_element_is_a_whole_reply() {
        for text in ["[]", " [\r\n ]\n"] {
            let (mut stream, mut passed) = run(text.as_bytes(), &[1]);
            assert_eq!(stream.status().progress, Progress::Ended);
            passed.extend_from_slice(&stream.finish().unwrap());
            assert_eq!(passed, text.as_bytes());
        }
        for text in ["[", "[,]", "[1]"] {
            assert_eq!(run(text.as_bytes(), &[]).0.finish(), None, "{text}");
        }
    }

    #[test]
    fn a_whole_array_passes_byte_for_byte_and_is_counted() {
        let whole = format!("[{CHUNK},\n{LAST}\n]\n");
        let (mut stream, mut passed) = run(whole.as_bytes(), &[3, 1, 7]);
        assert_eq!(stream.status().progress, Progress::Ended);
        passed.extend_from_slice(&stream.finish().unwrap());
        assert_eq!(passed, whole.as_bytes());
        let usage = stream.take_usage().unwrap();
        assert_eq!((usage.input.unwrap().total(), usage.output.unwrap().total()), (2, 3));
        // It broke off behind the last candidate's end.
        let (mut stream, mut passed) = run(format!("[{CHUNK},{LAST}").as_bytes(), &[]);
        passed.extend_from_slice(&stream.complete());
        assert_eq!(serde_json::from_slice::<Value>(&passed).unwrap()[1], serde_json::from_str::<Value>(LAST).unwrap());
    }

    #[test]
    fn a_long_element_passes_as_it_comes_and_is_counted_all_the_same() {
        let picture = json!({
            "candidates": [{"content": {"parts": [{"inlineData": "x".repeat(3 << 20)}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 9},
        });
        let whole = format!("[{CHUNK},{picture}]");
        let (mut stream, mut passed) = run(whole.as_bytes(), &[64 << 10]);
        assert!(stream.held.capacity() < 4 << 20);
        passed.extend_from_slice(&stream.finish().unwrap());
        assert_eq!(passed, whole.as_bytes());
        assert_eq!(stream.take_usage().unwrap().output.unwrap().total(), 8);
        // Where it was the last one is known of a long one too.
        for (end, progress) in [(whole.len() - 2, Progress::Open), (whole.len() - 1, Progress::Complete)] {
            let (mut stream, mut passed) = run(&whole.as_bytes()[..end], &[64 << 10]);
            assert_eq!(stream.status().progress, progress);
            passed.extend_from_slice(&stream.complete());
            assert_eq!(passed == whole.as_bytes(), progress == Progress::Complete);
        }
        let (mut stream, _) = run(&whole.as_bytes()[..2 << 20], &[64 << 10]);
        let error = InferenceError::new(InferenceCode::UpstreamInterrupted, "broke");
        assert!(stream.finish().is_none() && stream.fail(&error).is_none());
    }

    #[test]
    fn what_stands_between_elements_is_not_held_without_a_bound() {
        let error = InferenceError::new(InferenceCode::UpstreamInterrupted, "broke");
        for filler in [" ", "\n,", "1,"] {
            let whole = format!("[{CHUNK},{}{LAST}]{}", filler.repeat(3 << 19), " ".repeat(3 << 20));
            let (mut stream, mut passed) = run(whole.as_bytes(), &[64 << 10]);
            assert!(stream.held.capacity() < 4 << 20 && stream.fail(&error).is_none());
            passed.extend_from_slice(&stream.finish().unwrap());
            assert!(passed == whole.as_bytes(), "{filler:?}");
            // What broke off behind the bracket needs no second one.
            let (mut stream, mut passed) = run(whole.as_bytes(), &[64 << 10]);
            passed.extend_from_slice(&stream.complete());
            assert!(passed == whole.as_bytes(), "{filler:?}");
        }
    }

    proptest! {
        #[test]
        fn any_rechunking_gives_the_same(sizes in prop::collection::vec(1usize..40, 1..8), count in 0usize..4) {
            let chunks = vec![CHUNK; count].join(",\n");
            let comma = if count > 0 { "," } else { "" };
            let whole = format!("[{chunks}{comma}{LAST}]");
            let (mut stream, mut passed) = run(whole.as_bytes(), &sizes);
            passed.extend_from_slice(&stream.finish().unwrap());
            prop_assert_eq!(passed, whole.as_bytes());
            prop_assert!(stream.take_usage().is_some());
        }

        #[test]
        fn bytes_from_outside_are_safe(text in "[\\[\\]{}\",:a\\\\ ]{0,40}", sizes in prop::collection::vec(1usize..5, 1..4)) {
            let (mut stream, _) = run(text.as_bytes(), &sizes);
            let _ = (stream.finish(), stream.complete());
        }
    }
}
