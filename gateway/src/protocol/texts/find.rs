//! The texts of one document, event or element: one forward pass, no recursion.

use std::{borrow::Cow, ops::Range};

use super::{ANY, How, Role, TextMap, object::Object};
use crate::protocol::{
    json_members::space,
    routing_fields,
    walk::{nest_end, scalar_end, text_end},
};

/// Names of members that hold no text where nothing else is known of them: what names, refers, signs or is a picture.
const NO_TEXTS: [&str; 40] = [
    "id",
    "type",
    "role",
    "object",
    "status",
    "name",
    "model",
    "url",
    "uri",
    "data",
    "mime_type",
    "mimeType",
    "media_type",
    "mediaType",
    "file_id",
    "file_data",
    "fileData",
    "file_data_url",
    "fileUri",
    "file_uri",
    "file_url",
    "image_url",
    "video_url",
    "input_audio",
    "inlineData",
    "inline_data",
    "b64_json",
    "call_id",
    "tool_call_id",
    "tool_use_id",
    "item_id",
    "format",
    "detail",
    "cache_control",
    "encrypted_index",
    "reasoning_opaque",
    "extra_content",
    "provider_specific_fields",
    "filename",
    "approval_request_id",
];

/// Names of members that say in a word of the API's, an id or noise how a reply was made.
const FACTS: [&str; 19] = [
    "finish_reason",
    "native_finish_reason",
    "finishReason",
    "stop_reason",
    "service_tier",
    "system_fingerprint",
    "obfuscation",
    "first_id",
    "last_id",
    "previous_response_id",
    "modelVersion",
    "responseId",
    "createTime",
    "truncation",
    "quality",
    "size",
    "background",
    "output_format",
    "partial_image_b64",
];

/// A text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The number of the object that it is a member of.
    pub(super) object: usize,
    /// Its member's name.
    pub(super) name: String,
    /// Where it stands; a string with its quotes.
    pub(super) at: Range<usize>,
    pub(super) kind: Kind,
    pub(super) how: How,
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string.
    Text,
    /// JSON within a string.
    Json,
    /// JSON as it is.
    Values,
    /// One of the first two, by how the type of its object ends.
    JsonIf(&'static str),
    /// A string, where its object's type is `text`, or base64.
    Data,
    /// A file: a data URL, or base64 alone.
    File,
}

/// What stands in a document.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) objects: Vec<Object>,
    pub(super) found: Vec<Found>,
}

impl Texts {
    /// True where a text must not be changed: what goes with it is signed.
    pub(super) fn is_signed(&self, found: &Found) -> bool {
        self.chain(found.object).any(Object::signs)
    }

    /// The element of an array that a text is in, where nothing tells it apart from the others.
    pub(super) fn element(&self, found: &Found) -> Option<usize> {
        let mut next = Some(found.object);
        while let Some(at) = next {
            let object = self.objects.get(at)?;
            if object.place.is_some() && object.ids.is_empty() {
                return next;
            }
            next = object.parent;
        }
        None
    }

    /// The object with this number and those around it.
    pub(super) fn chain(&self, object: usize) -> impl Iterator<Item = &Object> {
        let mut next = self.objects.get(object);
        std::iter::from_fn(move || {
            let now = next?;
            next = now.parent.and_then(|parent| self.objects.get(parent));
            Some(now)
        })
    }
}

/// What is open.
struct Frame {
    role: Role,
    /// The object, or the one around the array.
    object: usize,
    is_object: bool,
    /// The name of the member that an array is.
    name: String,
    elements: usize,
}

