//! What stands in a body of messages besides text.
//!
//! Source: Anthropic API reference, "Create a Message": blocks of `type` `image` and `document`, each with a `source` (`base64`,
//! `url`, `file`, `text`, `content`), also within results of tools; `container`, `cache_control`.

use crate::protocol::{
    parts::{BodyParts, Kind, Known, Open, PartsOf, Place, Reader, media_type},
    walk::Value,
};

/// A body of this dialect.
pub(super) struct Body;

impl PartsOf for Body {
    fn is_free(&self, name: &str, value: &Value) -> bool {
        matches!(value, Value::Object) && matches!(name, "input" | "input_schema" | "metadata" | "schema")
    }

    fn value(&self, walk: &mut Reader<'_, '_>, within: &mut Open, name: &str, value: &Value) -> Known {
        Known::Own(match (within.place, name) {
            (Place::Top, "messages") => Some(Open::at(Place::Messages)),
            (Place::Source, "data") => {
                if let Value::Text(at) = value {
                    within.media.count += 1;
                    within.media.base64 += at.len() as u64 - 2;
                }
                None
            }
            (Place::Source, "url") => {
                within.media.count += 1;
                None
            }
            (Place::Source, "media_type") => {
                media_type(walk, within, value);
                None
            }
            (_, "source") if matches!(value, Value::Object) => Some(Open::at(Place::Source)),
            _ => return Known::Common,
        })
    }

    fn closed(&self, parts: &mut BodyParts, open: &Open, within: &mut Open) {
        if open.place == Place::Source {
            // The block around it says what it is, and perhaps not before.
            if !open.is_text {
                within.media_kind = open.media_kind.or(within.media_kind);
                within.media.count += open.media.count;
                within.media.base64 += open.media.base64;
            }
        } else if open.media.count > 0 {
            let kind = open.media_kind.or(open.kind).unwrap_or(Kind::File);
            parts.add_all(kind, open.media);
        }
    }
}
