//! How a log line looks: one JSON object, or one line for people. How the values in it look is the business of
//! [`super::value`].

use std::{
    cell::RefCell,
    fmt::{self, Write as _},
    time::{Duration, UNIX_EPOCH},
};

use bitrouter_proto::clock;
use tracing::field::{Field, Visit};

use super::value::{debug_text, human_text, json_debug, json_text};

/// The form of all lines of one daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Human,
    Json,
}

pub(super) fn line(form: Form, event: &tracing::Event<'_>, out: &mut String) {
    let meta = event.metadata();
    match form {
        Form::Json => {
            out.push_str("{\"timestamp\":\"");
            timestamp(out);
            out.push_str("\",\"level\":\"");
            out.push_str(meta.level().as_str());
            out.push_str("\",\"target\":\"");
            out.push_str(meta.target());
            out.push('"');
            event.record(&mut JsonFields { out, has_message: false });
            out.push('}');
        }
        Form::Human => {
            timestamp(out);
            let _ = write!(out, " {:>5} ", meta.level());
            let mut fields = HumanFields { message: String::new(), rest: String::new() };
            event.record(&mut fields);
            out.push_str(&fields.message);
            out.push_str(&fields.rest);
        }
    }
}

thread_local! {
    /// The second of this thread's last line, and how it is written.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

/// Writes the time of day: the calendar is asked once per second.
pub(super) fn timestamp(out: &mut String) {
    let now = clock::wall_now();
    let Ok(since) = now.duration_since(UNIX_EPOCH) else {
        out.push_str(&clock::rfc3339(now));
        return;
    };
    SECOND.with_borrow_mut(|(second, text)| {
        if text.is_empty() || *second != since.as_secs() {
            *second = since.as_secs();
            *text = clock::rfc3339(UNIX_EPOCH + Duration::from_secs(*second));
            let whole = text.find('.').unwrap_or(text.len());
            text.truncate(whole);
        }
        out.push_str(text);
    });
    let millis = since.subsec_millis();
    out.push('.');
    for digit in [millis / 100, millis / 10 % 10, millis % 10] {
        out.push(char::from_digit(digit, 10).unwrap_or('0'));
    }
    out.push('Z');
}

struct JsonFields<'a> {
    out: &'a mut String,
    has_message: bool,
}

impl JsonFields<'_> {
    /// Writes the member's name. A field that is called like a member of every line gets another one: readers take
    /// either the first or the last of two equal names, or refuse the line.
    fn name(&mut self, field: &Field) {
        let taken = match field.name() {
            "timestamp" | "level" | "target" => true,
            "message" => std::mem::replace(&mut self.has_message, true),
            _ => false,
        };
        self.out.push_str(if taken { ",\"field_" } else { ",\"" });
        self.out.push_str(field.name());
        self.out.push_str("\":");
    }

    fn raw(&mut self, field: &Field, value: impl fmt::Display) {
        self.name(field);
        let _ = write!(self.out, "{value}");
    }
}

