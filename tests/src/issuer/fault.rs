//! The ways in which a token endpoint goes wrong.

use serde_json::Value;

use crate::{Gate, Reply};

/// What happens to one request for tokens.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The tokens are made at once, and the reply waits for the gate.
    Late(Gate),
    /// The tokens are made, and the connection is reset before a byte of the reply.
    CutAfterRotating,
    /// The tokens are made, and the reply breaks off in its middle.
    HalfReply,
    /// The reply comes twice on the same connection.
    Twice,
    /// Nothing is made: this status with a JSON error.
    Status(u16),
    /// Nothing is made: 503 with `Retry-After`.
    RetryAfter(u64),
    /// Nothing is made: a web page, with this status.
    Html(u16),
    /// Nothing is made: this OAuth error.
    Refused(&'static str),
    /// Nothing is made, nothing is said.
    Reset,
    /// The reply has these members besides or instead; `Null` takes one away.
    Members(Value),
}

impl Fault {
    /// The reply where no tokens are made.
    pub(super) fn instead(&self) -> Option<Reply> {
        Some(match self {
            Self::Status(status) => Reply::json(*status, r#"{"error":"server_error"}"#),
            Self::RetryAfter(seconds) => {
                let seconds = seconds.to_string();
                Reply::with(503, &[("content-type", "application/json"), ("retry-after", &seconds)], "{}")
            }
            Self::Html(status) => {
                Reply::body(*status, "text/html", "<!doctype html><title>Sign in to the network</title>")
            }
            Self::Refused(code) => super::answers::refusal(code),
            Self::Reset => Reply::nothing().reset(),
            _ => return None,
        })
    }

    /// The reply that hands `document` out, spoilt.
    pub(super) fn of(self, mut document: Value) -> Reply {
        let whole = |document: &Value| Reply::json(200, document.to_string());
        match self {
            Self::Late(gate) => whole(&document).after(&gate),
            Self::CutAfterRotating => Reply::nothing().reset(),
            Self::HalfReply => {
                let text = document.to_string();
                let head = format!(
                    "HTTP/1.1 200 Scripted\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    text.len()
                );
                Reply::raw(head + &text[..text.len() / 2]).close()
            }
            Self::Twice => {
                let text = document.to_string();
                let one = format!(
                    "HTTP/1.1 200 Scripted\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{text}",
                    text.len()
                );
                Reply::raw(one.repeat(2))
            }
            Self::Members(members) => {
                let target = document.as_object_mut().expect("an object");
                for (name, value) in members.as_object().expect("an object") {
                    if value.is_null() {
                        target.remove(name);
                    } else {
                        target.insert(name.clone(), value.clone());
                    }
                }
                whole(&document)
            }
            // The others make no tokens.
            other => other.instead().unwrap_or_else(Reply::nothing),
        }
    }
}
