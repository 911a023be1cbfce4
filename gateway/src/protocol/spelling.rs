//! In how many ways one name may be spelt. Google's API takes each of its own in `camelCase` and in `snake_case`
//! (<https://protobuf.dev/programming-guides/json/>, "Field names"); everywhere else a name is its letters.

use std::borrow::Cow;

/// The spellings of a dialect's names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spelling {
    /// One.
    One,
    /// `camelCase` and `snake_case`, but within objects under these names: what stands there is the caller's own.
    Two { free: &'static [&'static str] },
}

impl Spelling {
    /// True where `name` is one that a list has in `snake_case`.
    pub(super) fn is(self, name: &str, listed: &str) -> bool {
        name == listed || (matches!(self, Self::Two { .. }) && camel_bytes(listed.as_bytes()).eq(name.bytes()))
    }

    /// The name of the list that `name` spells.
    pub(super) fn find<'l>(self, name: &str, list: &[&'l str]) -> Option<&'l str> {
        list.iter().find(|listed| self.is(name, listed)).copied()
    }

    /// True where an object under `name` holds what is the caller's own.
    pub(super) fn is_free(self, name: &str) -> bool {
        matches!(self, Self::Two { free } if free.contains(&name))
    }
}

/// The name in `camelCase`, whichever way it is spelt. What begins with `_` stays apart from what does not.
pub(super) fn camel(name: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if name.contains(&b'_') { Cow::Owned(camel_bytes(&name).collect()) } else { name }
}

fn camel_bytes(name: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut begins_word = false;
    name.iter().filter_map(move |byte| match byte {
        b'_' => {
            begins_word = true;
            None
        }
        byte if std::mem::take(&mut begins_word) => Some(byte.to_ascii_uppercase()),
        byte => Some(*byte),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: Spelling = Spelling::Two { free: &["args"] };

    #[test]
    fn both_spellings_are_one_name_where_the_dialect_has_two() {
        for (name, listed, one, two) in [
            ("max_output_tokens", "max_output_tokens", true, true),
            ("maxOutputTokens", "max_output_tokens", false, true),
            ("maxoutputtokens", "max_output_tokens", false, false),
            ("max_OutputTokens", "max_output_tokens", false, false),
            ("model", "model", true, true),
            ("", "model", false, false),
        ] {
            assert_eq!((Spelling::One.is(name, listed), TWO.is(name, listed)), (one, two), "{name}");
        }
        assert_eq!(TWO.find("serviceTier", &["speed", "service_tier"]), Some("service_tier"));
        assert!(TWO.is_free("args") && !TWO.is_free("arg") && !Spelling::One.is_free("args"));
    }

    #[test]
    fn a_name_has_one_form_to_be_compared_by() {
        for (name, form) in [
            ("max_output_tokens", "maxOutputTokens"),
            ("maxOutputTokens", "maxOutputTokens"),
            ("_response_json_schema", "ResponseJsonSchema"),
            ("responseJsonSchema", "responseJsonSchema"),
        ] {
            assert_eq!(camel(Cow::Borrowed(name.as_bytes())).as_ref(), form.as_bytes());
        }
    }
}
