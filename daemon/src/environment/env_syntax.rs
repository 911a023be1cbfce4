//! The syntax of env files, as a pure function of their bytes.
//!
//! A line is `KEY=VALUE`, with `export ` before it or not; lines end with LF or CRLF. `#` begins a comment at the start
//! of a line, or after a space or tab outside quotes. A value that begins with a quote ends with the same quote on the
//! same line; single quotes hold everything literally; inside double quotes `\\ \" \$ \`` stand for the character and
//! `\n \r \t` for what they are everywhere, and any other backslash for itself. Outside quotes nothing is special, and
//! spaces at both ends of a value are no part of it. Nothing is ever expanded. A later line wins over an earlier one.

use std::collections::BTreeMap;

use secrecy::{SecretString, zeroize::Zeroizing};

use super::names::is_variable_name;
use crate::regular_file::is_utf16;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineReason {
    /// There is no `=`.
    #[error("no `=`; a line is `NAME=value`, or a comment that starts with `#`")]
    MissingEquals,
    /// What stands before `=` is no name.
    #[error("what stands before `=` is not a variable name (letters, digits and `_`, no spaces, no digit first)")]
    BadName,
    /// A quote has no second one on its line.
    #[error("a quote is not closed on its line")]
    UnterminatedQuote,
    /// Something follows the closing quote.
    #[error("something follows the closing quote; only a comment (a space, then `#`) may")]
    TextAfterQuote,
    /// There is a NUL byte.
    #[error("a NUL byte")]
    Nul,
    /// Every character has two bytes.
    #[error("the file is UTF-16; save it as UTF-8")]
    Utf16,
    /// The bytes are no text.
    #[error("not UTF-8; save the file as UTF-8")]
    NotUtf8,
}

/// A line that cannot be read. Says where and why, and never what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct LineError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: LineReason,
}

/// Reads the whole content of an env file. Empty values are kept: they hide the same name in an earlier line.
pub fn parse(bytes: &[u8]) -> Result<BTreeMap<String, SecretString>, LineError> {
    if is_utf16(bytes) {
        return Err(LineError { line: 1, reason: LineReason::Utf16 });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut values = BTreeMap::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match assignment(line) {
            Ok(Some((name, value))) => {
                values.insert(name.to_owned(), value);
            }
            Ok(None) => {}
            Err(reason) => return Err(LineError { line: index + 1, reason }),
        }
    }
    Ok(values)
}

fn assignment(line: &[u8]) -> Result<Option<(&str, SecretString)>, LineReason> {
    if line.contains(&0) {
        return Err(LineReason::Nul);
    }
    let line = std::str::from_utf8(line).map_err(|_| LineReason::NotUtf8)?.trim_start_matches(BLANK);
    if line.trim_end_matches(BLANK).is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = match line.strip_prefix("export") {
        Some(rest) if rest.starts_with(BLANK) => rest.trim_start_matches(BLANK),
        _ => line,
    };
    let (name, value) = line.split_once('=').ok_or(LineReason::MissingEquals)?;
    if !is_variable_name(name) {
        return Err(LineReason::BadName);
    }
    // Without the blanks before it a `#` would look as if it belonged to the value.
    let value = if value.trim_start_matches(BLANK).starts_with('#') && value.starts_with(BLANK) {
        ""
    } else {
        value.trim_matches(BLANK)
    };
    let value = match value.as_bytes().first() {
        Some(b'\'') => single_quoted(value)?,
        Some(b'"') => double_quoted(value)?,
        _ => SecretString::from(unquoted(value)),
    };
    Ok(Some((name, value)))
}

const BLANK: [char; 2] = [' ', '\t'];

fn unquoted(value: &str) -> &str {
    // A `#` that directly follows `=` follows no space, so it belongs to the value.
    let comment =
        value.char_indices().zip(value.chars().skip(1)).find(|((_, c), next)| BLANK.contains(c) && *next == '#');
    let end = comment.map_or(value.len(), |((at, _), _)| at);
    value.get(..end).unwrap_or(value).trim_end_matches(BLANK)
}

fn single_quoted(value: &str) -> Result<SecretString, LineReason> {
    let (inner, rest) = value.get(1..).and_then(|v| v.split_once('\'')).ok_or(LineReason::UnterminatedQuote)?;
    only_comment(rest)?;
    Ok(SecretString::from(inner))
}

fn double_quoted(value: &str) -> Result<SecretString, LineReason> {
    // Never longer than the value, so that growing leaves no copy behind.
    let mut inner = Zeroizing::new(String::with_capacity(value.len()));
    let mut chars = value.chars();
    chars.next();
    loop {
        match chars.next().ok_or(LineReason::UnterminatedQuote)? {
            '"' => break,
            '\\' => match chars.next().ok_or(LineReason::UnterminatedQuote)? {
                same @ ('\\' | '"' | '$' | '`') => inner.push(same),
                'n' => inner.push('\n'),
                'r' => inner.push('\r'),
                't' => inner.push('\t'),
                other => {
                    inner.push('\\');
                    inner.push(other);
                }
            },
            other => inner.push(other),
        }
    }
    only_comment(chars.as_str())?;
    Ok(SecretString::from(inner.as_str()))
}

