//! A conversation without its dialect, and what is said to it.

use super::{
    invalid,
    words::{end_of_words, words},
};
use crate::error::InferenceError;

const LOREM: &str = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore \
et dolore magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco laboris nisi ut aliquip ex ea \
commodo consequat. Duis aute irure dolor in reprehenderit in voluptate velit esse cillum dolore eu fugiat nulla \
pariatur. Excepteur sint occaecat cupidatat non proident, sunt in culpa qui officia deserunt mollit anim id est laborum.";

/// A model that speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    /// Repeats what it was told.
    Echo,
    /// Says the fixed text.
    Lorem,
}

impl Voice {
    /// The model's name, as the caller knows it.
    pub(super) fn model(self) -> &'static str {
        match self {
            Self::Echo => "demo/echo",
            Self::Lorem => "demo/lorem",
        }
    }

    /// What it says to `text`.
    pub(super) fn says(self, text: &str) -> String {
        match self {
            Self::Echo => text,
            Self::Lorem => LOREM,
        }
        .to_owned()
    }
}

/// One message.
#[derive(Debug)]
pub(super) struct Message {
    /// The user wrote it.
    pub(super) is_user: bool,
    /// Its text; none where it holds only an image, a tool's result and the like.
    pub(super) text: Option<String>,
}

/// Messages in their order; instructions are one of them.
#[derive(Debug, Default)]
pub(super) struct Conversation(pub(super) Vec<Message>);

impl Conversation {
    /// The words of all messages.
    pub(super) fn words(&self) -> u64 {
        self.0.iter().filter_map(|message| message.text.as_deref()).map(words).sum()
    }

    /// The last text of the user's, empty where there was none; `None` where the user said nothing at all.
    fn last_user_text(&self) -> Option<&str> {
        let mut of_user = self.0.iter().rev().filter(|message| message.is_user).peekable();
        of_user.peek()?;
        Some(of_user.find_map(|message| message.text.as_deref()).unwrap_or_default())
    }

    /// What `voice` says to it; `param` is where the messages stand.
    pub(super) fn answered_by(&self, voice: Voice, param: &'static str) -> Result<Completion, InferenceError> {
        let heard = self.last_user_text();
        if voice == Voice::Echo && heard.is_none() {
            return Err(invalid(format!("`{param}` holds nothing that a user said"), param));
        }
        let text = voice.says(heard.unwrap_or_default());
        Ok(Completion::new(voice, vec![text], self.words()))
    }
}

/// What is said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Completion {
    /// The model's name, as the caller knows it.
    pub(super) model: &'static str,
    /// The text; several where several were asked for at once.
    pub(super) texts: Vec<String>,
    /// Those of them that a cap has cut short.
    pub(super) are_cut: Vec<bool>,
    /// The words that went in.
    pub(super) prompt_words: u64,
}

impl Completion {
    /// All of these texts.
    pub(super) fn new(voice: Voice, texts: Vec<String>, prompt_words: u64) -> Self {
        Self { model: voice.model(), are_cut: vec![false; texts.len()], texts, prompt_words }
    }

    /// Of each text so many words at most.
    pub(super) fn capped(mut self, cap: Option<u64>) -> Self {
        let Some(cap) = cap else { return self };
        for (text, is_cut) in self.texts.iter_mut().zip(&mut self.are_cut) {
            if let Some(end) = end_of_words(text, cap) {
                text.truncate(end);
                *is_cut = true;
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation(messages: &[(bool, Option<&str>)]) -> Conversation {
        let message =
            |(is_user, text): &(bool, Option<&str>)| Message { is_user: *is_user, text: text.map(str::to_owned) };
        Conversation(messages.iter().map(message).collect())
    }

    #[test]
    fn the_last_text_of_the_user_comes_back() {
        let said = |messages: &[(bool, Option<&str>)]| {
            conversation(messages).answered_by(Voice::Echo, "messages").ok().map(|said| said.texts.concat())
        };
        let two = [(true, Some("one")), (true, Some("two words")), (false, Some("three"))];
        assert_eq!(said(&two).as_deref(), Some("two words"));
        assert_eq!(conversation(&two).words(), 4);
        // What is no text, a tool's result or an image, does not hide the text before it.
        assert_eq!(said(&[(true, Some("one")), (true, None)]).as_deref(), Some("one"));
        assert_eq!(said(&[(true, Some("one")), (true, Some(""))]).as_deref(), Some(""));
        assert_eq!(said(&[(true, None)]).as_deref(), Some(""));
        assert_eq!(said(&[(false, Some("one"))]), None);
        let lorem = conversation(&[(false, None)]).answered_by(Voice::Lorem, "messages").unwrap();
        assert!(lorem.texts.concat().starts_with("Lorem ipsum") && lorem.prompt_words == 0);
    }
}