impl Visit for JsonFields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.raw(field, value);
        } else {
            self.raw(field, "null");
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.raw(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.raw(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.raw(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        json_text(self.out, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.name(field);
        let quote = self.out.len();
        self.out.push('"');
        json_debug(self.out, value);
        let text = &self.out[quote + 1..];
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if field.name() != "message" && (text == "null" || is_number) {
            self.out.remove(quote);
        } else {
            self.out.push('"');
        }
    }
}

struct HumanFields {
    message: String,
    rest: String,
}

impl HumanFields {
    fn put(&mut self, field: &Field, value: &str) {
        let out = if field.name() == "message" {
            &mut self.message
        } else {
            let _ = write!(self.rest, " {}=", field.name());
            &mut self.rest
        };
        human_text(out, value);
    }
}

impl Visit for HumanFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = debug_text(value);
        if text != "null" {
            self.put(field, &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::value::FIELD, *};
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::{Layer, layer::Context, prelude::*};

    /// A field that is `null` in JSON rather than left out, so that readers of request lines can rely on it.
    struct OrNull<T>(Option<T>);

    impl<T: fmt::Display> fmt::Debug for OrNull<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match &self.0 {
                Some(value) => write!(f, "{value}"),
                None => f.write_str("null"),
            }
        }
    }

    struct Capture(Form, Arc<Mutex<Vec<String>>>);

    impl<S: tracing::Subscriber> Layer<S> for Capture {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            let mut text = String::new();
            line(self.0, event, &mut text);
            self.1.lock().unwrap().push(text);
        }
    }

    fn captured(form: Form, body: impl FnOnce()) -> String {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let subscriber = tracing_subscriber::registry().with(Capture(form, Arc::clone(&lines)));
        tracing::subscriber::with_default(subscriber, body);
        lines.lock().unwrap().remove(0)
    }

    #[test]
    fn a_json_line_is_one_object_with_typed_fields() {
        let text = captured(Form::Json, || {
            tracing::info!(n = 3_u64, ok = true, s = "a\"\n\u{1b}", none = ?OrNull::<u64>(None), some = ?OrNull(Some(5)), "request");
        });
        assert!(!text.contains('\n') && !text.contains('\u{1b}'));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["message"], "request");
        assert_eq!((&value["n"], &value["ok"], &value["s"]), (&3.into(), &true.into(), &"a\"\n\u{1b}".into()));
        assert_eq!((&value["none"], &value["some"]), (&serde_json::Value::Null, &5.into()));
    }

    #[test]
    fn a_field_never_takes_the_name_of_a_member_of_every_line() {
        let text = captured(Form::Json, || {
            tracing::info!(level = "mine", timestamp = 1_u64, target = "there", "said");
        });
        for name in ["timestamp", "level", "target", "message"] {
            assert_eq!(text.matches(&format!("\"{name}\":")).count(), 1, "{name} in {text}");
        }
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["level"], &value["field_level"]), (&"INFO".into(), &"mine".into()));
    }

    #[test]
    fn a_human_line_escapes_control_characters() {
        let text = captured(Form::Human, || tracing::warn!(path = "a\u{1b}[31mb\nc", "odd"));
        assert!(text.contains("WARN odd path=a\\u{1b}[31mb\\nc"), "{text}");
    }

    #[test]
    fn a_debug_field_is_a_string_unless_it_is_null_or_a_number() {
        let text = captured(Form::Json, || {
            tracing::info!(
                empty = ?OrNull(Some("")),
                id = ?OrNull(Some("12a")),
                quoted = ?"a\"\n",
                shown = %"null",
                "7"
            );
        });
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["message"], &value["empty"], &value["id"]), (&"7".into(), &"".into(), &"12a".into()));
        assert_eq!((&value["quoted"], &value["shown"]), (&"\"a\\\"\\n\"".into(), &serde_json::Value::Null));
    }

    #[test]
    fn r1_01_a_field_of_any_length_is_cut_and_the_line_stays_whole() {
        struct Endless;
        impl fmt::Debug for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("again ")?;
                }
            }
        }
        for long in ["x".repeat(2 << 20), "ä".repeat(1 << 20), "\u{1b}".repeat(1 << 20), "\"".repeat(1 << 20)] {
            for form in [Form::Json, Form::Human] {
                let text = captured(form, || {
                    tracing::info!(long = long.as_str(), debug = ?long, endless = ?Endless, after = 7_u64, "{long}");
                });
                assert!(text.len() < 5 * FIELD && text.contains('…'), "{}", text.len());
                if form == Form::Json {
                    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                    assert_eq!(value["after"], 7);
                    assert!(value["long"].as_str().unwrap().ends_with('…'));
                }
            }
        }
        let fits = "y".repeat(FIELD);
        let text = captured(Form::Json, || tracing::info!(fits = fits.as_str(), "whole"));
        assert!(text.contains(&fits) && !text.contains('…'));
    }

    #[test]
    fn the_time_is_that_of_the_clock() {
        let (mut text, before) = (String::new(), clock::now_rfc3339());
        timestamp(&mut text);
        assert!(before <= text && text <= clock::now_rfc3339(), "{before} {text}");
    }
}