/// Lists the texts of `text`, an object that was found to be JSON, as the map has them from the object `root` on.
pub(super) fn texts_of(map: &TextMap, root: u8, text: &str) -> Texts {
    let mut texts = Texts::default();
    let bytes = text.as_bytes();
    let mut at = space(bytes, 0);
    let mut open: Vec<Frame> = Vec::new();
    if bytes.get(at) == Some(&b'{') {
        texts.objects.push(Object::new(None, root, String::new(), None));
        let role = if root == ANY { Role::Any(super::OWN) } else { Role::Node(root) };
        open.push(Frame { role, object: 0, is_object: true, name: String::new(), elements: 0 });
        at += 1;
    }
    while let Some(frame) = open.last_mut() {
        at = space(bytes, at);
        let Some(byte) = bytes.get(at) else { return texts };
        match byte {
            b',' => {
                at += 1;
                continue;
            }
            b'}' | b']' => {
                open.pop();
                at += 1;
                continue;
            }
            _ => {}
        }
        let (mut name, mut role, mut place) = (Cow::Borrowed(""), frame.role, None);
        if frame.is_object {
            let Some(end) = text_end(bytes, at) else { return texts };
            // A name that is no text (a lone surrogate) is none that anybody knows.
            name = routing_fields::string(&text[at..end]).unwrap_or_default();
            at = space(bytes, end);
            if bytes.get(at) != Some(&b':') {
                return texts;
            }
            at = space(bytes, at + 1);
            role = member(map, frame.role, &name);
        } else {
            place = Some(frame.elements);
            frame.elements += 1;
        }
        let object = frame.object;
        let name = if frame.is_object { name.into_owned() } else { frame.name.clone() };
        let is_member = frame.is_object;
        match bytes.get(at) {
            Some(b'"') => {
                let Some(end) = text_end(bytes, at) else { return texts };
                if is_member {
                    texts.objects[object].note(&name, &text[at..end]);
                }
                if let Some((kind, how)) = text_kind(role, &name) {
                    texts.found.push(Found { object, name, at: at..end, kind, how });
                }
                at = end;
            }
            Some(b'{' | b'[') => {
                let is_object = bytes[at] == b'{';
                if is_member && is_log_probabilities(&name) {
                    let Some(end) = nest_end(bytes, at) else { return texts };
                    let tells = memchr::memmem::find(&bytes[at..end], b"\"token").is_some();
                    if tells || name == "logprobsResult" {
                        texts.objects[object].set_signed();
                    }
                    at = end;
                    continue;
                }
                match role {
                    Role::Json(how) | Role::JsonIf(how, _) => {
                        let Some(end) = nest_end(bytes, at) else { return texts };
                        texts.found.push(Found {
                            object,
                            name,
                            at: at..end,
                            kind: Kind::Values,
                            how: How { goes_on: false, ..how },
                        });
                        at = end;
                    }
                    Role::Skip | Role::Data => match nest_end(bytes, at) {
                        Some(end) => at = end,
                        None => return texts,
                    },
                    Role::Any(_) if is_member && NO_TEXTS.contains(&name.as_str()) => match nest_end(bytes, at) {
                        Some(end) => at = end,
                        None => return texts,
                    },
                    Role::Node(_) | Role::Text(_) | Role::TextOr(..) | Role::Any(_) => {
                        let mut within = object;
                        if is_object {
                            let node = match role {
                                Role::Node(node) | Role::TextOr(_, node) => node,
                                _ => ANY,
                            };
                            within = texts.objects.len();
                            texts.objects.push(Object::new(Some(object), node, name.clone(), place));
                        }
                        // An object where only a text is known is read as any.
                        let role = match role {
                            Role::Text(how) if is_object => Role::Any(how),
                            role => role,
                        };
                        open.push(Frame { role, object: within, is_object, name, elements: 0 });
                        at += 1;
                    }
                }
            }
            _ => {
                let end = scalar_end(bytes, at);
                if end == at {
                    return texts;
                }
                if is_member {
                    texts.objects[object].note(&name, &text[at..end]);
                }
                at = end;
            }
        }
    }
    texts
}

/// What the member of this name is in an object of this role.
fn member(map: &TextMap, role: Role, name: &str) -> Role {
    let node = match role {
        Role::Node(node) | Role::TextOr(_, node) => node,
        role => return role,
    };
    let known = map.members.iter().find(|(of, known, _)| *of == node && *known == name).map(|(.., role)| *role);
    known.or_else(|| map.others.iter().find(|(of, _)| *of == node).map(|(_, role)| *role)).unwrap_or(if node == ANY {
        Role::Any(super::OWN)
    } else {
        Role::Skip
    })
}

/// How a string of this role is a text.
fn text_kind(role: Role, name: &str) -> Option<(Kind, How)> {
    match role {
        Role::Text(how) | Role::TextOr(how, _) => Some((Kind::Text, how)),
        Role::Json(how) => Some((Kind::Json, how)),
        Role::JsonIf(how, end) => Some((Kind::JsonIf(end), how)),
        Role::Data => Some((Kind::Data, super::OWN)),
        Role::Any(_) if name == "data" => Some((Kind::Data, super::OWN)),
        Role::Any(_) if matches!(name, "file_data" | "fileData") => Some((Kind::File, super::OWN)),
        Role::Any(how) if !NO_TEXTS.contains(&name) && !is_fact(name) => Some((Kind::Text, how)),
        Role::Any(_) | Role::Skip | Role::Node(_) => None,
    }
}

/// What signs, or is one of a list of words that an API knows.
fn is_fact(name: &str) -> bool {
    matches!(name, "signature" | "encrypted_content" | "thoughtSignature" | "thought_signature" | "thought_signatures")
        || FACTS.contains(&name)
}

fn is_log_probabilities(name: &str) -> bool {
    matches!(name, "logprobs" | "logprobsResult")
}
