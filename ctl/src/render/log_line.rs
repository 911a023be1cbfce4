//! A log line for a terminal: when, how bad, what, and then the fields.

use std::fmt::{self, Write as _};

use bitrouter_proto::terminal::visible_line;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::style::{BAD, DIM, GOOD, WARNING, styled};

/// `line` as people read it. What is neither of the daemon's two forms is shown as it is.
pub(crate) fn log_line(line: &str) -> String {
    match serde_json::from_str::<Fields>(line) {
        Ok(fields) => from_json(&fields),
        Err(_) => from_text(line),
    }
}

/// The members of an object, in their order.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

fn from_json(fields: &Fields) -> String {
    let (mut time, mut level, mut message, mut rest) = ("", "", "", String::new());
    for (name, value) in &fields.0 {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => match name.as_str() {
                "timestamp" => {
                    time = text;
                    continue;
                }
                "level" => {
                    level = text;
                    continue;
                }
                "message" => {
                    message = text;
                    continue;
                }
                "target" => continue,
                _ if is_word(text) => text.clone(),
                _ => value.to_string(),
            },
            value => value.to_string(),
        };
        // Writing to a String cannot fail.
        let _ = write!(rest, " {}{}", styled(DIM, format_args!("{}=", visible_line(name))), visible_line(&text));
    }
    composed(&visible_line(time), &visible_line(level), &format!("{}{rest}", visible_line(message)))
}

/// The daemon's own form for people: `2026-11-29T10:00:00.000Z  INFO message name=value`.
fn from_text(line: &str) -> String {
    let parts = line.split_once(' ').and_then(|(time, rest)| Some((time, rest.trim_start().split_once(' ')?)));
    match parts {
        Some((time, (level, rest))) if time.ends_with('Z') && time.contains('T') => composed(time, level, rest),
        _ => line.to_owned(),
    }
}

fn composed(time: &str, level: &str, rest: &str) -> String {
    let style = match level {
        "ERROR" => BAD,
        "WARN" => WARNING,
        "INFO" => GOOD,
        _ => DIM,
    };
    // `2026-11-29T10:00:00.000Z` to the second, with a blank: dates are for reading here.
    let time = time.get(..19).map_or_else(|| time.to_owned(), |time| format!("{}Z", time.replace('T', " ")));
    format!("{} {} {rest}", styled(DIM, time), styled(style, format!("{level:>5}")))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(line: &str) -> String {
        anstream::adapter::strip_str(&log_line(line)).to_string()
    }

    #[test]
    fn both_forms_read_the_same() {
        let json = r#"{"timestamp":"2026-11-29T10:00:00.123Z","level":"INFO","target":"x","message":"request","model":"a b","status":200,"provider":"demo","error_code":null}"#;
        assert_eq!(plain(json), "2026-11-29 10:00:00Z  INFO request model=\"a b\" status=200 provider=demo");
        let text = "2026-11-29T10:00:00.123Z  INFO request status=200";
        assert_eq!(plain(text), "2026-11-29 10:00:00Z  INFO request status=200");
        assert_eq!(plain("something else"), "something else");
    }
}
