//! Texts that stand encoded in a string: base64 beside its media type, and files as data URLs (RFC 2397).
//!
//! Read as leniently as the most lenient reader would: either alphabet of base64, whatever else stands between its characters,
//! with padding or without. What is named a text is one, in UTF-8; pictures, sound and films are none; anything else is one
//! where it is UTF-8.

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What a media type says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Media {
    Text,
    /// A picture, sound or a film.
    Other,
    #[default]
    Unknown,
}

impl Media {
    pub(super) fn of(media_type: &str) -> Self {
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_text = essence.starts_with("text/")
            || ["json", "xml", "yaml", "javascript"]
                .iter()
                .any(|name| essence.strip_suffix(name).is_some_and(|before| before.ends_with(['/', '+', '-'])));
        if is_text {
            Self::Text
        } else if ["image/", "audio/", "video/"].iter().any(|kind| essence.starts_with(kind)) {
            Self::Other
        } else {
            Self::Unknown
        }
    }
}

/// A text, and what stands before it where it is written anew.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Encoded {
    before: String,
    pub(super) text: String,
}

impl Encoded {
    /// The text in base64 of this media type, where it is one.
    pub(super) fn of_base64(base64: &str, media: Media) -> Option<Self> {
        if media == Media::Other {
            return None;
        }
        Some(Self { before: String::new(), text: text_of(decoded(base64), media)? })
    }

    /// The text of a file, which is a data URL, or base64 alone.
    pub(super) fn of_file(data: &str) -> Option<Self> {
        let Some(url) = data.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("data:")).map(|_| &data[5..]) else {
            return Self::of_base64(data, Media::Unknown);
        };
        let (kind, data) = url.split_once(',')?;
        let (kind, is_base64) = match kind.len().checked_sub(";base64".len()).and_then(|at| kind.split_at_checked(at)) {
            Some((kind, end)) if end.eq_ignore_ascii_case(";base64") => (kind, true),
            _ => (kind, false),
        };
        let media = if kind.is_empty() || kind.starts_with(';') { Media::Text } else { Media::of(kind) };
        if media == Media::Other {
            return None;
        }
        let bytes = if is_base64 { decoded(data) } else { percent_decoded(data) };
        Some(Self { before: format!("data:{kind};base64,"), text: text_of(bytes, media)? })
    }

    /// The string that says `text` in its place, quoted as JSON.
    pub(super) fn rewritten(&self, text: &str) -> String {
        let data = format!("{}{}", self.before, general_purpose::STANDARD.encode(text));
        serde_json::Value::from(data).to_string()
    }
}

fn decoded(base64: &str) -> Vec<u8> {
    let letters = base64.bytes().filter_map(|byte| match byte {
        b'-' => Some(b'+'),
        b'_' => Some(b'/'),
        b'+' | b'/' => Some(byte),
        _ => byte.is_ascii_alphanumeric().then_some(byte),
    });
    let mut letters: Vec<u8> = letters.collect();
    // A lone letter is no byte.
    if letters.len() % 4 == 1 {
        letters.pop();
    }
    LENIENT.decode(letters).unwrap_or_default()
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&byte, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|digits| byte == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let escaped = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { &behind[2..] } else { behind };
    }
    bytes
}

fn text_of(bytes: Vec<u8>, media: Media) -> Option<String> {
    match String::from_utf8(bytes) {
        Ok(text) => (media == Media::Text || !text.contains('\0')).then_some(text),
        Err(error) if media == Media::Text => Some(String::from_utf8_lossy(error.as_bytes()).into_owned()),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_however_it_is_encoded() {
        for data in ["c2stYWJjZD8_", "c2stYWJjZD8/", "c2st\r\nYWJj ZD8/", "c2stYWJjZD8/=="] {
            assert_eq!(Encoded::of_base64(data, Media::Text).unwrap().text, "sk-abcd??", "{data}");
        }
        for (url, text) in [
            ("data:text/plain;base64,c2stYWJjZA==", Some("sk-abcd")),
            ("DATA:text/csv;charset=utf-8;BASE64,c2stYWJjZA", Some("sk-abcd")),
            ("data:;base64,c2stYWJjZA", Some("sk-abcd")),
            ("data:,sk%2dabcd%", Some("sk-abcd%")),
            ("data:application/octet-stream;base64,c2stYWJjZA", Some("sk-abcd")),
            ("data:image/svg+xml;base64,c2stYWJjZA", Some("sk-abcd")),
            ("c2stYWJjZA==", Some("sk-abcd")),
            ("data:image/png;base64,c2stYWJjZA", None),
            ("data:application/pdf;base64,JVBERv8=", None),
            ("data:text/plain;base64", None),
        ] {
            assert_eq!(Encoded::of_file(url).map(|file| file.text).as_deref(), text, "{url}");
        }
        let file = Encoded::of_file("data:text/\";base64,YQ").unwrap();
        assert_eq!(file.rewritten("b"), "\"data:text/\\\";base64,Yg==\"");
    }

    #[test]
    fn what_is_named_a_text_is_one_also_where_it_is_not_in_order() {
        let latin = general_purpose::STANDARD.encode(b"sk-abcd \xe9");
        assert_eq!(Encoded::of_base64(&latin, Media::Text).unwrap().text, "sk-abcd \u{fffd}");
        assert_eq!(Encoded::of_base64(&latin, Media::Unknown), None);
        for (media_type, media) in [
            ("text/plain", Media::Text),
            ("Text/HTML; charset=x", Media::Text),
            ("application/json", Media::Text),
            ("application/ld+json", Media::Text),
            ("application/x-yaml", Media::Text),
            ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", Media::Unknown),
            ("image/jpeg", Media::Other),
            ("", Media::Unknown),
        ] {
            assert_eq!(Media::of(media_type), media, "{media_type}");
        }
    }
}
