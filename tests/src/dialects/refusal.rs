//! Why a provider refuses a request; each dialect writes it in its own shape.

use serde_json::Value;

/// A refusal.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The words.
    pub message: String,
    /// OpenAI's `code`, Google's reason.
    pub code: Option<&'static str>,
    /// OpenAI's `param`.
    pub param: Option<String>,
}

impl Refusal {
    /// A refusal with this status.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), code: None, param: None }
    }

    /// The request is wrong.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// With a code.
    #[must_use]
    pub fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// With the parameter that is wrong.
    #[must_use]
    pub fn param(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }
}

/// The members of `object` that are not in `known`.
pub(super) fn unknown<'a>(object: &'a Value, known: &[&str]) -> Option<&'a str> {
    let mut names = object.as_object()?.keys();
    names.find(|name| !known.contains(&name.as_str())).map(String::as_str)
}

/// An image as base64: its length, where it is what its media type says.
pub(super) fn image(media_type: &str, data: &str) -> Option<usize> {
    use base64::{
        Engine as _,
        engine::general_purpose::{STANDARD, URL_SAFE},
    };
    let bytes = STANDARD.decode(data).or_else(|_| URL_SAFE.decode(data)).ok()?;
    let magic: &[u8] = match media_type {
        "image/png" => b"\x89PNG\r\n\x1a\n",
        "image/jpeg" => b"\xff\xd8\xff",
        _ => return None,
    };
    bytes.starts_with(magic).then_some(bytes.len())
}
