//! JSON that is handed to a server as it is: out of a file, or of standard input (`-`).

use std::{
    fs::File,
    io::{Read, stdin},
    path::Path,
};

use serde::de::IgnoredAny;

use super::misuse::misused;
use crate::exit::Failure;

/// The largest body that servers take, bytes.
const MOST: u64 = 1024 * 1024;

/// What stands for standard input.
const STDIN: &str = "-";

/// The JSON object in the file `place`, as it stands there; `flag` of the command `verb` named it.
///
/// # Errors
/// Where there is none.
pub(super) fn object(verb: &str, flag: &str, place: &str) -> Result<String, Failure> {
    let refused = |why: String| misused(verb, format!("`{flag}`: {why}"));
    let (name, read) = if place == STDIN {
        ("standard input".to_owned(), bounded(stdin().lock()))
    } else {
        (format!("`{place}`"), File::open(Path::new(place)).and_then(bounded))
    };
    let bytes = read.map_err(|error| refused(format!("cannot read {name}: {}", reason(&error))))?;
    if bytes.len() as u64 > MOST {
        return Err(refused(format!("{name} is larger than 1 MiB")));
    }
    let text = String::from_utf8(bytes).map_err(|_| refused(format!("{name} is no UTF-8 text")))?;
    // Editors of other systems begin a file with it, and JSON does not (RFC 8259 §8.1).
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).trim();
    if text.is_empty() {
        return Err(refused(format!("{name} is empty, and a JSON object is due")));
    }
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        let (line, column) = (error.line(), error.column());
        return Err(refused(format!("{name} is no JSON (line {line}, column {column})")));
    }
    if !text.starts_with('{') {
        return Err(refused(format!("{name} holds no JSON object")));
    }
    Ok(text.to_owned())
}

/// Refuses that several flags read standard input, which can be read once.
///
/// # Errors
/// Where they do.
pub(super) fn at_most_one_stdin(verb: &str, places: &[(&str, Option<&str>)]) -> Result<(), Failure> {
    let flags: Vec<&str> = places.iter().filter(|(_, place)| *place == Some(STDIN)).map(|(flag, _)| *flag).collect();
    match flags.as_slice() {
        [first, second, ..] => {
            let message = format!("`{first} -` and `{second} -` exclude each other: standard input can be read once");
            Err(misused(verb, message))
        }
        _ => Ok(()),
    }
}

fn bounded(read: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read.take(MOST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What the system says, without its number.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let plain = text.split(" (os error").next().unwrap_or_default();
    plain[..1].to_lowercase() + &plain[1..]
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn read(content: &[u8]) -> Result<String, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        object("cloud policy create", "--spec", file.path().to_str().unwrap()).map_err(|failure| {
            assert_eq!(failure.hint.as_deref(), Some("bitrouter cloud policy create --help"));
            failure.message
        })
    }

    #[test]
    fn an_object_goes_on_as_it_stands_there() {
        let text = r#"{"window": "day",  "limit_micro_usd": 5000000, "limit_micro_usd": 1}"#;
        assert_eq!(read(format!("\u{feff}{text}\n").as_bytes()).unwrap(), text);
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_place() {
        for (content, part) in [
            (&b""[..], "is empty"),
            (b"\n ", "is empty"),
            (b"{\n\"a\": }", "no JSON (line 2, column 6)"),
            (b"[1]", "no JSON object"),
            (b"\"x\"", "no JSON object"),
            (b"\xff", "no UTF-8"),
            (&vec![b' '; 1024 * 1024 + 1], "larger than 1 MiB"),
        ] {
            let said = read(content).unwrap_err();
            assert!(said.starts_with("`--spec`: ") && said.contains(part), "{said}");
        }
        let absent = object("x", "--spec", "/nonexistent/spec.json").unwrap_err();
        assert_eq!(absent.message, "`--spec`: cannot read `/nonexistent/spec.json`: no such file or directory");
    }

    #[test]
    fn standard_input_is_read_once() {
        let check = |places: &[(&str, Option<&str>)]| at_most_one_stdin("x", places).map_err(|failure| failure.message);
        assert_eq!(check(&[("--guardrail", Some("-")), ("--budget", Some("b.json")), ("--rate-limit", None)]), Ok(()));
        let said = check(&[("--guardrail", Some("-")), ("--budget", Some("-"))]).unwrap_err();
        assert!(said.starts_with("`--guardrail -` and `--budget -` exclude each other"), "{said}");
    }
}
