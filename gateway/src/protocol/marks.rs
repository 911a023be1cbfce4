//! Which names stand in a body that make it worth a second look: noted on the one pass that every body goes through, so that
//! no other body is walked.

use memchr::memmem;

use super::json_members::Name;

/// What the names in a body tell of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks(u8);

impl Marks {
    /// Pictures, sound, files.
    const MEDIA: u8 = 1;
    /// Something that a provider has stored.
    const NAMES: u8 = 1 << 1;
    /// A wish that a cache keeps what stands before it.
    const CACHE: u8 = 1 << 2;
    /// An `id`: in OpenAI's responses an item may be named by it alone.
    const ID: u8 = 1 << 3;
    /// A name that is spelt with escapes may be any.
    const ESCAPED: u8 = 1 << 4;
    /// `prompt` at the top: the text of a completion, or what OpenAI has stored.
    const PROMPT: u8 = 1 << 5;

    /// Something that lets the provider bring in more by itself.
    const TOOLS: u8 = 1 << 6;
    /// The `prompt` is no single text.
    const LISTED: u8 = 1 << 7;

    /// What nothing is known of.
    pub(super) const ALL: Self = Self(u8::MAX);

    /// Notes a name that stands at the top, and the first byte of its value.
    pub(super) fn note_top(&mut self, name: &[u8], first: Option<&u8>) {
        match name {
            b"previous_response_id" | b"conversation" => self.0 |= Self::NAMES,
            b"prompt" => {
                let is_listed = matches!(first, Some(b'[' | b'{'));
                self.0 |= if is_listed { Self::PROMPT | Self::LISTED } else { Self::PROMPT };
            }
            b"tools" | b"web_search_options" | b"search_parameters" | b"mcp_servers" | b"plugins" => {
                self.0 |= Self::TOOLS;
            }
            b"id" => {}
            spelt => self.note(Name { spelt, is_plain: true }),
        }
    }

    /// Notes a name that stands anywhere else.
    #[inline]
    pub(super) fn note(&mut self, name: Name<'_>) {
        if !name.is_plain {
            self.0 |= Self::ESCAPED;
            return;
        }
        let name = name.spelt;
        // Nearly every name has a length that none of these has, or is told apart by one comparison.
        self.0 |= match name.len() {
            2 if name == b"id" => Self::ID,
            4 if name == b"file" => Self::MEDIA,
            6 if name == b"source" => Self::MEDIA,
            6 if name == b"skills" => Self::NAMES,
            7 if matches!(name, b"file_id" | b"fileUri") => Self::NAMES | Self::MEDIA,
            8 if matches!(name, b"file_url" | b"fileData") => Self::MEDIA,
            8 if matches!(name, b"file_ids" | b"file_uri") => Self::NAMES | Self::MEDIA,
            9 if matches!(name, b"image_url" | b"video_url" | b"file_data") => Self::MEDIA,
            9 if name == b"container" => Self::NAMES,
            10 if name == b"inlineData" => Self::MEDIA,
            11 if matches!(name, b"inline_data" | b"input_audio") => Self::MEDIA,
            12 if matches!(name, b"container_id" | b"connector_id") => Self::NAMES,
            13 if name == b"cache_control" => Self::CACHE,
            13 if name == b"cachedContent" => Self::NAMES,
            14 if name == b"cached_content" => Self::NAMES,
            16 if name == b"vector_store_ids" => Self::NAMES,
            _ => 0,
        };
    }

    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The same where `prompt` is something that the provider has stored.
    pub(super) const fn with_stored_prompt(self) -> Self {
        if self.0 & Self::PROMPT == 0 { self } else { Self(self.0 | Self::NAMES) }
    }

    /// True where the body holds more than text, or goes on from what it only names: its length says too little.
    pub(crate) const fn says_more(self) -> bool {
        self.0 & (Self::MEDIA | Self::NAMES | Self::ESCAPED) != 0
    }

    /// True where the provider may bring in more by itself: what tools find, if it runs them.
    pub(crate) const fn brings_more(self) -> bool {
        self.0 & (Self::TOOLS | Self::ESCAPED) != 0
    }

