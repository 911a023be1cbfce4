//! Percent-encoding, read: names and keys that a caller spells in a path or a query.

use std::borrow::Cow;

/// `text` with each `%` and its two hexadecimal digits as the byte they stand for; any other `%` stays.
pub fn percent_decoded(text: &str) -> Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    if !bytes.contains(&b'%') {
        return Cow::Borrowed(bytes);
    }
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped =
            (byte == b'%').then(|| Some((hex(*bytes.get(at + 1)?)? << 4) | hex(*bytes.get(at + 2)?)?)).flatten();
        decoded.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    Cow::Owned(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded_as_they_stand_in_a_path() {
        for (raw, decoded) in [
            ("openai%2Fgpt%2d4", &b"openai/gpt-4"[..]),
            ("a:b/c%zz%4", b"a:b/c%zz%4"),
            ("%ff%C3%A9%", b"\xff\xc3\xa9%"),
            ("%256b", b"%6b"),
            ("", b""),
        ] {
            assert_eq!(*percent_decoded(raw), *decoded, "{raw}");
        }
    }
}
