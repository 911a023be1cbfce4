//! Follows a JSON document as its pieces arrive: is it whole, and what is the value of one member at its top?
//!
//! One forward pass by place: a member of the same name deeper in the document, or in a text, is nothing special, and
//! nothing is looked at twice. Memory is bounded by [`LONGEST_VALUE`], time is linear in what arrives.

use super::json_members::quote_or_escape;

/// A value longer than this is not kept.
const LONGEST_VALUE: usize = 64 << 10;
/// The longest spelling of a name that can be the wanted one; each character may be an escape of six bytes.
const LONGEST_NAME: usize = 128;

/// Bytes that open, close and quote.
const STRUCTURE: u8 = 1;
/// Bytes that part members.
const MEMBERS: u8 = 2;
/// What each byte means outside of a string.
const MEANING: [u8; 256] = {
    let mut meaning = [0; 256];
    let mut at = 0;
    while at < 6 {
        meaning[b"\"{}[]\""[at] as usize] = STRUCTURE;
        at += 1;
    }
    meaning[b':' as usize] = MEMBERS;
    meaning[b',' as usize] = MEMBERS;
    meaning
};

/// Where the scan stands among the members of the outermost object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum MemberPosition {
    /// In no object's members: before the document, after it, or in an array.
    #[default]
    Elsewhere,
    /// Before a name.
    Name,
    /// Behind a name, before its colon.
    Colon,
    /// In a value.
    Value,
}

/// The scan of one document.
#[derive(Debug)]
pub struct JsonScan {
    wanted: &'static str,
    depth: u64,
    in_string: bool,
    escaped: bool,
    begun: bool,
    place: MemberPosition,
    name: Vec<u8>,
    keeping: bool,
    value: Vec<u8>,
}

impl JsonScan {
    /// A scan that keeps the value of the top-level member `wanted`.
    pub fn new(wanted: &'static str) -> Self {
        Self {
            wanted,
            depth: 0,
            in_string: false,
            escaped: false,
            begun: false,
            place: MemberPosition::Elsewhere,
            name: Vec::new(),
            keeping: false,
            value: Vec::new(),
        }
    }

    /// Takes note of a piece.
    pub fn push(&mut self, piece: &[u8]) {
        let mut at = 0;
        // Where what is to be kept of this piece begins.
        let mut from = 0;
        if !self.begun {
            self.begun = piece.iter().any(|byte| !byte.is_ascii_whitespace());
        }
        loop {
            if self.in_string {
                let text = at;
                at = self.string(piece, at);
                if self.place == MemberPosition::Name && self.depth == 1 {
                    self.keep_name(&piece[text..at]);
                    if !self.in_string {
                        self.place = MemberPosition::Colon;
                    }
                }
            }
            let meaning = if self.depth == 1 { STRUCTURE | MEMBERS } else { STRUCTURE };
            let rest = piece.get(at..).unwrap_or_default();
            let Some(skipped) = rest.iter().position(|byte| MEANING[usize::from(*byte)] & meaning != 0) else { break };
            at += skipped;
            match &piece[at] {
                b'"' => {
                    self.in_string = true;
                    if self.place == MemberPosition::Name {
                        self.name.clear();
                    }
                }
                b'{' | b'[' => {
                    self.depth += 1;
                    if self.depth == 1 {
                        self.place = if piece[at] == b'{' { MemberPosition::Name } else { MemberPosition::Elsewhere };
                    }
                }
                b'}' | b']' => {
                    if self.depth == 1 {
                        self.end_value(&piece[from..at]);
                        self.place = MemberPosition::Elsewhere;
                    }
                    self.depth = self.depth.saturating_sub(1);
                }
                b':' if self.place == MemberPosition::Colon => {
                    self.place = MemberPosition::Value;
                    if self.is_wanted() {
                        self.keeping = true;
                        self.value.clear();
                        from = at + 1;
                    }
                }
                b',' if self.place == MemberPosition::Value => {
                    self.end_value(&piece[from..at]);
                    self.place = MemberPosition::Name;
                }
                _ => {}
            }
            at += 1;
        }
        if self.keeping {
            self.keep_value(&piece[from..]);
        }
    }

    /// Goes on in a string from `at`; the place behind what was read of it, its quote included.
    fn string(&mut self, piece: &[u8], mut at: usize) -> usize {
        if std::mem::take(&mut self.escaped) {
            at += 1;
        }
        while let Some(more) = piece.get(at..).and_then(quote_or_escape) {
            at += more + 1;
            if piece[at - 1] == b'"' {
                self.in_string = false;
                return at;
            }
            // The escaped character is no end, whatever it is; it may be the next piece's first.
            if at == piece.len() {
                self.escaped = true;
                return at;
            }
            at += 1;
        }
        piece.len()
    }

