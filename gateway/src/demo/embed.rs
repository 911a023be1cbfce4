//! Embeddings of the demo: eight numbers from a hash, so that equal inputs are equal and others are not.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{invalid, words};
use crate::error::InferenceError;

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    input: Value,
    #[serde(default)]
    encoding_format: Option<String>,
}

/// The document for `body`, and the words that went in.
pub(super) fn embed(body: &[u8]) -> Result<(Vec<u8>, u64), InferenceError> {
    let asked: Asked = serde_json::from_slice(body)
        .map_err(|error| invalid(format!("the body is not an embeddings request: {error}"), "input"))?;
    let base64 = match asked.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(invalid("`encoding_format` is `float` or `base64`", "encoding_format")),
    };
    let inputs: Vec<&Value> = match &asked.input {
        Value::Array(list) if list.first().is_some_and(Value::is_number) => vec![&asked.input],
        Value::Array(list) => list.iter().collect(),
        other => vec![other],
    };
    let mut data = Vec::with_capacity(inputs.len());
    let mut count = 0;
    for (index, input) in inputs.iter().enumerate() {
        let text = match input {
            Value::String(text) => {
                count += words(text);
                text.clone()
            }
            // Tokens, already counted by the caller.
            Value::Array(tokens) if tokens.iter().all(Value::is_u64) => {
                count += tokens.len() as u64;
                input.to_string()
            }
            _ => return Err(invalid("`input` is a string, a list of strings, or lists of tokens", "input")),
        };
        let numbers = numbers(&text);
        let embedding = if base64 {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            json!(BASE64_STANDARD.encode(bytes))
        } else {
            json!(numbers)
        };
        data.push(json!({ "object": "embedding", "index": index, "embedding": embedding }));
    }
    if data.is_empty() {
        return Err(invalid("`input` is empty", "input"));
    }
    let usage = json!({ "prompt_tokens": count, "total_tokens": count });
    let document = json!({ "object": "list", "data": data, "model": "demo/embed", "usage": usage });
    Ok((document.to_string().into_bytes(), count))
}

/// Eight numbers of length one together.
fn numbers(text: &str) -> [f32; 8] {
    let hash = Sha256::digest(text.as_bytes());
    let mut numbers = [0.0; 8];
    for (number, bytes) in numbers.iter_mut().zip(hash.chunks_exact(4)) {
        let word = i16::from_le_bytes([bytes[0], bytes[1]]);
        *number = f32::from(word) + 0.5;
    }
    let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
    numbers.map(|number| number / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(body: &str) -> Value {
        serde_json::from_slice(&embed(body.as_bytes()).unwrap().0).unwrap()
    }

    #[test]
    fn both_encodings_hold_the_same_numbers() {
        let float = data(r#"{"input":["a b","c"]}"#);
        let base64 = data(r#"{"input":["a b","c"],"encoding_format":"base64"}"#);
        for index in 0..2 {
            let numbers: Vec<f32> = serde_json::from_value(float["data"][index]["embedding"].clone()).unwrap();
            let text = base64["data"][index]["embedding"].as_str().unwrap();
            let bytes = BASE64_STANDARD.decode(text).unwrap();
            let decoded: Vec<f32> = bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
            assert_eq!((numbers.len(), &numbers), (8, &decoded));
            assert!((numbers.iter().map(|n| n * n).sum::<f32>() - 1.0).abs() < 1e-5);
        }
        assert_ne!(float["data"][0]["embedding"], float["data"][1]["embedding"]);
        assert_eq!(float["usage"]["prompt_tokens"], 3);
    }

    #[test]
    fn tokens_are_one_input_and_nonsense_is_refused() {
        assert_eq!(data(r#"{"input":[1,2,3]}"#)["data"].as_array().unwrap().len(), 1);
        assert_eq!(data(r#"{"input":[[1],[2,3]]}"#)["data"].as_array().unwrap().len(), 2);
        for body in ["{}", r#"{"input":[]}"#, r#"{"input":[{}]}"#, r#"{"input":"x","encoding_format":"hex"}"#] {
            assert!(embed(body.as_bytes()).is_err(), "{body}");
        }
    }
}
