//! One server-sent event, and how it is written: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use serde_json::Value;

/// How lines end. Anthropic and OpenAI send LF, Google CRLF; a client must read both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Newline {
    /// `\n`
    #[default]
    Lf,
    /// `\r\n`
    CrLf,
}

impl Newline {
    /// The characters.
    pub fn text(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What stands behind `event:`, where there is such a line.
    pub name: Option<String>,
    /// What stands behind `data:`.
    pub data: String,
}

impl Event {
    /// An event without a name.
    pub fn data(data: &Value) -> Self {
        Self { name: None, data: data.to_string() }
    }

    /// An event that is named by the `type` of its data, as Anthropic and the Responses API do.
    pub fn typed(data: &Value) -> Self {
        let name = data["type"].as_str().map(str::to_owned);
        // The type stands first, as it does with the providers.
        let mut rest = data.clone();
        rest.as_object_mut().map(|members| members.remove("type"));
        let rest = rest.to_string();
        let comma = if rest == "{}" { "" } else { "," };
        Self { name, data: format!("{{\"type\":{}{comma}{}", data["type"], &rest[1..]) }
    }

    /// The mark behind the last chunk of a chat completion.
    pub fn done() -> Self {
        Self { name: None, data: "[DONE]".to_owned() }
    }

    /// The data as JSON; `null` for `[DONE]`.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_default()
    }

    /// The event as it is sent.
    pub fn frame(&self, newline: Newline) -> String {
        let end = newline.text();
        let name = self.name.as_ref().map(|name| format!("event: {name}{end}")).unwrap_or_default();
        format!("{name}data: {}{end}{end}", self.data)
    }
}
