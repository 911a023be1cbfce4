//! What of a query goes to Google: only `alt`, which chooses the form of a stream. Others could hide usage or text from
//! whoever counts them (`fields`, `callback`).
//!
//! Source: Google Cloud APIs, "System parameters".

use std::borrow::Cow;

use bitrouter_proto::codes::InferenceCode;

use crate::{error::InferenceError, percent::percent_decoded};

/// The query with nothing but `alt`.
pub(super) fn only_alt(query: &str) -> Result<Cow<'_, str>, InferenceError> {
    let mut found: Option<&'static str> = None;
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if *percent_decoded(name) != *b"alt" {
            continue;
        }
        let alt = match &*percent_decoded(value) {
            b"sse" => "alt=sse",
            b"json" => "alt=json",
            _ => return Err(refused("`alt` is `sse` or `json`")),
        };
        if found.replace(alt).is_some_and(|before| before != alt) {
            return Err(refused("`alt` is given twice"));
        }
    }
    Ok(Cow::Borrowed(found.unwrap_or_default()))
}

fn refused(message: &str) -> InferenceError {
    InferenceError::new(InferenceCode::InvalidRequest, message).with_param("alt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_alt_goes_along_and_only_two_values() {
        for (query, expected) in [
            ("", ""),
            ("alt=sse", "alt=sse"),
            ("alt=json&key=secret&fields=candidates&callback=x&$alt=proto", "alt=json"),
            ("%61lt=ss%65", "alt=sse"),
            ("alt=sse&alt=sse", "alt=sse"),
            ("ALT=proto&prettyPrint=false", ""),
        ] {
            assert_eq!(only_alt(query).unwrap(), expected, "{query}");
        }
        for query in ["alt=proto", "alt=", "alt", "alt=media&x", "alt=sse&alt=json", "alt=SSE"] {
            let error = only_alt(query).unwrap_err();
            assert_eq!((error.code(), error.param()), (InferenceCode::InvalidRequest, Some("alt")), "{query}");
        }
    }
}
