//! What a model says in one turn, in no dialect: each dialect writes it as a whole answer and as a list of events.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};

/// One turn of the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// What it thought first.
    pub thought: Option<Thought>,
    /// What it said, in the pieces in which a stream brings it.
    pub text: Vec<String>,
    /// The tools that it calls.
    pub calls: Vec<Call>,
    /// What was counted.
    pub usage: Usage,
    /// Why it stopped.
    pub stop: Stop,
}

/// What a model thought, with the signature without which its provider does not take it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thought {
    /// The words.
    pub text: String,
    /// The signature.
    pub signature: String,
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// How it is told from others.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments, a JSON document.
    pub arguments: String,
}

/// Counted tokens in disjoint classes; each dialect adds them up as it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Read from nowhere but the request.
    pub input: u64,
    /// Read from the cache.
    pub cache_read: u64,
    /// Written to the cache for five minutes.
    pub cache_write: u64,
    /// Written to the cache for an hour.
    pub cache_write_1h: u64,
    /// Said.
    pub output: u64,
    /// Thought.
    pub reasoning: u64,
}

/// Why a model stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// It had said everything.
    #[default]
    End,
    /// It waits for the results of its calls.
    Tools,
    /// It met the bound of the caller.
    Length,
}

impl Usage {
    /// Everything that was read.
    pub fn all_input(self) -> u64 {
        self.input + self.cache_read + self.cache_write + self.cache_write_1h
    }

    /// Everything that was written.
    pub fn all_output(self) -> u64 {
        self.output + self.reasoning
    }
}

impl Thought {
    /// A thought as its provider signs it.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), signature: sign(text) }
    }

    /// The words in the pieces in which a stream brings them.
    pub fn pieces(&self) -> Vec<String> {
        pieces(&self.text, 3)
    }
}

impl Call {
    /// The arguments in the pieces in which a stream brings them.
    pub fn pieces(&self) -> Vec<String> {
        pieces(&self.arguments, 3)
    }
}

impl Turn {
    /// A turn that says `text`, a word a piece.
    pub fn saying(text: &str) -> Self {
        Self { text: text.split_inclusive(' ').map(str::to_owned).collect(), ..Self::default() }
    }

    /// A turn with everything in it, for tests that go through the events of a stream one by one.
    pub fn sample() -> Self {
        let call = |id: &str, name: &str, arguments: &str| Call {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        };
        Self {
            thought: Some(Thought::new(ODD_THOUGHT)),
            calls: vec![
                call("call_first", "get_weather", "{\"city\": \"Zürich\", \"usage\": {\"output_tokens\": 99999}}"),
                call("call_second", "get_time", "{\"zone\":\"Europe/Zurich\"}"),
            ],
            usage: Usage { input: 11, cache_read: 5, output: 7, reasoning: 3, ..Usage::default() },
            stop: Stop::Tools,
            ..Self::saying("Let me look: «☂» costs nothing.")
        }
    }

    /// Everything that it says.
    pub fn all_text(&self) -> String {
        self.text.concat()
    }
}

/// A thought that comes back changed from whoever re-serialises it: two writings of é, a line separator, characters that
/// JSON may or must escape, one outside the basic plane.
pub const ODD_THOUGHT: &str = "Hm… \"é\" is not \"e\u{301}\";\n\t</thinking> \\ \u{2028} 🧠 & 1.0e+2";

/// The signature of what was thought. Its bytes are those that the two alphabets of base64 write differently.
pub fn sign(text: &str) -> String {
    let mut bytes = vec![0xfb, 0xff, 0xbe, 0x3f];
    bytes.extend(hash(text).to_be_bytes());
    STANDARD.encode(bytes)
}

/// Whether `signature` is that of `text`, written in either alphabet (Google takes both).
pub fn is_signed(text: &str, signature: &str) -> bool {
    let standard = STANDARD.decode(sign(text)).ok();
    standard.is_some() && standard == STANDARD.decode(signature).or_else(|_| URL_SAFE.decode(signature)).ok()
}

/// FNV-1a.
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn pieces(text: &str, count: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let size = characters.len().div_ceil(count).max(1);
    characters.chunks(size).map(|piece| piece.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_fits_one_text_only() {
        let signature = sign(ODD_THOUGHT);
        assert!(signature.contains(['+', '/']), "{signature}");
        assert!(is_signed(ODD_THOUGHT, &signature));
        assert!(is_signed(ODD_THOUGHT, &signature.replace('+', "-").replace('/', "_")));
        assert!(!is_signed("another", &signature));
        assert!(!is_signed(ODD_THOUGHT, "AAAA"));
    }

    #[test]
    fn pieces_are_the_whole() {
        for call in Turn::sample().calls {
            assert_eq!(call.pieces().concat(), call.arguments);
            assert_eq!(call.pieces().len(), 3);
        }
        assert_eq!(Thought::new(ODD_THOUGHT).pieces().concat(), ODD_THOUGHT);
    }
}
