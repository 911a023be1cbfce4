//! Words: what the demo counts as tokens, and says one at a time.

/// The number of words in `text`.
pub(super) fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

/// Where in `text` so many words end; `None` where it has no more than those.
pub(super) fn end_of_words(text: &str, count: u64) -> Option<usize> {
    let (mut left, mut end) = (count, 0);
    for word in text.split_whitespace() {
        let Some(next) = left.checked_sub(1) else { return Some(end) };
        left = next;
        // A word is a part of the text that it is found in.
        end = word.as_ptr() as usize - text.as_ptr() as usize + word.len();
    }
    None
}

/// A word with the space after it, on its way.
#[derive(Debug)]
pub(crate) struct Word<'a> {
    /// In which of the texts.
    pub(super) index: usize,
    pub(super) text: &'a str,
    /// Nothing follows it in its text.
    pub(super) is_last: bool,
    /// How many words were said so far, this one included.
    pub(super) said: u64,
}

/// How far some texts were said.
#[derive(Debug, Default)]
pub(super) struct Position {
    index: usize,
    at: usize,
    said: u64,
}

impl Position {
    /// The next word; nothing where all was said. Joined, the words of a text are the text.
    pub(super) fn next_word<'a>(&mut self, texts: &'a [String]) -> Option<Word<'a>> {
        loop {
            let rest = &texts.get(self.index)?[self.at..];
            if rest.is_empty() {
                self.index += 1;
                self.at = 0;
                continue;
            }
            let text = &rest[..first_word(rest)];
            self.at += text.len();
            self.said += words(text);
            return Some(Word { index: self.index, text, is_last: text.len() == rest.len(), said: self.said });
        }
    }
}

/// The length of the first word of `text` with the space around it.
fn first_word(text: &str) -> usize {
    let word = text.find(|c: char| !c.is_whitespace()).unwrap_or(text.len());
    let space = text[word..].find(char::is_whitespace).map_or(text.len(), |at| word + at);
    text[space..].find(|c: char| !c.is_whitespace()).map_or(text.len(), |at| space + at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_end_where_space_begins() {
        for (text, count, expected) in [
            (" one  two three ", 2, Some(" one  two")),
            ("one two", 2, None),
            ("one two ", 2, None),
            ("one", 0, Some("")),
            ("", 0, None),
            ("é 😀 ü", 1, Some("é")),
        ] {
            assert_eq!(end_of_words(text, count).map(|end| &text[..end]), expected, "{text:?} {count}");
        }
    }

    proptest! {
        #[test]
        fn words_joined_are_the_texts(texts in prop::collection::vec("[a é\n😀]{0,20}", 0..4)) {
            let mut joined = vec![String::new(); texts.len()];
            let (mut position, mut count, mut said, mut ends) = (Position::default(), 0, 0, 0);
            while let Some(word) = position.next_word(&texts) {
                prop_assert!(!word.text.is_empty());
                joined[word.index] += word.text;
                count += 1;
                said = word.said;
                ends += usize::from(word.is_last);
            }
            prop_assert_eq!(&joined, &texts);
            prop_assert_eq!(ends, texts.iter().filter(|text| !text.is_empty()).count());
            prop_assert_eq!(said, texts.iter().map(|text| words(text)).sum::<u64>());
            let least = texts.iter().map(|text| words(text).max(u64::from(!text.is_empty())));
            prop_assert_eq!(count, least.sum::<u64>());
        }
    }
}
