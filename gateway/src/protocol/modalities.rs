//! What a reply is asked to be besides text: sound and pictures cost what text does not.
//!
//! Source: OpenAI API reference, "Create chat completion", `modalities`, `audio`; OpenRouter, "Image Generation", `modalities`
//! (<https://openrouter.ai/docs/features/multimodal/image-generation>); Gemini API reference, `GenerationConfig`,
//! `responseModalities`, whose words may be written as their numbers (<https://protobuf.dev/programming-guides/json/>, "enum").

use super::{
    json_read,
    judged::{Judged, Member, says_something},
    parts::Kind,
    routing_fields::string,
};

/// What a reply is to be besides text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) kind: Kind,
    /// The member that says so, as it stands there.
    pub(crate) name: String,
}

impl Judged {
    /// Notes that the reply is to hold media of this kind.
    pub(super) fn wants(&mut self, kind: Kind, name: &str) {
        if !self.wanted.iter().any(|wanted| wanted.kind == kind) {
            self.wanted.push(Wanted { kind, name: name.to_owned() });
        }
    }
}

/// Looks at a member at the top.
pub(super) fn look(judged: &mut Judged, member: &Member<'_>) {
    match member.name {
        "modalities" => read(judged, member.name, member.value()),
        // How the sound is to be.
        "audio" if says_something(member.value()) => judged.wants(Kind::Audio, member.name),
        _ => {}
    }
}

/// Reads `raw`, a list of modalities that stands under `name`.
pub(super) fn read(judged: &mut Judged, name: &str, raw: &str) {
    if !says_something(raw) {
        return;
    }
    // What is no list is read as its only element: whether a provider takes that is its own.
    for element in json_read::elements_of(raw).unwrap_or_else(|| vec![raw]) {
        if let Some(kind) = kind_of(element) {
            judged.wants(kind, name);
        }
    }
}

/// The kind of media that a modality is; `None` for text. What is not known may cost anything.
fn kind_of(modality: &str) -> Option<Kind> {
    let word = string(modality);
    match word.as_deref().unwrap_or(modality).to_ascii_lowercase().as_str() {
        "text" | "modality_unspecified" | "null" | "0" | "1" => None,
        "image" | "2" => Some(Kind::Image),
        "audio" | "3" => Some(Kind::Audio),
        "video" => Some(Kind::Video),
        _ => Some(Kind::File),
    }
}