    /// True where several texts may be continued.
    pub(crate) const fn lists_texts(self) -> bool {
        self.0 & (Self::LISTED | Self::ESCAPED) != 0
    }

    /// True where a cache is asked to keep something.
    pub(crate) const fn asks_cache(self) -> bool {
        self.0 & (Self::CACHE | Self::ESCAPED) != 0
    }

    /// True where `body` may name something that a provider has stored.
    pub(crate) fn may_name_objects(self, body: &[u8]) -> bool {
        self.0 & (Self::NAMES | Self::ID | Self::ESCAPED) != 0
            || memmem::find(body, b"item_reference").is_some()
            || spells_a_letter(body)
    }
}

/// True where an ASCII letter, a digit or `_` is written as an escape, so that no word in `body` can be told by its bytes.
fn spells_a_letter(body: &[u8]) -> bool {
    memmem::find_iter(body, b"\\u00").any(|at| {
        let digits = body.get(at + 4..at + 6).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::json_read;

    fn marks(body: &str) -> Marks {
        json_read::members_and_marks(body, |(): &mut (), _, _| ()).unwrap().1
    }

    #[test]
    fn a_plain_body_has_no_marks() {
        let plain = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"image_url, file_id, \"source\""}]}],
            "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"path":{}}}}}]}"#;
        assert_eq!(marks(plain), Marks(Marks::TOOLS));
        assert!(marks(plain).brings_more() && !marks(plain).says_more());
        assert!(!marks(plain).may_name_objects(plain.as_bytes()));
        // The text of a completion is no stored prompt.
        assert!(!marks(r#"{"prompt":"x","id":"y"}"#).says_more());
        assert!(marks(r#"{"prompt":"x"}"#).with_stored_prompt().says_more());
        // It is one text, and nothing brings in more.
        for (body, is_list) in
            [(r#"{"prompt":"[x"}"#, false), (r#"{"prompt": ["x"]}"#, true), (r#"{"prompt":[[1]]}"#, true)]
        {
            assert_eq!((marks(body).lists_texts(), marks(body).brings_more()), (is_list, false), "{body}");
        }
        let escaped = marks(r#"{"pr\u006fmpt":["x"]}"#);
        assert!(escaped.lists_texts() && escaped.brings_more());
    }

    #[test]
    fn each_name_marks_its_body_at_any_depth() {
        for name in [
            "file",
            "source",
            "file_url",
            "fileData",
            "image_url",
            "video_url",
            "file_data",
            "inlineData",
            "inline_data",
            "input_audio",
            "im\\u0061ge_url",
        ] {
            let body = format!(r#"{{"model":"m","messages":[{{"content":[{{"{name}":1}}]}}]}}"#);
            assert!(marks(&body).says_more(), "{name}");
        }
        for name in [
            "file_id",
            "fileUri",
            "file_ids",
            "file_uri",
            "container",
            "container_id",
            "connector_id",
            "skills",
            "cachedContent",
            "cached_content",
            "vector_store_ids",
            "file\\u005fid",
        ] {
            for body in [format!(r#"{{"{name}":1}}"#), format!(r#"{{"x":[{{"y":{{"{name}":1}}}}]}}"#)] {
                assert!(marks(&body).says_more() && marks(&body).may_name_objects(body.as_bytes()), "{body}");
            }
        }
        for body in [
            r#"{"conversation":1}"#,
            r#"{"previous_response_id":1}"#,
            r#"{"input":[{"id":"msg_1"}]}"#,
            r#"{"input":[{"type":"item_reference"}]}"#,
            r#"{"input":[{"type":"item\u005freference"}]}"#,
            r#"{"input":[{"type":"\u0069tem_reference"}]}"#,
        ] {
            assert!(marks(body).may_name_objects(body.as_bytes()), "{body}");
        }
        let harmless = r#"{"input":"\u001b[0m \u00e9 \u0022"}"#;
        assert!(!marks(harmless).may_name_objects(harmless.as_bytes()));
        assert!(marks(r#"{"system":[{"cache_control":{"type":"ephemeral"}}]}"#).asks_cache());
    }
}
