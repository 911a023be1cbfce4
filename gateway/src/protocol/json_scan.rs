//! Follows a JSON document as its pieces arrive: is it whole, and what are the values of a few of its members?
//!
//! One forward pass by place: a member of the same name elsewhere in the document, or in a text, is nothing special, and
//! nothing is looked at twice. Memory is bounded by [`LONGEST_VALUE`], time is linear in what arrives.

use super::json_members::quote_or_escape;

/// A value longer than this is not kept.
const LONGEST_VALUE: usize = 64 << 10;
/// The longest spelling of a name that can be a wanted one; each character may be an escape of six bytes.
const LONGEST_NAME: usize = 128;
/// The most members that one scan looks for.
const MOST: usize = 3;

/// Where a member stands: its name at the top of the document, or the name of an object there and its name in it.
pub type Path = &'static [&'static str];

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

/// Where the scan stands among the members of the object that it follows.
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
    wanted: &'static [Path],
    depth: u64,
    /// How deep the object is whose members are followed: 1, or 2 inside of one that holds a wanted member.
    level: u64,
    /// The name of that object, while it is followed.
    outer: Option<&'static str>,
    in_string: bool,
    escaped: bool,
    begun: bool,
    place: MemberPosition,
    name: Vec<u8>,
    /// Which of the wanted members is being read.
    keeping: Option<usize>,
    values: [Vec<u8>; MOST],
}

