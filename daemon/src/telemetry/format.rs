//! How a log line looks: one JSON object, or one line for people. Control characters never get through.

use std::fmt::{self, Write as _};

use bitrouter_proto::clock;
use tracing::field::{Field, Visit};

/// A field that is `null` in JSON rather than left out, so that readers of request lines can rely on it.
pub(crate) struct OrNull<T>(pub(crate) Option<T>);

impl<T: fmt::Display> fmt::Debug for OrNull<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => write!(f, "{value}"),
            None => f.write_str("null"),
        }
    }
}

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
            let _ = write!(
                out,
                "{{\"timestamp\":\"{}\",\"level\":\"{}\",\"target\":\"{}\"",
                clock::now_rfc3339(),
                meta.level(),
                meta.target()
            );
            event.record(&mut JsonFields(out));
            out.push('}');
        }
        Form::Human => {
            let _ = write!(out, "{} {:>5} ", clock::now_rfc3339(), meta.level());
            let mut fields = HumanFields { message: String::new(), rest: String::new() };
            event.record(&mut fields);
            out.push_str(&fields.message);
            out.push_str(&fields.rest);
        }
    }
}

struct JsonFields<'a>(&'a mut String);

impl JsonFields<'_> {
    fn raw(&mut self, field: &Field, value: impl fmt::Display) {
        let _ = write!(self.0, ",\"{}\":{value}", field.name());
    }

    fn text(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, ",\"{}\":", field.name());
        match serde_json::to_string(value) {
            Ok(quoted) => self.0.push_str(&quoted),
            Err(_) => self.0.push_str("null"),
        }
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
        self.text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if field.name() != "message" && (text == "null" || is_number) {
            self.raw(field, text);
        } else {
            self.text(field, &text);
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
        for c in value.chars() {
            if c.is_control() {
                let _ = write!(out, "{}", c.escape_default());
            } else {
                out.push(c);
            }
        }
    }
}

impl Visit for HumanFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if text != "null" {
            self.put(field, &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::{Layer, layer::Context, prelude::*};

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
    fn a_human_line_escapes_control_characters() {
        let text = captured(Form::Human, || tracing::warn!(path = "a\u{1b}[31mb\nc", "odd"));
        assert!(text.contains("WARN odd path=a\\u{1b}[31mb\\nc"), "{text}");
    }
}
