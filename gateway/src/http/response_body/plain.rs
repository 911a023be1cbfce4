//! A reply that is no stream: its bytes pass, and where they are JSON they are followed on their way.

use crate::protocol::{Dialect, json_scan::JsonScan, usage::TokenUsage};

/// One document, or bytes that nobody reads here.
#[derive(Debug)]
pub(super) struct PlainBody {
    scan: Option<JsonScan>,
    usage: Option<TokenUsage>,
    close_delimited: bool,
}

impl PlainBody {
    /// `scan` where the reply is JSON; `close_delimited` where only the end of its connection marks its end.
    pub(super) fn new(scan: Option<JsonScan>, close_delimited: bool) -> Self {
        Self { scan, usage: None, close_delimited }
    }

    /// Takes note of a piece.
    pub(super) fn push(&mut self, piece: &[u8]) {
        if let Some(scan) = self.scan.as_mut() {
            scan.push(piece);
        }
    }

    /// Takes note of a reply that came in one piece: most are read from their end and no further.
    pub(super) fn push_whole(&mut self, reply: &[u8], dialect: Dialect) {
        if self.scan.is_some() {
            self.usage = dialect.usage_at_the_end_of(reply);
            if self.usage.is_none() {
                self.push(reply);
            }
        }
    }

    /// True where the end of the connection may be the end of the reply.
    pub(super) fn may_end(&self) -> bool {
        !self.close_delimited || self.scan.as_ref().is_none_or(JsonScan::is_whole)
    }

    /// What the document counted.
    pub(super) fn usage(&self, dialect: Dialect) -> Option<TokenUsage> {
        self.usage.or_else(|| dialect.usage_in(self.scan.as_ref()?))
    }
}
