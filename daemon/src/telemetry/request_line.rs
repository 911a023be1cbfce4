//! The line that each request leaves in the log, written at once: through tracing it would cost more than all that the
//! daemon decides about the request.

use bitrouter_gateway::{
    ports::RequestRecord,
    protocol::usage::{InputTokens, OutputTokens},
    registry::ProviderId,
};

use super::{
    format::{Form, timestamp},
    value::{human_text, json_text, push_number},
};

/// The members of the line, behind those of every line; readers of the log know them by name.
struct Members<'a> {
    out: &'a mut String,
    form: Form,
}

/// The name of a member as each form writes it, with all that stands around it: put together once, not for each line.
#[derive(Clone, Copy)]
struct Name {
    json: &'static str,
    human: &'static str,
}

macro_rules! member {
    ($name:literal) => {
        Name { json: concat!(",\"", $name, "\":"), human: concat!(" ", $name, "=") }
    };
}

/// Appends the line for `record`, without its newline.
pub(super) fn request_line(form: Form, record: &RequestRecord, out: &mut String) {
    match form {
        Form::Json => {
            out.push_str("{\"timestamp\":\"");
            timestamp(out);
            out.push_str(
                "\",\"level\":\"INFO\",\"target\":\"bitrouter_daemon::telemetry::requests\",\"message\":\"request\"",
            );
        }
        Form::Human => {
            timestamp(out);
            out.push_str("  INFO request");
        }
    }
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut members = Members { out, form };
    members.text(member!("request_id"), Some(record.request_id.as_str()));
    members.text(member!("model"), Some(&record.model));
    members.text(member!("provider"), record.provider.as_ref().map(ProviderId::as_str));
    members.number(member!("status"), Some(u64::from(record.status)));
    members.flag(member!("stream"), record.stream);
    members.number(member!("input_tokens"), record.usage.input.map(InputTokens::total));
    members.number(member!("output_tokens"), record.usage.output.map(OutputTokens::total));
    members.number(member!("total_ms"), Some(millis(record.total)));
    members.number(member!("first_byte_ms"), record.first_byte.map(millis));
    members.text(member!("error_code"), record.error_code);
    members.flag(member!("cancelled"), record.cancelled);
    if form == Form::Json {
        out.push('}');
    }
}

impl Members<'_> {
    fn name(&mut self, name: Name) {
        self.out.push_str(match self.form {
            Form::Json => name.json,
            Form::Human => name.human,
        });
    }

    /// Readers of JSON find every name; people are shown what there is.
    fn absent(&mut self, name: Name) {
        if self.form == Form::Json {
            self.name(name);
            self.out.push_str("null");
        }
    }

    fn text(&mut self, name: Name, value: Option<&str>) {
        let Some(value) = value else { return self.absent(name) };
        self.name(name);
        match self.form {
            Form::Json => json_text(self.out, value),
            Form::Human => human_text(self.out, value),
        }
    }

    fn number(&mut self, name: Name, value: Option<u64>) {
        let Some(value) = value else { return self.absent(name) };
        self.name(name);
        push_number(self.out, value);
    }

    fn flag(&mut self, name: Name, value: bool) {
        self.name(name);
        self.out.push_str(if value { "true" } else { "false" });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bitrouter_gateway::{http::RequestId, protocol::usage::TokenUsage};

    use super::*;

    fn record() -> RequestRecord {
        RequestRecord {
            request_id: RequestId::from_text("req_1"),
            started: bitrouter_proto::clock::monotonic_now(),
            model: "a\"\u{1b}/b\n".into(),
            model_listed: false,
            provider: ProviderId::parse("acme").ok(),
            status: 200,
            stream: true,
            usage: TokenUsage {
                input: Some(InputTokens::default()),
                output: Some(OutputTokens { visible: u64::MAX - 2, reasoning: 2, ..OutputTokens::default() }),
            },
            charged: None,
            total: Duration::from_millis(1234),
            first_byte: None,
            error_code: None,
            cancelled: false,
        }
    }

    #[test]
    fn a_json_line_is_one_object_with_every_member() {
        let mut out = String::new();
        request_line(Form::Json, &record(), &mut out);
        assert!(!out.contains(char::is_control), "{out}");
        let mut value: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert!(value["timestamp"].as_str().is_some_and(|time| time.len() == 24 && time.ends_with('Z')), "{out}");
        value["timestamp"].take();
        assert_eq!(
            value,
            serde_json::json!({
                "timestamp": null, "level": "INFO", "target": "bitrouter_daemon::telemetry::requests",
                "message": "request", "request_id": "req_1", "model": "a\"\u{1b}/b\n", "provider": "acme",
                "status": 200, "stream": true, "input_tokens": 0, "output_tokens": u64::MAX, "total_ms": 1234,
                "first_byte_ms": null, "error_code": null, "cancelled": false,
            })
        );
    }

    #[test]
    fn a_line_for_people_has_what_there_is() {
        let mut out = String::new();
        request_line(Form::Human, &record(), &mut out);
        let said = out.split_once("Z ").unwrap().1;
        assert_eq!(
            said,
            " INFO request request_id=req_1 model=a\"\\u{1b}/b\\n provider=acme status=200 stream=true input_tokens=0 \
             output_tokens=18446744073709551615 total_ms=1234 cancelled=false"
        );
    }
}