    fn keep_name(&mut self, text: &[u8]) {
        // Whatever is longer than this is not the wanted one, and need not be known to its end.
        let room = LONGEST_NAME.saturating_sub(self.name.len());
        self.name.extend_from_slice(&text[..text.len().min(room)]);
    }

    /// True where the name that was just read is the wanted one, however it is spelt.
    fn is_wanted(&self) -> bool {
        let Some(name) = self.name.strip_suffix(b"\"") else { return false };
        if !name.contains(&b'\\') {
            return name == self.wanted.as_bytes();
        }
        let quoted = [b"\"", self.name.as_slice()].concat();
        serde_json::from_slice::<String>(&quoted).is_ok_and(|name| name == self.wanted)
    }

    fn keep_value(&mut self, bytes: &[u8]) {
        if self.value.len() + bytes.len() > LONGEST_VALUE {
            self.keeping = false;
            self.value.clear();
        } else {
            self.value.extend_from_slice(bytes);
        }
    }

    fn end_value(&mut self, bytes: &[u8]) {
        if self.keeping {
            self.keep_value(bytes);
            self.keeping = false;
        }
    }

    /// The value of the wanted member, as it stands in the document; the last one where it stands there twice.
    pub fn value(&self) -> Option<&[u8]> {
        (!self.keeping && !self.value.is_empty()).then_some(self.value.as_slice())
    }

    /// True where everything that was opened is closed.
    pub fn is_whole(&self) -> bool {
        self.begun && self.depth == 0 && !self.in_string
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn scan(document: &[u8], sizes: &[usize]) -> JsonScan {
        let mut scan = JsonScan::new("usage");
        let (mut rest, mut sizes) = (document, sizes.iter().cycle());
        while !rest.is_empty() {
            let size = sizes.next().map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
            scan.push(&rest[..size]);
            rest = &rest[size..];
        }
        scan
    }

    #[test]
    fn only_the_member_at_the_top_counts() {
        for (document, expected) in [
            (r#"{"usage":{"a":1},"x":2}"#, Some(r#"{"a":1}"#)),
            (r#"{"x":{"usage":{"a":1}}}"#, None),
            (r#"{"x":"\"usage\":{\"a\":1}", "usage" : null }"#, Some(" null ")),
            (r#"{"u\u0073age":[1,{"usage":2}]}"#, Some(r#"[1,{"usage":2}]"#)),
            (r#"{"usage":1,"usage":"a\"},b"}"#, Some(r#""a\"},b""#)),
            (r#"[{"usage":1}]"#, None),
            (r#"{"a":"usage","b":1}"#, None),
            (r#"{"a":["usage",":",1],"usage":7}"#, Some("7")),
            (r#"{"usage":{"a":1"#, None),
            (r#""usage""#, None),
        ] {
            let found = scan(document.as_bytes(), &[]);
            assert_eq!(found.value(), expected.map(str::as_bytes), "{document}");
            let cut = scan(document.as_bytes(), &[1]);
            assert_eq!(cut.value(), expected.map(str::as_bytes), "{document}, byte by byte");
        }
    }

    #[test]
    fn r1_14_a_nest_of_usages_and_a_value_before_much_else_are_read_in_one_pass() {
        let nest = format!("{}1{}", r#"{"usage":"#.repeat(200_000), "}".repeat(200_000));
        let found = scan(nest.as_bytes(), &[4096]);
        assert!(found.is_whole() && found.value().is_none(), "it is longer than what is kept");
        let early = format!(r#"{{"usage":{{"a":1}},"choices":"{}"}}"#, "x".repeat(200_000));
        assert_eq!(scan(early.as_bytes(), &[1000]).value(), Some(&br#"{"a":1}"#[..]));
    }

    proptest! {
        #[test]
        fn every_cut_of_a_document_is_noticed(texts in prop::collection::vec("\\PC{0,8}", 0..5), chunk in 1usize..7) {
            let document = serde_json::to_vec(&serde_json::json!({"a": texts, "b": [{"c": "\\\""}]})).unwrap();
            for end in 0..=document.len() {
                prop_assert_eq!(scan(&document[..end], &[chunk]).is_whole(), end == document.len());
            }
        }

        /// Whatever stands around it and however it is cut, the value is what a parser finds.
        #[test]
        fn the_value_is_a_parsers(
            members in prop::collection::btree_map("usage|us\\\\|\\PC{0,6}", "\\PC{0,9}|\\{\\}\\[\"", 0..5),
            nested: bool,
            pretty: bool,
            sizes in prop::collection::vec(1usize..9, 1..6),
        ) {
            let mut document = serde_json::to_value(&members).unwrap();
            if nested {
                document["deep"] = document.clone();
            }
            let text = if pretty { serde_json::to_vec_pretty(&document) } else { serde_json::to_vec(&document) }.unwrap();
            let found = scan(&text, &sizes);
            let value = found.value().map(|value| serde_json::from_slice::<Value>(value).unwrap());
            prop_assert_eq!(value.as_ref(), document.get("usage"));
        }
    }
}
