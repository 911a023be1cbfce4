//! Percent-encoding: names and keys that a caller spells in a path or a query, and names in a provider's path.

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

/// `name` as it stands in a path: everything but unreserved characters (RFC 3986 §2.3) and `/` is encoded, so that no
/// character of a name means anything there.
pub(crate) fn percent_encoded_path(name: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/');
    if name.bytes().all(is_plain) {
        return Cow::Borrowed(name);
    }
    let mut encoded = String::with_capacity(name.len() + 8);
    for byte in name.bytes() {
        if is_plain(byte) {
            encoded.push(char::from(byte));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            encoded.push('%');
            encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
            encoded.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    Cow::Owned(encoded)
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

    #[test]
    fn a_name_in_a_path_is_nothing_but_a_name() {
        for (name, encoded) in [
            ("gemini-4_neon~1.0/x", "gemini-4_neon~1.0/x"),
            ("a:b c", "a%3Ab%20c"),
            ("a?b#c%d;é\\", "a%3Fb%23c%25d%3B%C3%A9%5C"),
        ] {
            assert_eq!(percent_encoded_path(name), encoded);
            assert_eq!(*percent_decoded(encoded), *name.as_bytes());
        }
    }
}
