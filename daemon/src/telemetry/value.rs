//! How a value stands in a log line: escaped, so that no reader and no terminal obeys it, and never longer than a field.

use std::fmt::{self, Write as _};

/// Bytes that the value of one field takes at most. A line has a dozen fields, so that none comes near the bounds of ring
/// and sink, whatever a caller, a provider or a file puts into one.
pub(super) const FIELD: usize = 4 * 1024;

/// Appends a number as it is written in a line.
pub(super) fn push_number(out: &mut String, mut number: u64) {
    // The longest has twenty digits.
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 || at == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&digits[at..]).unwrap_or("0"));
}

/// Appends `value` as a JSON string, cut where it is too long for a field.
pub(super) fn json_text(out: &mut String, value: &str) {
    out.push('"');
    // An error says that there was more, which is cut off.
    let _ = Escaped::new(out).write_str(value);
    out.push('"');
}

/// Appends what `value` shows of itself as the inside of a JSON string, cut where it is too long for a field.
pub(super) fn json_debug(out: &mut String, value: &dyn fmt::Debug) {
    // An error says that there was more, which is cut off.
    let _ = write!(Escaped::new(out), "{value:?}");
}

/// What `value` shows of itself, a little more of it than a field may have at most.
pub(super) fn debug_text(value: &dyn fmt::Debug) -> String {
    let mut text = AtMost(String::new());
    // An error says that there was more, which is cut off.
    let _ = write!(text, "{value:?}");
    text.0
}

/// Appends `value` for people: control characters are spelt out, and what is too long for a field is cut.
pub(super) fn human_text(out: &mut String, value: &str) {
    let end = out.len() + FIELD;
    for c in value.chars() {
        if out.len() >= end {
            out.push('…');
            return;
        }
        if c.is_control() {
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
}

/// Writes text as the inside of a JSON string: at most [`FIELD`] bytes, and `…` where something was cut off.
struct Escaped<'a> {
    out: &'a mut String,
    /// The length of `out` at which the field is full.
    end: usize,
}

impl<'a> Escaped<'a> {
    fn new(out: &'a mut String) -> Self {
        let end = out.len() + FIELD;
        Self { out, end }
    }

    /// Writes text that needs no escape; an error where the field is full, which ends the formatting of its value.
    fn plain(&mut self, text: &str) -> fmt::Result {
        let room = self.end.saturating_sub(self.out.len());
        let fits = text.floor_char_boundary(room);
        self.out.push_str(&text[..fits]);
        if fits == text.len() {
            return Ok(());
        }
        self.out.push('…');
        Err(fmt::Error)
    }
}

/// True for bytes that are escaped, or may begin what is. A terminal obeys the control characters above ASCII too (U+009B
/// alone begins a sequence): 0xc2 begins them.
fn is_special(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\' | 0x7f | 0xc2)
}

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, mut text: &str) -> fmt::Result {
        // Nearly every text needs no escape; looked at without a stop, its bytes are taken many at a time.
        if !text.bytes().fold(false, |any, byte| any | is_special(byte)) {
            return self.plain(text);
        }
        while let Some(at) = text.bytes().position(is_special) {
            self.plain(&text[..at])?;
            if self.out.len() >= self.end {
                return self.plain(&text[at..]);
            }
            let mut rest = text[at..].chars();
            match rest.next() {
                Some('\n') => self.out.push_str("\\n"),
                Some('\r') => self.out.push_str("\\r"),
                Some('\t') => self.out.push_str("\\t"),
                Some('\u{8}') => self.out.push_str("\\b"),
                Some('\u{c}') => self.out.push_str("\\f"),
                Some(printed @ ('"' | '\\')) => self.out.extend(['\\', printed]),
                Some(control) if control.is_control() => write!(self.out, "\\u{:04x}", u32::from(control))?,
                Some(printed) => self.out.push(printed),
                None => {}
            }
            text = rest.as_str();
        }
        self.plain(text)
    }
}

/// Takes a little more text than a field may have, and ends the formatting there.
struct AtMost(String);

impl fmt::Write for AtMost {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = (FIELD + 1).saturating_sub(self.0.len());
        let fits = text.ceil_char_boundary(room);
        self.0.push_str(&text[..fits]);
        if fits == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn numbers_are_written_as_everywhere(number: u64) {
            let mut out = String::new();
            push_number(&mut out, number);
            proptest::prop_assert_eq!(out, number.to_string());
        }

        #[test]
        fn escapes_read_back_and_hold_no_control_character(text in "(\\PC|[\u{0}-\u{22}\\\\\u{7e}-\u{a1}]){0,20}") {
            let mut out = String::from('"');
            Escaped::new(&mut out).write_str(&text).unwrap();
            out.push('"');
            proptest::prop_assert!(!out.chars().any(char::is_control));
            proptest::prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }
}
