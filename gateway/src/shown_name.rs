//! A model's name as it may be shown and kept. Whoever mixes two settings up puts a credential in its place, which then stands in
//! no log, no row and no error.

use bitrouter_proto::account::credential::OWN_PREFIXES;

/// What stands in the place of a credential.
const REDACTED: &str = "[redacted]";

/// `name`, unless it is a credential of ours by its beginning, with a provider before it or without.
pub(crate) fn shown_name(name: &str) -> &str {
    let last = name.rsplit([':', '/']).next().unwrap_or(name);
    // Few names begin with these letters, and nothing more is looked at in the others.
    let may_be_one = matches!(last.as_bytes().first(), Some(b'b' | b's'));
    if may_be_one && OWN_PREFIXES.iter().any(|start| last.starts_with(start)) { REDACTED } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p03_what_begins_as_a_credential_of_ours_is_not_shown() {
        for name in ["brk_1", "bra_a.b", "brr_", "sk-tr-1", "openai:brk_1", "openrouter/a/bra_1"] {
            assert_eq!(shown_name(name), "[redacted]", "{name}");
        }
        for name in ["", "gpt-5", "brk", "bert", "sk-1", "anthropic/claude:beta", "a/b_brk_1", "brk_x/m"] {
            assert_eq!(shown_name(name), name);
        }
    }
}