fn only_comment(rest: &str) -> Result<(), LineReason> {
    let after = rest.trim_start_matches(BLANK);
    let comment = after.starts_with('#') && after.len() < rest.len();
    if after.is_empty() || comment { Ok(()) } else { Err(LineReason::TextAfterQuote) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LineReason::{BadName, MissingEquals, NotUtf8, Nul, TextAfterQuote, UnterminatedQuote};
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;

    fn read(bytes: &[u8]) -> Result<Vec<(String, String)>, LineError> {
        let values = parse(bytes)?;
        Ok(values.into_iter().map(|(name, value)| (name, value.expose_secret().to_owned())).collect())
    }

    #[test]
    fn lines_that_are_values() {
        for (line, value) in [
            ("K=v", "v"),
            ("export K=v", "v"),
            ("export\t K=v", "v"),
            ("  K=v  ", "v"),
            ("K= v", "v"),
            ("K=", ""),
            ("K=''", ""),
            ("K=\"\"", ""),
            ("K=a=b", "a=b"),
            ("K=a b", "a b"),
            ("K=a#b", "a#b"),
            ("K=#b", "#b"),
            ("K=a #b", "a"),
            ("K=a\t# b", "a"),
            ("K=a  # b # c", "a"),
            ("K= # b", ""),
            ("K=\t#b", ""),
            ("K='a #b' # c", "a #b"),
            ("K='a\\n\"$X`'", "a\\n\"$X`"),
            ("K=\"a #b\"", "a #b"),
            ("K=\"a\"  # c", "a"),
            (r#"K="a\"b\\c\$d\`e""#, "a\"b\\c$d`e"),
            (r#"K="a\nb\rc\td""#, "a\nb\rc\td"),
            (r#"K="a\xb""#, "a\\xb"),
            (r"K=a\nb", "a\\nb"),
            ("K=$HOME/${X}`y`", "$HOME/${X}`y`"),
            ("K=\"$HOME\"", "$HOME"),
            ("K=it's", "it's"),
            ("K={\"a\":1}", "{\"a\":1}"),
            ("K=ü", "ü"),
        ] {
            assert_eq!(read(line.as_bytes()), Ok(vec![("K".into(), value.into())]), "{line}");
            assert_eq!(read(format!("{line}\r\n").as_bytes()), Ok(vec![("K".into(), value.into())]), "{line} CRLF");
        }
    }

    #[test]
    fn lines_that_are_nothing() {
        for text in ["", "\n\n", "# K=v", "   # K=v", "\t", "\r\n", "#", "# an 'open quote", "\u{feff}"] {
            assert_eq!(read(text.as_bytes()), Ok(vec![]), "{text:?}");
        }
    }

    #[test]
    fn lines_that_are_errors() {
        let cases: [(&[u8], LineReason); 21] = [
            (b"K", MissingEquals),
            (b"export K", MissingEquals),
            (b"export", MissingEquals),
            (b"some words", MissingEquals),
            (b"=v", BadName),
            (b"1K=v", BadName),
            (b"K-1=v", BadName),
            (b"K =v", BadName),
            (b"export =v", BadName),
            (b"set K=v", BadName),
            ("KÉ=v".as_bytes(), BadName),
            (b"K=\"v", UnterminatedQuote),
            (b"K='v", UnterminatedQuote),
            (b"K=\"", UnterminatedQuote),
            (b"K=\"v\\", UnterminatedQuote),
            (b"K=\"v\\\"", UnterminatedQuote),
            (b"K='a'b", TextAfterQuote),
            (b"K=\"a\"#b", TextAfterQuote),
            (b"K=a\0b", Nul),
            (b"# \0", Nul),
            (b"K=\xff", NotUtf8),
        ];
        for (line, reason) in cases {
            let shown = String::from_utf8_lossy(line).into_owned();
            assert_eq!(read(line), Err(LineError { line: 1, reason }), "{shown:?}");
            let third = [b"A=1\r\n# c\n", line, b"\nB=2\n"].concat();
            assert_eq!(read(&third), Err(LineError { line: 3, reason }), "{shown:?}");
        }
    }

    #[test]
    fn a_value_over_two_lines_is_an_error_in_its_first() {
        assert_eq!(read(b"A=1\nK=\"a\nb\"\n"), Err(LineError { line: 2, reason: UnterminatedQuote }));
    }

    #[test]
    fn a_byte_order_mark_is_skipped_and_a_later_line_wins() {
        let text = "\u{feff}A=1\nexport=2\nA=3\nB=\n";
        let expected = [("A", "3"), ("B", ""), ("export", "2")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(read(text.as_bytes()).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn quoted_values_come_back(value in "[^\0\n\r]{0,40}") {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            let text = format!("export K=\"{escaped}\" # comment");
            prop_assert_eq!(read(text.as_bytes()), Ok(vec![("K".to_owned(), value.clone())]));
            if !value.contains('\'') {
                let text = format!("K='{value}'");
                prop_assert_eq!(read(text.as_bytes()), Ok(vec![("K".to_owned(), value)]));
            }
        }

        #[test]
        fn an_error_never_holds_content(line in "canary[^\n=\0]{0,20}") {
            let error = parse(line.as_bytes()).unwrap_err();
            prop_assert!(!error.to_string().contains("canary"));
        }
    }
}
