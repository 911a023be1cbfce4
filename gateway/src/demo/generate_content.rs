//! The demo in Google's generateContent. Members are read in both spellings, `camelCase` and `snake_case`, and a list of
//! one may stand there without its brackets, as the API itself reads them.
//!
//! Source: Gemini API reference, "Generating content", "Counting tokens", "Embeddings".

use serde_json::{Value, json};

use super::{
    Answer, Form, Reply, Voice, Writer,
    conversation::{Conversation, Message},
    counts, event, invalid,
    read::{Object, cap, given, text_of_parts},
    vector::vector,
    words,
    words::Word,
};
use crate::{
    error::InferenceError,
    protocol::{Dialect, Verb, usage::TokenUsage},
};

/// What `voice` says to contents; `query` says in which form a stream is asked for.
pub(super) fn speak(voice: Voice, body: &Object, verb: Verb, query: &str) -> Result<Answer, InferenceError> {
    let completion = conversation(body)?.answered_by(voice, "contents")?.capped(most_output(body)?);
    let is_array = query != "alt=sse";
    let form = match verb {
        Verb::GenerateStream if is_array => Form::array(Dialect::GenerateContent),
        Verb::GenerateStream => Some(Form::events(Dialect::GenerateContent)),
        _ => None,
    };
    Ok(Answer::Text(completion, Box::new(Chunks { is_array, has_begun: false }), form))
}

/// The words of contents, which may stand in the request that would be made of them.
pub(super) fn count(body: &Object) -> Result<Answer, InferenceError> {
    const NAME: &str = "generateContentRequest";
    let request = match member(body, NAME, "generate_content_request")? {
        None => body,
        Some(_) if given(body, "contents").is_some() => {
            return Err(invalid(format!("`contents` and `{NAME}` exclude each other"), "contents"));
        }
        Some(Value::Object(request)) => request,
        Some(_) => return Err(invalid(format!("`{NAME}` is an object"), NAME)),
    };
    let words = conversation(request)?.words();
    let details = json!([{ "modality": "TEXT", "tokenCount": words }]);
    let document = json!({ "totalTokens": words, "promptTokensDetails": details });
    Ok(Answer::Document(document, TokenUsage::default()))
}

/// Numbers for one content.
pub(super) fn embed(body: &Object) -> Result<Answer, InferenceError> {
    let (embedding, words) = embedding(body, "content")?;
    Ok(Answer::Document(json!({ "embedding": embedding }), counts(words, None)))
}

/// Numbers for each of several contents.
pub(super) fn embed_batch(body: &Object) -> Result<Answer, InferenceError> {
    let requests = given(body, "requests").map(one_or_more).filter(|requests| !requests.is_empty());
    let requests = requests.ok_or_else(|| invalid("`requests` is missing or empty", "requests"))?;
    let (mut embeddings, mut sum) = (Vec::new(), 0);
    for request in requests {
        let request = request.as_object().ok_or_else(|| invalid("each of `requests` is an object", "requests"))?;
        let (embedding, words) = embedding(request, "requests")?;
        embeddings.push(embedding);
        sum += words;
    }
    Ok(Answer::Document(json!({ "embeddings": embeddings }), counts(sum, None)))
}

fn embedding(request: &Object, param: &'static str) -> Result<(Value, u64), InferenceError> {
    let text = given(request, "content").map(|content| text(content, param)).transpose()?.flatten();
    let text = text.ok_or_else(|| invalid("`content` is missing or holds no text", param))?;
    Ok((json!({ "values": vector(&text) }), words(&text)))
}

/// A member in one of its two spellings.
fn member<'v>(object: &'v Object, name: &'static str, snake: &str) -> Result<Option<&'v Value>, InferenceError> {
    match (given(object, name), given(object, snake)) {
        (Some(_), Some(_)) => Err(invalid(format!("`{name}` is given twice, also as `{snake}`"), name)),
        (one, other) => Ok(one.or(other)),
    }
}

fn one_or_more(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

/// The most words that are asked for.
fn most_output(body: &Object) -> Result<Option<u64>, InferenceError> {
    let config = member(body, "generationConfig", "generation_config")?.and_then(Value::as_object);
    Ok(config.and_then(|config| cap(config, &["maxOutputTokens", "max_output_tokens"])))
}

fn conversation(body: &Object) -> Result<Conversation, InferenceError> {
    const SYSTEM: &str = "systemInstruction";
    let system = member(body, SYSTEM, "system_instruction")?;
    let system = system.map(|content| text(content, SYSTEM)).transpose()?.flatten();
    let mut messages = vec![Message { is_user: false, text: system }];
    let contents = given(body, "contents").map(one_or_more).filter(|contents| !contents.is_empty());
    for content in contents.ok_or_else(|| invalid("`contents` is missing or empty", "contents"))? {
        // One without a role is the user's.
        let is_user = content.get("role").is_none_or(|role| role.is_null() || role == "user");
        messages.push(Message { is_user, text: text(content, "contents")? });
    }
    Ok(Conversation(messages))
}

/// The text of a content.
fn text(content: &Value, param: &'static str) -> Result<Option<String>, InferenceError> {
    let content = content.as_object().ok_or_else(|| invalid(format!("each of `{param}` is an object"), param))?;
    given(content, "parts").map_or(Ok(None), |parts| text_of_parts(one_or_more(parts), param))
}

/// Writes a chunk an event, or a chunk an element of one array.
struct Chunks {
    is_array: bool,
    has_begun: bool,
}

impl Chunks {
    fn put(&mut self, chunk: &Value) -> String {
        if !self.is_array {
            return event(chunk);
        }
        let before = if std::mem::replace(&mut self.has_begun, true) { ",\r\n" } else { "[" };
        format!("{before}{chunk}")
    }
}

fn chunk(reply: &Reply, text: &str, output: u64, is_last: bool) -> Value {
    let mut candidate = json!({ "content": { "role": "model", "parts": [{ "text": text }] }, "index": 0 });
    if is_last {
        candidate["finishReason"] = if reply.is_cut(0) { "MAX_TOKENS" } else { "STOP" }.into();
    }
    let input = reply.input();
    json!({
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": input, "candidatesTokenCount": output, "totalTokenCount": input + output,
        },
        "modelVersion": reply.model(),
        "responseId": format!("demo-{}", reply.id),
    })
}

impl Writer for Chunks {
    fn document(&self, reply: &Reply) -> Value {
        chunk(reply, reply.text(), reply.output(), true)
    }

    fn begin(&mut self, _: &Reply) -> Vec<u8> {
        Vec::new()
    }

    fn word(&mut self, reply: &Reply, word: &Word<'_>) -> Vec<u8> {
        // The last word says that it is one: some clients take a chunk without a text for a broken turn.
        self.put(&chunk(reply, word.text, word.said, word.is_last)).into()
    }

    fn end(&mut self, reply: &Reply) -> Vec<u8> {
        let mut end = String::new();
        if reply.text().is_empty() {
            end += &self.put(&chunk(reply, "", 0, true));
        }
        if self.is_array {
            end += "\n]\n";
        }
        end.into()
    }
}