impl JsonScan {
    /// A scan that keeps the values of the members at `wanted`: at most three, none of which holds another.
    pub fn new(wanted: &'static [Path]) -> Self {
        debug_assert!(wanted.len() <= MOST, "at most three members are looked for");
        Self {
            wanted,
            depth: 0,
            level: 1,
            outer: None,
            in_string: false,
            escaped: false,
            begun: false,
            place: MemberPosition::Elsewhere,
            name: Vec::new(),
            keeping: None,
            values: [const { Vec::new() }; MOST],
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
                if self.place == MemberPosition::Name && self.depth == self.level {
                    self.keep_name(&piece[text..at]);
                    if !self.in_string {
                        self.place = MemberPosition::Colon;
                    }
                }
            }
            let meaning = if self.depth == self.level { STRUCTURE | MEMBERS } else { STRUCTURE };
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
                b'{' | b'[' => self.open(piece[at] == b'{'),
                b'}' | b']' => {
                    if self.depth == self.level {
                        self.end_value(&piece[from..at]);
                        self.leave();
                    }
                    self.depth = self.depth.saturating_sub(1);
                }
                b':' if self.place == MemberPosition::Colon => {
                    self.place = MemberPosition::Value;
                    self.keeping = self.wanted_here();
                    if let Some(wanted) = self.keeping {
                        self.values[wanted].clear();
                        from = at + 1;
                    }
                }
                b',' if self.place == MemberPosition::Value => {
                    self.end_value(&piece[from..at]);
                    self.place = MemberPosition::Name;
                    if self.level == 1 {
                        self.outer = None;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        if self.keeping.is_some() {
            self.keep_value(&piece[from..]);
        }
    }

    /// An object or an array begins.
    fn open(&mut self, is_object: bool) {
        self.depth += 1;
        if self.depth == 1 {
            self.place = if is_object { MemberPosition::Name } else { MemberPosition::Elsewhere };
        } else if self.depth == 2 && is_object && self.outer.is_some() {
            self.level = 2;
            self.place = MemberPosition::Name;
        }
    }

    /// The object that is followed ends.
    fn leave(&mut self) {
        if self.level == 2 {
            self.level = 1;
            self.outer = None;
            self.place = MemberPosition::Value;
        } else {
            self.place = MemberPosition::Elsewhere;
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

    /// Which of the wanted members the name that was just read is, however it is spelt; where it is an object that holds
    /// one, that object is followed.
    fn wanted_here(&mut self) -> Option<usize> {
        let name = self.name.strip_suffix(b"\"")?;
        let decoded;
        let name = if name.contains(&b'\\') {
            decoded = serde_json::from_slice::<String>(&[b"\"", self.name.as_slice()].concat()).ok()?;
            decoded.as_bytes()
        } else {
            name
        };
        let is_here = |path: &Path| match (self.level, self.outer, *path) {
            (1, _, [top]) => top.as_bytes() == name,
            (2, Some(outer), [top, inner]) => *top == outer && inner.as_bytes() == name,
            _ => false,
        };
        let found = self.wanted.iter().position(is_here);
        if self.level == 1 {
            let holds = |path: &&Path| path.len() == 2 && path[0].as_bytes() == name;
            self.outer = self.wanted.iter().find(holds).map(|path| path[0]);
        }
        found
    }

    fn keep_value(&mut self, bytes: &[u8]) {
        let Some(wanted) = self.keeping else { return };
        if self.values[wanted].len() + bytes.len() > LONGEST_VALUE {
            self.keeping = None;
            self.values[wanted].clear();
        } else {
            self.values[wanted].extend_from_slice(bytes);
        }
    }

    fn end_value(&mut self, bytes: &[u8]) {
        self.keep_value(bytes);
        self.keeping = None;
    }

    /// The value of the wanted member with this number, as it stands in the document; the last one where it stands there
    /// twice.
    pub fn value(&self, wanted: usize) -> Option<&[u8]> {
        self.values.get(wanted).filter(|value| self.keeping != Some(wanted) && !value.is_empty()).map(Vec::as_slice)
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
        let mut scan = JsonScan::new(&[&["usage"], &["response", "usage"], &["id"]]);
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
            assert_eq!(found.value(0), expected.map(str::as_bytes), "{document}");
            let cut = scan(document.as_bytes(), &[1]);
            assert_eq!(cut.value(0), expected.map(str::as_bytes), "{document}, byte by byte");
        }
    }

    #[test]
    fn a_member_of_a_member_counts_in_its_place_only() {
        for (document, inner) in [
            (
                r#"{"type":"x","response":{"id":"no","usage":{"a":1},"more":[{"usage":2}]},"id":"top"}"#,
                Some(r#"{"a":1}"#),
            ),
            (r#"{"response":{"deep":{"usage":1}},"id":"top"}"#, None),
            (r#"{"response":[{"usage":1}],"id":"top"}"#, None),
            (r#"{"other":{"usage":1},"response":null,"x":{"usage":3},"id":"top"}"#, None),
            (r#"{"id":"top","response":{"usage":1},"response":{"usage":[2]}}"#, Some("[2]")),
            (r#"{"resp\u006fnse":{"us\u0061ge" : 7 },"id":"top"}"#, Some(" 7 ")),
        ] {
            for sizes in [&[][..], &[1], &[3]] {
                let found = scan(document.as_bytes(), sizes);
                assert_eq!(found.value(1), inner.map(str::as_bytes), "{document}");
                assert_eq!((found.value(2), found.value(0)), (Some(&b"\"top\""[..]), None), "{document}");
                assert!(found.is_whole());
            }
        }
    }

    #[test]
    fn r1_14_a_nest_of_usages_and_a_value_before_much_else_are_read_in_one_pass() {
        let nest = format!("{}1{}", r#"{"usage":"#.repeat(200_000), "}".repeat(200_000));
        let found = scan(nest.as_bytes(), &[4096]);
        assert!(found.is_whole() && found.value(0).is_none(), "it is longer than what is kept");
        let early = format!(r#"{{"usage":{{"a":1}},"choices":"{}"}}"#, "x".repeat(200_000));
        assert_eq!(scan(early.as_bytes(), &[1000]).value(0), Some(&br#"{"a":1}"#[..]));
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
            let value = found.value(0).map(|value| serde_json::from_slice::<Value>(value).unwrap());
            prop_assert_eq!(value.as_ref(), document.get("usage"));
        }
    }
}
