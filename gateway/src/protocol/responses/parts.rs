//! What stands in a body of responses besides text, and what it names of what OpenAI has stored.
//!
//! Source: OpenAI API reference, "Create a model response": `input` (items, item references), content parts `input_image`,
//! `input_file`, `input_audio`, `prompt`, `conversation`, tools with `vector_store_ids`, `container`, `connector_id`.

use crate::protocol::{
    parts::{BodyParts, Kind, Known, Open, PartsOf, Place, Reader, Reference},
    walk::Value,
};

/// A body of this dialect.
pub(super) struct Body;

impl PartsOf for Body {
    fn is_free(&self, name: &str, value: &Value) -> bool {
        matches!(value, Value::Object) && matches!(name, "parameters" | "schema" | "metadata" | "arguments")
    }

    fn value(&self, walk: &mut Reader<'_, '_>, within: &mut Open, name: &str, value: &Value) -> Known {
        Known::Own(match (within.place, name) {
            (Place::Top, "input") => match value {
                Value::Array => Some(Open::at(Place::Messages)),
                _ => {
                    walk.parts.messages += 1;
                    None
                }
            },
            (Place::Top, "prompt") => walk.add_name("prompt", Reference::Other, value),
            (Place::Audio, "data") => {
                walk.add_data(Kind::Audio, value);
                None
            }
            (Place::Image, "url") | (_, "image_url") => match value {
                Value::Object => Some(Open::at(Place::Image)),
                _ => {
                    walk.add_url(Kind::Image, value);
                    None
                }
            },
            (_, "file_data") => {
                walk.add_data(Kind::File, value);
                None
            }
            (_, "file_url") => {
                walk.add_url(Kind::File, value);
                None
            }
            (_, "input_audio") => Some(Open::at(Place::Audio)),
            _ => return Known::Common,
        })
    }

    fn closed(&self, parts: &mut BodyParts, open: &Open, _within: &mut Open) {
        // An item of nothing but an `id` is a reference too: its `type` may be left away.
        if open.place == Place::Message && !open.says_what_it_is && !open.id.is_empty() {
            parts.name("item_reference", Reference::Reply, open.id.clone());
        }
    }
}
