//! An object, and what its members say of the texts in it.

use std::borrow::Cow;

use super::encoded::Media;
use crate::protocol::routing_fields;

/// An object.
#[derive(Debug, Default)]
pub(super) struct Object {
    pub(super) parent: Option<usize>,
    pub(super) node: u8,
    /// The name of the member that it is, or is an element of.
    pub(super) name: String,
    /// Its number in an array.
    pub(super) place: Option<usize>,
    /// What it is told apart by.
    pub(super) ids: Vec<(&'static str, String)>,
    pub(super) kind: Option<String>,
    /// What its data are.
    pub(super) media: Media,
    /// It has a name.
    pub(super) is_named: bool,
    /// It says that it goes on.
    pub(super) goes_on: bool,
    is_signed: bool,
    is_thought: bool,
    signs_thoughts: bool,
}

impl Object {
    /// One within `parent` that is called `name`, or is at `place` of an array that is.
    pub(super) fn new(parent: Option<usize>, node: u8, name: String, place: Option<usize>) -> Self {
        Self { parent, node, name, place, ..Self::default() }
    }

    /// It is a part of the thinking.
    pub(super) fn is_thought(&self) -> bool {
        self.is_thought
    }

    /// It has a signature, which is one of the texts in it.
    pub(super) fn signs(&self) -> bool {
        self.is_signed || self.is_thought && self.signs_thoughts
    }

    /// Something in it would not fit any more where its texts were changed.
    pub(super) fn set_signed(&mut self) {
        self.is_signed = true;
    }

    /// Takes note of a member, whose value is a string or a scalar.
    pub(super) fn note(&mut self, name: &str, value: &str) {
        let has_text = value.len() > 2 && value.starts_with('"');
        let decoded = || routing_fields::string(value).map(Cow::into_owned);
        let id = match name {
            "index" => "index",
            "output_index" => "output_index",
            "content_index" => "content_index",
            "summary_index" => "summary_index",
            "jsonPath" | "json_path" => {
                self.add_id("path", decoded().unwrap_or_default());
                return;
            }
            "type" => {
                self.kind = decoded();
                return;
            }
            "media_type" | "mimeType" | "mime_type" => {
                self.media = routing_fields::string(value).map_or(Media::Unknown, |kind| Media::of(&kind));
                return;
            }
            "name" => {
                self.is_named = has_text;
                return;
            }
            "willContinue" | "will_continue" => {
                self.goes_on = value == "true";
                return;
            }
            "signature" | "encrypted_content" => {
                self.is_signed |= has_text;
                return;
            }
            "thoughtSignature" | "thought_signature" => {
                self.signs_thoughts |= has_text;
                return;
            }
            "thought" => {
                self.is_thought = value == "true";
                return;
            }
            _ => return,
        };
        self.add_id(id, value.to_owned());
    }

    fn add_id(&mut self, name: &'static str, value: String) {
        self.ids.push((name, value));
        self.ids.sort_unstable();
    }
}
