//! What one dialect knows, as everything outside its folder asks for it.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use memchr::memmem::Finder;

use super::{
    content::ContentMap,
    marks::Marks,
    model_list::ModelPage,
    output_asked::OutputAsked,
    parts::BodyParts,
    routing_fields::{self, BodyError},
    splice::{Edit, Pieces, Replacement, splice},
    stream::ReplyStream,
    usage::TokenUsage,
    verb::Verb,
};
use crate::error::InferenceError;

/// The rules of one dialect.
pub(crate) trait Rules: Sync {
    /// Where below a provider's base address each verb is, as far as it is the same place for every call.
    fn fixed_paths(&self) -> &'static [(Verb, &'static str)];

    /// Where below a provider's base address a verb is whose place holds the name of what it speaks of: a model, or a
    /// stored response. `None` where the dialect has no such verb.
    fn path_of(&self, _verb: Verb, _name: &str) -> Option<String> {
        None
    }

    /// What of a caller's query goes to the provider, but for credentials.
    fn query<'q>(&self, query: &'q str) -> Result<Cow<'q, str>, InferenceError> {
        Ok(Cow::Borrowed(query))
    }

    /// Reads what the way of a request depends on. `in_path` is the model's name where the path holds it.
    fn read<'a>(&self, _verb: Verb, _in_path: Option<String>, body: &'a [u8]) -> Result<RequestFields<'a>, BodyError> {
        let fields = routing_fields::read(body)?;
        Ok(RequestFields {
            asked: fields.asked(&["max_tokens"]),
            model: fields.model,
            stream: fields.stream,
            previous_response: None,
            places: ModelPlaces::InBody(fields.span),
            stream_options: None,
            marks: fields.marks,
            parts: None,
        })
    }

    /// What stands in a body that [`Rules::read`] took besides text: a walk through all of it.
    fn parts(&self, text: &str) -> BodyParts;

    /// The body that the provider gets, which knows the model as `model`; and whether what it says of its usage is hidden
    /// from the caller, who did not ask for it. `asks_usage`: the provider may be asked.
    fn rewrite(&self, fields: &RequestFields<'_>, body: &Bytes, model: &str, _asks_usage: bool) -> (Pieces, bool) {
        match fields.rename(model) {
            Some(edit) => (splice(body, &[edit]), false),
            None => (Pieces::One(body.clone()), false),
        }
    }

    /// The document of an error response.
    fn error_document(&self, error: &InferenceError) -> Vec<u8>;

    /// Follows a reply that is a stream of events. `close_delimited`: only the end of its connection marks its end;
    /// `hides_usage`: as [`Rules::rewrite`] said.
    fn events(&self, close_delimited: bool, hides_usage: bool) -> Box<dyn ReplyStream>;

    /// Follows a reply that is a stream in the form of one JSON array, of which `first` are the first bytes; `None` where
    /// it is none.
    fn array(&self, _first: &[u8]) -> Option<Box<dyn ReplyStream>> {
        None
    }

    /// Where replies hold content.
    fn content(&self) -> &'static ContentMap;

    /// The members of a whole reply that are read: the first, at its top, is what was counted; the others are those on the way
    /// to ids by which the provider has stored something.
    fn kept(&self) -> &'static [&'static str];

    /// True where a whole reply is worth a look for such ids.
    fn may_hold_ids(&self, _document: &[u8]) -> bool {
        false
    }

    /// The ids in what was kept of a whole reply: its own before those of its parts.
    fn ids(&self, _document: &str) -> Vec<String> {
        Vec::new()
    }

    /// Finds the first of [`Rules::kept`] from the end of a document, where it usually stands.
    fn finder(&self) -> &'static Finder<'static>;

    /// What was counted, in the value of the first of [`Rules::kept`].
    fn usage(&self, value: &[u8]) -> Option<TokenUsage>;

    /// The query that asks a provider for the beginning of its list of models, or for what follows `page`; `None` where
    /// nothing does.
    fn models_query(&self, page: Option<&ModelPage>) -> Option<String> {
        page.is_none().then(String::new)
    }

    /// A header without which a provider gives no list of models, for one whose manifest does not name it.
    fn models_header(&self) -> Option<(HeaderName, HeaderValue)> {
        None
    }

    /// How a call names the model that a provider's list calls `listed`.
    fn model_name<'n>(&self, listed: &'n str) -> &'n str {
        listed
    }
}

/// What a request asks for, as far as its way depends on it.
#[derive(Debug)]
pub(crate) struct RequestFields<'a> {
    /// The model as the caller names it.
    pub(crate) model: Cow<'a, str>,
    /// Whether the reply is asked for as a stream.
    pub(crate) stream: bool,
    /// The stored response that it goes on from.
    pub(crate) previous_response: Option<Cow<'a, str>>,
    /// Where the model's name stands in the body.
    pub(super) places: ModelPlaces,
    /// Where `stream_options` stands, in the dialects that have it.
    pub(super) stream_options: Option<Range<usize>>,
    /// How much output is asked for.
    pub(crate) asked: OutputAsked,
    /// What stands in the body besides text, as far as its names tell.
    pub(crate) marks: Marks,
    /// The same exactly, where somebody asked.
    pub(crate) parts: Option<Box<BodyParts>>,
}

/// Where the model's name stands in a body, in quotes.
#[derive(Debug)]
pub(super) enum ModelPlaces {
    /// In one place.
    InBody(Range<usize>),
    /// In the path, and perhaps repeated in the body.
    InPath(Vec<Range<usize>>),
}

impl RequestFields<'_> {
    /// The same without the body that it borrows from.
    pub(crate) fn into_owned(self) -> RequestFields<'static> {
        RequestFields {
            model: Cow::Owned(self.model.into_owned()),
            stream: self.stream,
            previous_response: self.previous_response.map(|id| Cow::Owned(id.into_owned())),
            places: self.places,
            stream_options: self.stream_options,
            asked: self.asked,
            marks: self.marks,
            parts: self.parts,
        }
    }

    /// The change that names the model as its provider does; nothing where it does already.
    pub(super) fn rename<'m>(&self, model: &'m str) -> Option<Edit<'m>> {
        match &self.places {
            ModelPlaces::InBody(at) if self.model != model => {
                Some(Edit { at: at.clone(), with: Replacement::Text(model) })
            }
            ModelPlaces::InBody(_) | ModelPlaces::InPath(_) => None,
        }
    }
}
