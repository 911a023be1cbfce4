//! A reply that is no stream, followed on its way: is it whole, what did it count, by which ids is it stored?

use super::{
    Dialect, json_members::last_member, json_read, json_scan::JsonScan, named_model::NamedModel, usage::TokenUsage,
};

/// One JSON document on its way.
#[derive(Debug)]
pub(crate) struct DocumentReader {
    dialect: Dialect,
    scan: JsonScan,
    usage: Option<TokenUsage>,
    model: Option<Box<NamedModel>>,
}

impl DocumentReader {
    /// `model` where the model is asked for that it names.
    pub(super) fn new(dialect: Dialect, model: Option<Box<NamedModel>>) -> Self {
        Self { dialect, scan: JsonScan::new(dialect.rules().kept()), usage: None, model }
    }

    /// Takes note of a piece.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        if let Some(model) = &mut self.model {
            model.read_piece(piece);
        }
        self.scan.push(piece);
    }

    /// Takes note of a document that came in one piece: most are read from their end and no further.
    pub(crate) fn push_whole(&mut self, document: &[u8]) {
        let rules = self.dialect.rules();
        let value = last_member(document, rules.finder());
        self.usage = value.and_then(|value| rules.usage(value));
        if let Some(model) = &mut self.model {
            model.read_piece(document);
        }
        if self.usage.is_none() || rules.may_hold_ids(document) {
            self.scan.push(document);
        }
    }

    /// The models that it has named, where that was asked for.
    pub(crate) fn models(&self) -> &[String] {
        self.model.as_ref().map_or(&[], |model| model.found())
    }

    /// True where everything that was opened is closed.
    pub(crate) fn is_whole(&self) -> bool {
        self.usage.is_some() || self.scan.is_whole()
    }

    /// What it counted.
    pub(crate) fn usage(&self) -> Option<TokenUsage> {
        self.usage.or_else(|| {
            let rules = self.dialect.rules();
            let copy = self.scan.copy()?;
            let [value] = json_read::camel_values(&copy, [*rules.kept().first()?])?;
            rules.usage(value?.as_bytes())
        })
    }

    /// The ids by which the provider has stored it and its parts.
    pub(crate) fn ids(&self) -> Vec<String> {
        if self.dialect.rules().kept().len() == 1 {
            return Vec::new();
        }
        self.scan.copy().map_or_else(Vec::new, |copy| self.dialect.rules().ids(&copy))
    }
}
