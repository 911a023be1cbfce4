//! Models as Google's clients read them: `{"models":[{"name":"models/provider/model",…}],"nextPageToken"}`.
//!
//! Source: Gemini API reference, "Models" (`Model`, `models.list`, `models.get`).

use serde_json::{Map, Value, json};

use super::{EMBEDDINGS, Listed};

/// A part of a list. Its token is the last name that was shown.
pub(super) fn list(entries: &[Value], part: &[Listed<'_>], more: bool) -> Value {
    let mut document = Map::from_iter([("models".to_owned(), entries.into())]);
    if let Some(last) = part.last().filter(|_| more) {
        document.insert("nextPageToken".to_owned(), last.id.as_str().into());
    }
    document.into()
}

/// One model. What is not known is absent, as Google leaves it away.
pub(super) fn entry(listed: &Listed<'_>) -> Value {
    let methods: &[&str] = if listed.can(EMBEDDINGS) {
        &["embedContent", "batchEmbedContents"]
    } else {
        &["generateContent", "streamGenerateContent", "countTokens"]
    };
    let mut entry = json!({
        "name": format!("models/{}", listed.id),
        "baseModelId": listed.id,
        // Readers insist on a text; no registry knows it.
        "version": "unknown",
        "displayName": listed.display_name(),
        "description": format!("The model {} of {}.", listed.name(), listed.provider.name()),
        "supportedGenerationMethods": methods,
    });
    if let Some(model) = listed.model {
        entry["thinking"] = model.can("reasoning").into();
        for (member, limit) in
            [("inputTokenLimit", model.max_input_tokens), ("outputTokenLimit", model.max_output_tokens)]
        {
            if let Some(limit) = limit {
                entry[member] = limit.into();
            }
        }
    }
    entry
}
