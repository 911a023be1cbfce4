//! A request to Google: its path names the model, and its body repeats the name in some places, as `models/NAME`.
//!
//! Source: Gemini API reference, `models.generateContent`, `models.countTokens`, `models.embedContent`,
//! `models.batchEmbedContents`. Members are read in both spellings, `camelCase` and `snake_case`, as the API itself does.

use std::{borrow::Cow, ops::Range};

use crate::protocol::{
    json_read,
    output_asked::{self, OutputAsked},
    routing_fields::{self, BodyError},
    rules::{ModelPlaces, RequestFields},
    splice::{Edit, Replacement},
    verb::Verb,
};

/// The members of a `generationConfig` that bound the output, in both spellings.
const CONFIG: [&str; 4] = ["maxOutputTokens", "max_output_tokens", "candidateCount", "candidate_count"];

#[derive(Default)]
struct Found {
    /// Values of `model` at the top.
    models: Vec<Range<usize>>,
    /// Values that may hold more: `requests`, `generateContentRequest`.
    lists: Vec<Range<usize>>,
    objects: Vec<Range<usize>>,
    /// Values of `generationConfig`.
    configs: Vec<Range<usize>>,
}

/// Reads the body of a request for `model`.
pub(super) fn read(verb: Verb, model: String, body: &[u8]) -> Result<RequestFields<'_>, BodyError> {
    let text = routing_fields::text(body)?;
    let (found, marks) = routing_fields::members_and_marks(text, |found: &mut Found, name, at| match name {
        b"model" => found.models.push(at),
        b"requests" => found.lists.push(at),
        b"generationConfig" | b"generation_config" => found.configs.push(at),
        b"generateContentRequest" | b"generate_content_request" => found.objects.push(at),
        _ => {}
    })?;
    if found.models.len() > 1 {
        return Err(BodyError::TwoModels);
    }
    let mut asked = OutputAsked { cap: None, choices: 1 };
    for config in found.configs {
        let [a, b, c, d] = json_read::values(&text[config], CONFIG).unwrap_or_default();
        asked.cap = [a, b].into_iter().flatten().filter_map(output_asked::cap).chain(asked.cap).max();
        asked.choices = [c, d].into_iter().flatten().map(output_asked::choices).fold(asked.choices, u64::max);
    }
    let mut places = found.models;
    for at in found.lists {
        for element in json_read::elements(&text[at.clone()]).unwrap_or_default() {
            models_in(text, at.start + element.start..at.start + element.end, &mut places);
        }
    }
    for at in found.objects {
        models_in(text, at, &mut places);
    }
    // Whatever else stands there is the provider's to judge.
    places.retain(|at| text[at.clone()].starts_with('"'));
    places.sort_by_key(|at| at.start);
    Ok(RequestFields {
        model: Cow::Owned(model),
        stream: verb == Verb::GenerateStream,
        previous_response: None,
        places: ModelPlaces::InPath(places),
        stream_options: None,
        asked,
        marks,
        parts: None,
        judged: None,
        texts: None,
    })
}

/// Adds where the object at `object` has its own `model`.
fn models_in(text: &str, object: Range<usize>, places: &mut Vec<Range<usize>>) {
    let start = object.start;
    let found = json_read::members(&text[object], |found: &mut Vec<Range<usize>>, name, at| {
        if name == b"model" {
            found.push(at);
        }
    });
    places.extend(found.unwrap_or_default().into_iter().map(|at| start + at.start..start + at.end));
}

/// The changes that put `name`, the model's at the provider, wherever it is repeated.
pub(super) fn rename<'n>(fields: &RequestFields<'_>, name: &'n str) -> Vec<Edit<'n>> {
    let ModelPlaces::InPath(places) = &fields.places else { return Vec::new() };
    places.iter().map(|at| Edit { at: at.clone(), with: Replacement::Text(name) }).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::splice::splice;

    fn renamed(body: &str) -> String {
        let fields = read(Verb::EmbedBatch, "x".to_owned(), body.as_bytes()).unwrap();
        let pieces = splice(&Bytes::copy_from_slice(body.as_bytes()), &rename(&fields, "models/up"));
        String::from_utf8(pieces.as_slice().concat()).unwrap()
    }

    #[test]
    fn the_output_is_capped_in_either_spelling() {
        for (body, cap, choices) in [
            (r#"{"generationConfig":{"maxOutputTokens":5,"candidateCount":2}}"#, Some(5), 2),
            (r#"{"generation_config":{"max_output_tokens":6,"maxOutputTokens":4}}"#, Some(6), 1),
            (r#"{"generationConfig":{"candidate_count":3},"maxOutputTokens":5}"#, None, 3),
            (r#"{"generationConfig":7}"#, None, 1),
        ] {
            let asked = read(Verb::Generate, String::new(), body.as_bytes()).unwrap().asked;
            assert_eq!((asked.cap, asked.choices), (cap, choices), "{body}");
        }
    }

    #[test]
    fn the_name_is_put_wherever_the_body_repeats_it() {
        for (body, expected) in [
            (
                r#"{"contents":[{"parts":[{"text":"model"}],"model":"a"}]}"#,
                r#"{"contents":[{"parts":[{"text":"model"}],"model":"a"}]}"#,
            ),
            (r#"{"model" : "models/a","content":{}}"#, r#"{"model" : "models/up","content":{}}"#),
            (
                r#"{"requests":[{"model":"models/a","content":{"model":"b"}}, {"mod\u0065l":"a"},7,{}],"x":1}"#,
                r#"{"requests":[{"model":"models/up","content":{"model":"b"}}, {"mod\u0065l":"models/up"},7,{}],"x":1}"#,
            ),
            (
                r#"{"generateContentRequest":{"contents":[],"model":"models/a"},"generate_content_request":{"model":"m"}}"#,
                r#"{"generateContentRequest":{"contents":[],"model":"models/up"},"generate_content_request":{"model":"models/up"}}"#,
            ),
            (
                r#"{"requests":{"model":"a"},"generateContentRequest":[{"model":"a"}],"model":5}"#,
                r#"{"requests":{"model":"a"},"generateContentRequest":[{"model":"a"}],"model":5}"#,
            ),
        ] {
            assert_eq!(renamed(body), expected);
        }
        let twice = read(Verb::Generate, String::new(), br#"{"model":"a","mod\u0065l":"b"}"#);
        assert_eq!(twice.unwrap_err(), BodyError::TwoModels);
        for bad in ["", "[]", "{}x", "\u{feff}{}"] {
            assert!(matches!(read(Verb::Generate, String::new(), bad.as_bytes()), Err(BodyError::Json(_))), "{bad}");
        }
    }
}
