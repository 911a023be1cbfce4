//! What stands in a body of chat completions, completions or embeddings besides text.
//!
//! Source: OpenAI API reference, "Create chat completion" (content parts `image_url`, `input_audio`, `file`) and "Create
//! completion" (`prompt`). `video_url` is what several other providers add.

use crate::protocol::{
    parts::{Kind, Known, Open, PartsOf, Place, Reader},
    walk::Value,
};

/// A body of this dialect.
pub(super) struct Body;

impl PartsOf for Body {
    fn is_free(&self, name: &str, value: &Value) -> bool {
        matches!(value, Value::Object)
            && matches!(name, "parameters" | "schema" | "metadata" | "arguments" | "logit_bias")
    }

    fn value(&self, walk: &mut Reader<'_, '_>, within: &mut Open, name: &str, value: &Value) -> Known {
        let media = |kind: Kind, place: Place, walk: &mut Reader<'_, '_>| match value {
            Value::Object => Some(Open::at(place)),
            _ => {
                walk.add_url(kind, value);
                None
            }
        };
        Known::Own(match (within.place, name) {
            (Place::Top, "messages") => Some(Open::at(Place::Messages)),
            (Place::Top, "prompt") => match value {
                Value::Array => Some(Open::at(Place::Prompt)),
                _ => {
                    walk.parts.prompts += 1;
                    None
                }
            },
            // Texts and numbers alone.
            (Place::Top, "input") => None,
            (Place::Image, "url") => media(Kind::Image, Place::Any, walk),
            (Place::Video, "url") => media(Kind::Video, Place::Any, walk),
            (Place::Audio, "data") => {
                walk.add_data(Kind::Audio, value);
                None
            }
            (Place::File, "file_data") => {
                walk.add_data(Kind::File, value);
                None
            }
            (_, "image_url") => media(Kind::Image, Place::Image, walk),
            (_, "video_url") => media(Kind::Video, Place::Video, walk),
            (_, "input_audio") => Some(Open::at(Place::Audio)),
            (_, "file") => Some(Open::at(Place::File)),
            _ => return Known::Common,
        })
    }
}
