//! What a terminal obeys, and whether there is one.

use std::{borrow::Cow, fmt::Write as _};

/// `text` with every character that a terminal would obey written as its escape (`\u{1b}`); line ends stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && c != '\n' || is_invisible(c);
    escaped(text, obeyed, |out, c| out.extend(c.escape_unicode()))
}

/// As [`visible`], for a line that is JSON and stays it: such characters stand in its strings only.
pub fn visible_json(line: &str) -> Cow<'_, str> {
    escaped(line, |c| c.is_control() || is_invisible(c), json_escape)
}

/// As [`visible_json`], for a whole document: what stands between its values stays as it is.
pub fn visible_document(json: &str) -> Cow<'_, str> {
    escaped(json, |c| c.is_control() && !matches!(c, '\n' | '\r' | '\t') || is_invisible(c), json_escape)
}

/// None of the characters in question lies beyond the first plane.
fn json_escape(out: &mut String, c: char) {
    // Writing to a string cannot fail.
    let _ = write!(out, "\\u{:04x}", u32::from(c));
}

/// `text` with every character that is `obeyed` written by `escape`.
fn escaped(text: &str, obeyed: impl Fn(char) -> bool, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(&obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if obeyed(c) {
            escape(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// As [`visible`], on one line.
pub fn visible_line(text: &str) -> Cow<'_, str> {
    match visible(text) {
        shown if shown.contains('\n') => Cow::Owned(shown.replace('\n', "\\n")),
        shown => shown,
    }
}

/// Characters that turn the direction of what stands around them (CVE-2021-42574), or end a line unseen.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// True where this process has a terminal that can hang up on it.
pub fn is_controlled() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        for (text, shown) in [
            ("plain, schön, 漢字", "plain, schön, 漢字"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("a\u{9b}2J", "a\\u{9b}2J"),
            ("\u{7f}\r", "\\u{7f}\\u{d}"),
            ("\u{202e}evil", "\\u{202e}evil"),
            ("two\nlines", "two\nlines"),
        ] {
            assert_eq!(visible(text), shown);
        }
        assert_eq!(visible_line("two\nlines"), "two\\nlines");
        let line = "{\"model\":\"a\u{202e}b\u{9b}\u{2028}\u{61c}\"}";
        assert_eq!(visible_json(line), r#"{"model":"a\u202eb\u009b\u2028\u061c"}"#);
        assert_eq!(visible_json(r#"{"a":"\u202e"}"#), r#"{"a":"\u202e"}"#);
    }
}
