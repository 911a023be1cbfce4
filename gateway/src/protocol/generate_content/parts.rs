//! What stands in a body of Google's besides text, in either spelling of its names.
//!
//! Source: Gemini API reference, `Content` and `Part` (`inlineData`, `fileData`, `functionCall`, `functionResponse`),
//! `models.generateContent` (`cachedContent`).

use crate::protocol::{
    parts::{BodyParts, Kind, Known, Open, PartsOf, Place, Reader, media_type},
    walk::Value,
};

/// A body of this dialect.
pub(super) struct Body;

/// What holds arguments, results and schemas, which are the caller's own.
pub(super) const FREE: [&str; 12] = [
    "args",
    "response",
    "parameters",
    "parametersJsonSchema",
    "parameters_json_schema",
    "responseSchema",
    "response_schema",
    "responseJsonSchema",
    "response_json_schema",
    "labels",
    "_responseJsonSchema",
    "schema",
];

impl PartsOf for Body {
    fn is_free(&self, name: &str, value: &Value) -> bool {
        matches!(value, Value::Object) && FREE.contains(&name)
    }

    fn value(&self, walk: &mut Reader<'_, '_>, within: &mut Open, name: &str, value: &Value) -> Known {
        Known::Own(match (within.place, name) {
            (Place::Top, "contents" | "requests") => match value {
                Value::Array => Some(Open::at(Place::Messages)),
                _ => {
                    walk.parts.messages += 1;
                    Some(Open::at(Place::Message))
                }
            },
            (Place::Source, "data") => {
                if let Value::Text(at) = value {
                    within.media.count += 1;
                    within.media.base64 += at.len() as u64 - 2;
                }
                None
            }
            (Place::Source | Place::Linked, "mimeType" | "mime_type") => {
                media_type(walk, within, value);
                None
            }
            (Place::Linked, "fileUri" | "file_uri") => {
                within.media.count += 1;
                // Its host says whether it is named, too.
                return Known::Common;
            }
            (_, "inlineData" | "inline_data") if matches!(value, Value::Object) => Some(Open::at(Place::Source)),
            (_, "fileData" | "file_data") if matches!(value, Value::Object) => Some(Open::at(Place::Linked)),
            _ => return Known::Common,
        })
    }

    fn closed(&self, parts: &mut BodyParts, open: &Open, _within: &mut Open) {
        match open.place {
            Place::Source if !open.is_text => parts.add_all(open.media_kind.unwrap_or(Kind::File), open.media),
            // A text that is linked to is not in the body; what says nothing of itself may be a film.
            Place::Linked => {
                let unsaid = if open.is_text { Kind::File } else { Kind::Video };
                parts.add_all(open.media_kind.unwrap_or(unsaid), open.media);
            }
            _ => {}
        }
    }
}
