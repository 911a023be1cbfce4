//! What one dialect knows, as everything outside its folder asks for it.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use memchr::memmem::Finder;

use super::{
    content::ContentMap,
    judged::Judged,
    limit::OpenReply,
    marks::Marks,
    model_list::ModelPage,
    output_asked::OutputAsked,
    parts::BodyParts,
    rewrite::Rewrite,
    routing_fields::{self, BodyError},
    splice::{Edit, Pieces, Replacement, splice},
    stream::ReplyStream,
    texts::{TextMap, Verdict},
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
            judged: None,
            texts: None,
        })
    }

    /// What stands in a body that [`Rules::read`] took besides text: a walk through all of it.
    fn parts(&self, text: &str) -> BodyParts;

    /// What policies, budgets and credit need to know of such a body: another walk through all of it.
    fn judge(&self, text: &str) -> Judged;

    /// True where `max_tool_calls` bounds the uses of all tools that the provider runs.
    fn caps_tool_calls(&self) -> bool {
        false
    }

    /// The body that the provider gets; and whether what it says of its usage is hidden from the caller, who did not ask for
    /// it.
    fn rewrite(&self, fields: &RequestFields<'_>, body: &Bytes, with: &Rewrite<'_>) -> (Pieces, bool) {
        let name = fields.rename(with.model);
        let pieces = match name {
            name if !with.is_plain() => with.splice(body, name, &self.bounds(fields, body, with)),
            Some(edit) => splice(body, &[edit]),
            None => Pieces::One(body.clone()),
        };
        (pieces, false)
    }

    /// The changes that put the caps of `with` into a body, each of them bytes in the place of others.
    fn bounds(&self, fields: &RequestFields<'_>, body: &Bytes, with: &Rewrite<'_>) -> Vec<(Range<usize>, String)>;

    /// The body that asks the provider, at its verb [`Verb::CountTokens`], how many tokens the request has whose body this
    /// is and which knows the model as `model`; `texts` as in [`Rewrite`]. `None` where the dialect has no such verb.
    fn count_body(&self, _body: &Bytes, _model: &str, _texts: &[(Range<usize>, String)]) -> Option<Vec<u8>> {
        None
    }

    /// The input tokens that the provider counted, in its reply to that.
    fn counted(&self, _reply: &[u8]) -> Option<u64> {
        None
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

    /// True where the caller of a stream asks to be told what it used. Asked only in the dialects that may leave it out.
    fn asks_usage(&self, _fields: &RequestFields<'_>, _body: &[u8]) -> bool {
        false
    }

    /// Follows what of a stream is open, so that it can be cut. `asks_usage`: its caller asked to be told what it used.
    fn open_reply(&self, asks_usage: bool) -> Box<dyn OpenReply>;

    /// The members that lead to the model that a reply names; `is_event`: that an event of a stream names.
    fn model_path(&self, _is_event: bool) -> &'static [&'static str] {
        &["model"]
    }

    /// Where replies hold content.
    fn content(&self) -> &'static ContentMap;

    /// Where requests and replies hold texts that content rules judge.
    fn texts(&self) -> &'static TextMap;

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
    /// What policies, budgets and credit need to know, where one of them applies.
    pub(crate) judged: Option<Box<Judged>>,
    /// What content rules say of it, where some are in force.
    pub(crate) texts: Option<Box<Verdict>>,
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
            judged: self.judged,
            texts: self.texts,
        }
    }

    /// True where more may come into the call than its bound knows of: what the provider's tools find, or replies to texts that
    /// nobody counted. Asked of a body that was not judged.
    pub(crate) fn brings_more(&self) -> bool {
        self.marks.brings_more() || (self.parts.is_none() && self.marks.lists_texts())
    }

    /// What is known of the body, or is found out now.
    pub(super) fn judged(&self, rules: &dyn Rules, body: &[u8]) -> Cow<'_, Judged> {
        match &self.judged {
            Some(judged) => Cow::Borrowed(judged),
            None => Cow::Owned(std::str::from_utf8(body).map(|text| rules.judge(text)).unwrap_or_default()),
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
