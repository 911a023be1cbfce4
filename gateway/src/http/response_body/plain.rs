//! A reply that is no stream: its bytes pass, and where they are JSON they are followed on their way.

use crate::protocol::{DocumentReader, usage::TokenUsage};

/// One document, or bytes that nobody reads here.
#[derive(Debug)]
pub(super) struct PlainBody {
    document: Option<DocumentReader>,
    close_delimited: bool,
}

impl PlainBody {
    /// `document` where the reply is JSON; `close_delimited` where only the end of its connection marks its end.
    pub(super) fn new(document: Option<DocumentReader>, close_delimited: bool) -> Self {
        Self { document, close_delimited }
    }

    /// Takes note of a piece.
    pub(super) fn push(&mut self, piece: &[u8]) {
        if let Some(document) = self.document.as_mut() {
            document.push(piece);
        }
    }

    /// Takes note of a reply that came in one piece.
    pub(super) fn push_whole(&mut self, reply: &[u8]) {
        if let Some(document) = self.document.as_mut() {
            document.push_whole(reply);
        }
    }

    /// True where the end of the connection may be the end of the reply.
    pub(super) fn may_end(&self) -> bool {
        !self.close_delimited || self.document.as_ref().is_none_or(DocumentReader::is_whole)
    }

    /// What the document counted.
    pub(super) fn usage(&self) -> Option<TokenUsage> {
        self.document.as_ref()?.usage()
    }

    /// The models that the document has named, where that was asked for.
    pub(super) fn models(&self) -> &[String] {
        self.document.as_ref().map_or(&[], DocumentReader::models)
    }

    /// The ids by which the provider has stored the document and its parts.
    pub(super) fn ids(&self) -> Vec<String> {
        self.document.as_ref().map_or_else(Vec::new, DocumentReader::ids)
    }
}
