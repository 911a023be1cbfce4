//! A model's name that a caller writes into a path: what it may hold, so that no spelling of it means another path.

use bitrouter_proto::codes::InferenceCode;

use crate::{error::InferenceError, protocol::routing_fields::LONGEST_MODEL};

/// Judges a name that was decoded already.
pub(super) fn check_model_in_path(name: &str) -> Result<(), InferenceError> {
    let refused =
        |message: String| Err(InferenceError::new(InferenceCode::InvalidRequest, message).with_param("model"));
    if name.len() > LONGEST_MODEL {
        return refused(format!("the name of the model is longer than {LONGEST_MODEL} bytes"));
    }
    if is_plain(name) {
        return Ok(());
    }
    refused(
        "the name of the model in the path holds what no name holds: `?`, `#`, `%`, a control character, or a segment `.` or `..`"
            .to_owned(),
    )
}

/// True for a name that no server could read as another path. What stands behind a colon is a segment too: the provider
/// before it is no part of the path in which the name goes on.
fn is_plain(name: &str) -> bool {
    let is_step = |segment: &str| matches!(segment, "." | "..");
    !name.contains(|c: char| matches!(c, '?' | '#' | '%' | '\u{fffd}') || c.is_control())
        && !name.split(['/', ':']).any(is_step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_a_path_of_its_own() {
        for good in ["m", "acme/m:8b", "a b", "é", "...", "a/.b/..c", &"m".repeat(LONGEST_MODEL)] {
            assert!(check_model_in_path(good).is_ok(), "{good}");
        }
        for bad in [
            "a?b",
            "a#b",
            "a%2Fb",
            "a\nb",
            "\u{7f}",
            "\u{85}",
            "..",
            "a/../b",
            "./a",
            "a/.",
            "p:../a",
            "p:..",
            &"m".repeat(513),
        ] {
            assert!(check_model_in_path(bad).is_err(), "{bad}");
        }
    }
}
