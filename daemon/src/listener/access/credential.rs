//! Which of our own keys a request presents. Pure.
//!
//! A string that looks like one of our own keys is never treated as "no key", whoever sends it. Any other string is
//! what SDKs insist on sending, and counts as none.

use std::{borrow::Cow, fmt};

use bitrouter_gateway::http::percent_decoded;

/// What our own keys and tokens begin with.
const OWN_PREFIXES: [&[u8]; 2] = [b"brk_", b"bra_"];

/// What was found in all the places where a dialect puts its key: `Authorization: Bearer`, `x-api-key`,
/// `x-goog-api-key`, `?key=`.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum PresentedKey<'a> {
    /// None of ours.
    #[default]
    None,
    /// One of ours, in one place or several.
    One(Cow<'a, [u8]>),
    /// Two different ones.
    Different,
}

impl fmt::Debug for PresentedKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::One(_) => "One",
            Self::Different => "Different",
        })
    }
}

impl<'a> PresentedKey<'a> {
    /// Takes what stands in one more place.
    pub(super) fn add(&mut self, sent: Cow<'a, [u8]>) {
        if !OWN_PREFIXES.iter().any(|prefix| sent.starts_with(prefix)) {
            return;
        }
        match self {
            Self::None => *self = Self::One(sent),
            Self::One(first) if *first == sent => {}
            Self::One(_) | Self::Different => *self = Self::Different,
        }
    }
}

/// The credential of `Authorization: Bearer`, whatever the scheme's case; empty for another scheme. Without a scheme the
/// whole value counts, so that a misplaced key is refused rather than ignored.
pub(super) fn bearer(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii();
    match value.iter().position(u8::is_ascii_whitespace) {
        None => value,
        Some(at) if value[..at].eq_ignore_ascii_case(b"bearer") => value[at..].trim_ascii(),
        Some(_) => &[],
    }
}

/// The keys in a query, however name and value are spelt.
pub(super) fn keys_in(query: &str) -> impl Iterator<Item = Cow<'_, [u8]>> {
    query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        percent_decoded(name).eq_ignore_ascii_case(b"key").then(|| percent_decoded(value))
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Uri};

    use super::*;
    use crate::listener::access::AccessHeaders;

    fn presented(pairs: &[(&'static str, &str)], query: &str) -> PresentedKey<'static> {
        let uri: Uri = format!("/?{query}").parse().unwrap();
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect();
        match AccessHeaders::of(&uri, &headers).presented {
            PresentedKey::None => PresentedKey::None,
            PresentedKey::One(key) => PresentedKey::One(key.into_owned().into()),
            PresentedKey::Different => PresentedKey::Different,
        }
    }

    fn one(key: &'static str) -> PresentedKey<'static> {
        PresentedKey::One(key.as_bytes().into())
    }

    #[test]
    fn r1_18_every_place_of_a_key_is_looked_at() {
        for (pairs, query, key) in [
            (&[("authorization", "Bearer brk_1")][..], "", "brk_1"),
            (&[("authorization", "bEARER   bra_1 ")], "", "bra_1"),
            (&[("authorization", "brk_1")], "", "brk_1"),
            (&[("x-api-key", "bra_1")], "", "bra_1"),
            (&[("x-goog-api-key", " brk_1")], "", "brk_1"),
            (&[("authorization", "Bearer sk-live"), ("x-api-key", "brk_1")], "", "brk_1"),
            (&[("authorization", "Bearer brk_1"), ("x-api-key", "brk_1")], "key=brk_1", "brk_1"),
            (&[], "key=brk_1", "brk_1"),
            (&[], "KEY=brk_1", "brk_1"),
            (&[], "a&b=c&key=bra_1", "bra_1"),
            (&[], "%6Bey=b%72k_1", "brk_1"),
            (&[], "key=brk_1&key=brk_1", "brk_1"),
        ] {
            assert_eq!(presented(pairs, query), one(key), "{pairs:?} {query}");
        }
    }

    #[test]
    fn two_different_keys_are_told_from_one() {
        for (pairs, query) in [
            (&[("authorization", "Bearer brk_1")][..], "key=brk_2"),
            (&[("x-api-key", "brk_1"), ("x-goog-api-key", "brk_2")], ""),
            (&[("x-api-key", "brk_1"), ("x-api-key", "brk_2")], ""),
            (&[], "key=brk_1&key=bra_1&key=brk_1"),
        ] {
            assert_eq!(presented(pairs, query), PresentedKey::Different, "{pairs:?} {query}");
        }
    }

    #[test]
    fn any_other_string_is_none() {
        for pairs in [&[][..], &[("authorization", "Bearer sk-x")], &[("authorization", "Basic brk_1")]] {
            assert_eq!(presented(pairs, "key=AIza&keys=brk_1"), PresentedKey::None, "{pairs:?}");
        }
    }

    #[test]
    fn a_key_is_never_printed() {
        assert_eq!(format!("{:?}", one("brk_secretcanary")), "One");
    }

    proptest::proptest! {
        #[test]
        fn anything_presented_is_judged_without_a_panic(value: Vec<u8>, query in "[ -~]*") {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.insert("authorization", value);
            }
            if let Ok(uri) = format!("/?{query}").parse() {
                AccessHeaders::of(&uri, &headers);
            }
        }

        #[test]
        fn every_spelling_of_a_key_in_the_query_is_seen(key in "br[ka]_[a-z0-9]{0,20}", mask: u64) {
            let spelt: String = key.bytes().enumerate()
                .map(|(i, b)| if mask >> (i % 64) & 1 == 1 { format!("%{b:02X}") } else { char::from(b).to_string() })
                .collect();
            let expected = PresentedKey::One(key.into_bytes().into());
            proptest::prop_assert_eq!(presented(&[], &format!("key={spelt}")), expected);
        }
    }
}
