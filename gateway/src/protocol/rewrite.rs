//! What of a request is written anew for its provider, and in which places at once.

use std::ops::Range;

use bytes::Bytes;

use super::{
    splice::{Edit, Pieces, raw, splice_in_order},
    verb::Verb,
};
use crate::registry::OutputCap;

/// How a request is written anew.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rewrite<'a> {
    /// What is asked for. A verb without output gets no cap.
    pub(crate) verb: Verb,
    /// The model's name at the provider.
    pub(crate) model: &'a str,
    /// The provider may be asked what a stream used.
    pub(crate) asks_usage: bool,
    /// The most tokens of output of one reply, thinking included.
    pub(crate) cap: Option<u64>,
    /// The most uses of what the provider runs, in a dialect that can say so.
    pub(crate) max_tool_calls: Option<u64>,
    /// The member for the cap in a chat that has none.
    pub(crate) output_cap: OutputCap,
    /// Stretches within texts, in whose place others are put, as they are written there.
    pub(crate) texts: &'a [(Range<usize>, String)],
}

impl<'a> Rewrite<'a> {
    /// Nothing but the model's name and the wish for usage.
    pub(crate) const fn plain(verb: Verb, model: &'a str, asks_usage: bool) -> Self {
        let output_cap = OutputCap::MaxTokens;
        Self { verb, model, asks_usage, cap: None, max_tool_calls: None, output_cap, texts: &[] }
    }

    /// True where no more is written anew than that.
    pub(super) const fn is_plain(&self) -> bool {
        self.cap.is_none() && self.max_tool_calls.is_none() && self.texts.is_empty()
    }

    /// The cap, where the reply has output.
    pub(super) fn output(&self) -> Option<u64> {
        self.cap.filter(|_| self.verb.has_output())
    }

    /// The same of the uses of tools.
    pub(super) fn tool_calls(&self) -> Option<u64> {
        self.max_tool_calls.filter(|_| self.verb.has_output())
    }

    /// `body` with `edits`, with `bounds`, which are bytes in the place of others, and with the texts.
    pub(super) fn splice<'e>(
        &'e self,
        body: &Bytes,
        edits: impl IntoIterator<Item = Edit<'e>>,
        bounds: &'e [(Range<usize>, String)],
    ) -> Pieces {
        splice_in_order(body, edits.into_iter().chain(raw(bounds)).chain(raw(self.texts)).collect())
    }
}
