//! The demo in OpenAI's embeddings.
//!
//! Source: OpenAI API reference, "Embeddings".

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{
    Answer, counts, invalid,
    read::{Object, given},
    vector::vector,
    words,
};
use crate::error::InferenceError;

/// Numbers for each input.
pub(super) fn embed(body: &Object) -> Result<Answer, InferenceError> {
    let base64 = match given(body, "encoding_format").map(Value::as_str) {
        None | Some(Some("float")) => false,
        Some(Some("base64")) => true,
        Some(_) => return Err(invalid("`encoding_format` is `float` or `base64`", "encoding_format")),
    };
    let mut data = Vec::new();
    let mut count = 0;
    for (index, input) in inputs(body)?.into_iter().enumerate() {
        let text = match input {
            Value::String(text) => {
                count += words(text);
                text.clone()
            }
            // Tokens, already counted by the caller.
            Value::Array(tokens) if !tokens.is_empty() && tokens.iter().all(Value::is_u64) => {
                count += tokens.len() as u64;
                input.to_string()
            }
            _ => return Err(invalid("`input` is a string, a list of strings, or lists of tokens", "input")),
        };
        let numbers = vector(&text);
        let embedding = if base64 {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            json!(BASE64_STANDARD.encode(bytes))
        } else {
            json!(numbers)
        };
        data.push(json!({ "object": "embedding", "index": index, "embedding": embedding }));
    }
    let usage = json!({ "prompt_tokens": count, "total_tokens": count });
    let document = json!({ "object": "list", "data": data, "model": "demo/embed", "usage": usage });
    Ok(Answer::Document(document, counts(count, None)))
}

fn inputs(body: &Object) -> Result<Vec<&Value>, InferenceError> {
    match given(body, "input") {
        None => Err(invalid("`input` is missing", "input")),
        Some(Value::Array(list)) if list.is_empty() => Err(invalid("`input` is empty", "input")),
        Some(tokens @ Value::Array(list)) if list[0].is_number() => Ok(vec![tokens]),
        Some(Value::Array(list)) => Ok(list.iter().collect()),
        Some(one) => Ok(vec![one]),
    }
}
