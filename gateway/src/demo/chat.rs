//! Chat completions of the demo: what is said, before how it is sent.

use serde::Deserialize;
use serde_json::Value;

use super::{invalid, words};
use crate::error::InferenceError;

const LOREM: &str = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore \
et dolore magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco laboris nisi ut aliquip ex ea \
commodo consequat. Duis aute irure dolor in reprehenderit in voluptate velit esse cillum dolore eu fugiat nulla \
pariatur. Excepteur sint occaecat cupidatat non proident, sunt in culpa qui officia deserunt mollit anim id est laborum.";

/// A completion: the text and how the caller wants it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Completion {
    /// The model's name at the demo.
    pub(super) model: &'static str,
    /// What is said.
    pub(super) text: String,
    /// Words of all messages.
    pub(super) prompt_words: u64,
    /// As a stream.
    pub(super) stream: bool,
    /// With a chunk of usage at the end of the stream.
    pub(super) include_usage: bool,
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    role: String,
    #[serde(default)]
    content: Value,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

/// The last user text.
pub(super) fn echo(body: &[u8]) -> Result<Completion, InferenceError> {
    let asked = read(body)?;
    let last = asked.messages.iter().rev().find(|message| message.role == "user");
    let last = last.ok_or_else(|| invalid("`messages` holds no message with the role `user`", "messages"))?;
    let text = text_of(&last.content);
    Ok(completion("echo", text, &asked))
}

/// The fixed text.
pub(super) fn lorem(body: &[u8]) -> Result<Completion, InferenceError> {
    let asked = read(body)?;
    Ok(completion("lorem", LOREM.to_owned(), &asked))
}

fn read(body: &[u8]) -> Result<Asked, InferenceError> {
    let asked: Asked = serde_json::from_slice(body)
        .map_err(|error| invalid(format!("the body is not a chat request: {error}"), "messages"))?;
    if asked.messages.is_empty() { Err(invalid("`messages` is missing or empty", "messages")) } else { Ok(asked) }
}

fn completion(model: &'static str, text: String, asked: &Asked) -> Completion {
    Completion {
        model,
        text,
        prompt_words: asked.messages.iter().map(|message| words(&text_of(&message.content))).sum(),
        stream: asked.stream == Some(true),
        include_usage: asked.stream_options.as_ref().and_then(|options| options.include_usage) == Some(true),
    }
}

/// The text of a message: a string, or the text parts of a list, joined.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        _ => String::new(),
    }
}

/// The length of the first word of `text` with the space after it.
pub(super) fn first_word(text: &str) -> usize {
    let word = text.find(|c: char| !c.is_whitespace()).unwrap_or(text.len());
    let space = text[word..].find(char::is_whitespace).map_or(text.len(), |at| word + at);
    text[space..].find(|c: char| !c.is_whitespace()).map_or(text.len(), |at| space + at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_user_text_comes_back() {
        let body = br#"{"model":"demo/echo","messages":[
            {"role":"user","content":"first"},
            {"role":"user","content":[{"type":"text","text":"two "},{"type":"image_url"},{"type":"text","text":"parts"}]},
            {"role":"assistant","content":null}],
            "stream":true,"stream_options":{"include_usage":true}}"#;
        let completion = echo(body).unwrap();
        assert_eq!((completion.text.as_str(), completion.prompt_words), ("two parts", 3));
        assert!(completion.stream && completion.include_usage);
    }

    #[test]
    fn what_is_no_chat_is_refused() {
        for body in [r"{}", r#"{"messages":[]}"#, r#"{"messages":"x"}"#, r#"{"messages":[{"role":"system"}]}"#] {
            assert!(echo(body.as_bytes()).is_err(), "{body}");
        }
        assert!(lorem(br#"{"messages":[{"role":"system"}],"stream":null}"#).is_ok());
    }

    proptest! {
        #[test]
        fn words_joined_are_the_text(text in "[a é\n😀]{0,20}") {
            let (mut rest, mut joined, mut count) = (text.as_str(), String::new(), 0);
            while !rest.is_empty() {
                let (word, more) = rest.split_at(first_word(rest));
                prop_assert!(!word.is_empty());
                joined += word;
                rest = more;
                count += 1;
            }
            prop_assert_eq!(&joined, &text);
            prop_assert!(count == words(&text).max(u64::from(!text.is_empty())));
        }
    }
}
