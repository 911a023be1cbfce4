//! Who is calling, from what the request presents and what the kernel says. Pure.
//!
//! A string that looks like one of our own keys is never treated as "no key", whoever sends it. Until keys can be issued
//! none of them is valid, and only programs of the daemon's own user are served.

use std::borrow::Cow;

use bitrouter_gateway::http::{Caller, percent_decoded};
use bitrouter_proto::codes::InferenceCode;
use http::{HeaderMap, HeaderName, header};

use crate::listener::{peer::PeerIdentity, refusal::Refusal, settings::Keyless};

static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
static X_GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// What our own keys and tokens begin with.
const OWN_PREFIXES: [&str; 2] = ["brk_", "bra_"];

/// Which of our own keys a request presents.
#[derive(Debug, PartialEq, Eq)]
enum Presented {
    None,
    One,
    Different,
}

/// Identifies the caller, or says why not and what to do.
pub(super) fn identify(
    headers: &HeaderMap,
    query: Option<&str>,
    peer: PeerIdentity,
    keyless: Keyless,
) -> Result<Caller, Refusal> {
    refuse_own_keys(headers, query)?;
    match (peer, keyless) {
        (PeerIdentity::SameUser, Keyless::SameUser) => Ok(Caller::Local),
        (PeerIdentity::SameUser, Keyless::Never) => Err(Refusal::new(
            InferenceCode::PeerNotAllowed,
            "`[server] keyless = \"never\"` demands an API key, and none can be issued yet; \
             set `keyless = \"same-user\"` to serve this user's own programs",
        )),
        (peer, _) => Err(another_user(peer)),
    }
}

/// Only the daemon's own user, whatever `keyless` says: for `/metrics`.
pub(super) fn same_user(headers: &HeaderMap, query: Option<&str>, peer: PeerIdentity) -> Result<Caller, Refusal> {
    refuse_own_keys(headers, query)?;
    if peer == PeerIdentity::SameUser { Ok(Caller::Local) } else { Err(another_user(peer)) }
}

fn another_user(peer: PeerIdentity) -> Refusal {
    let message = match peer {
        PeerIdentity::OtherUser(uid) => format!(
            "the calling program runs as another user (uid {uid}); until API keys exist, only programs of the user who \
             runs bitrouter are served: run `bitrouter start` as the calling user"
        )
        .into(),
        PeerIdentity::SameUser | PeerIdentity::Unknown => Cow::Borrowed(
            "the kernel does not tell which user is calling (a container or another user namespace hides it); until API \
             keys exist, only programs of the user who runs bitrouter are served: run `bitrouter start` where the calling \
             program runs",
        ),
    };
    Refusal::new(InferenceCode::PeerNotAllowed, message)
}

fn refuse_own_keys(headers: &HeaderMap, query: Option<&str>) -> Result<(), Refusal> {
    match presented(headers, query) {
        Presented::None => Ok(()),
        Presented::One => Err(Refusal::new(
            InferenceCode::InvalidApiKey,
            "the API key is not valid: this daemon has issued none; programs of the user who runs bitrouter need no key, \
             so send any string that does not begin with `brk_` or `bra_`",
        )),
        Presented::Different => {
            Err(Refusal::new(InferenceCode::InvalidRequest, "the request presents two different API keys; send one"))
        }
    }
}

/// Looks for our own keys in every place where a dialect puts its key.
fn presented(headers: &HeaderMap, query: Option<&str>) -> Presented {
    let mut found: Option<Cow<'_, [u8]>> = None;
    let bearer = headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| bearer(value.as_bytes()));
    let plain = [&X_API_KEY, &X_GOOG_API_KEY]
        .into_iter()
        .flat_map(|name| headers.get_all(name).iter().map(|value| value.as_bytes().trim_ascii()));
    let in_headers = bearer.chain(plain).map(Cow::Borrowed);
    let in_query = query.into_iter().flat_map(|query| query.split('&')).filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        (*percent_decoded(name) == *b"key").then(|| percent_decoded(value))
    });
    for key in in_headers.chain(in_query) {
        if !OWN_PREFIXES.iter().any(|prefix| key.starts_with(prefix.as_bytes())) {
            continue;
        }
        match &found {
            None => found = Some(key),
            Some(first) if **first == *key => {}
            Some(_) => return Presented::Different,
        }
    }
    if found.is_some() { Presented::One } else { Presented::None }
}

/// The credential of `Authorization: Bearer`, whatever the scheme's case. Without a scheme the whole value counts, so that
/// a misplaced key is refused rather than ignored.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    match value.iter().position(u8::is_ascii_whitespace) {
        None => Some(value),
        Some(end) => value[..end].eq_ignore_ascii_case(b"bearer").then(|| value[end..].trim_ascii_start()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_str(v).unwrap())).collect()
    }

    fn code(
        pairs: &[(&'static str, &str)],
        query: Option<&str>,
        peer: PeerIdentity,
        keyless: Keyless,
    ) -> Option<InferenceCode> {
        identify(&headers(pairs), query, peer, keyless).err().map(|refusal| refusal.code)
    }

    #[test]
    fn the_table_of_callers() {
        use InferenceCode::{InvalidApiKey, InvalidRequest, PeerNotAllowed};
        use Keyless::{Never, SameUser};
        let other_users = [PeerIdentity::OtherUser(0), PeerIdentity::OtherUser(7), PeerIdentity::Unknown];
        for any in [&[][..], &[("authorization", "Bearer sk-x")], &[("x-api-key", "anything")]] {
            assert_eq!(code(any, None, PeerIdentity::SameUser, SameUser), None);
            assert_eq!(code(any, Some("key=AIza"), PeerIdentity::SameUser, SameUser), None);
            assert_eq!(code(any, None, PeerIdentity::SameUser, Never), Some(PeerNotAllowed));
            for peer in other_users {
                assert_eq!(code(any, None, peer, SameUser), Some(PeerNotAllowed));
                assert_eq!(code(any, None, peer, Never), Some(PeerNotAllowed));
            }
        }
        for peer in
            [PeerIdentity::SameUser, PeerIdentity::OtherUser(0), PeerIdentity::OtherUser(7), PeerIdentity::Unknown]
        {
            for keyless in [SameUser, Never] {
                for pairs in [
                    ("authorization", "Bearer brk_1"),
                    ("authorization", "bEARER   bra_1 "),
                    ("authorization", "brk_1"),
                    ("x-api-key", "bra_1"),
                    ("x-goog-api-key", " brk_1"),
                ] {
                    assert_eq!(code(&[pairs], None, peer, keyless), Some(InvalidApiKey), "{pairs:?}");
                    assert_eq!(code(&[pairs], Some("a=b&key=brk_2"), peer, keyless), Some(InvalidRequest), "{pairs:?}");
                }
                for query in ["key=brk_1", "a&b=c&key=bra_1", "%6Bey=b%72k_1", "key=brk_1&key=brk_1"] {
                    assert_eq!(code(&[], Some(query), peer, keyless), Some(InvalidApiKey), "{query}");
                }
                assert_eq!(code(&[], Some("key=brk_1&key=bra_1"), peer, keyless), Some(InvalidRequest));
                let same = [("authorization", "Bearer brk_1"), ("x-api-key", "brk_1")];
                assert_eq!(code(&same, None, peer, keyless), Some(InvalidApiKey), "one key twice is one key");
                let twice = [("x-api-key", "brk_1"), ("x-goog-api-key", "brk_2")];
                assert_eq!(code(&twice, None, peer, keyless), Some(InvalidRequest));
            }
        }
    }

    #[test]
    fn a_key_beside_a_foreign_string_is_still_a_key() {
        let pairs = [("authorization", "Bearer sk-live"), ("x-api-key", "brk_1")];
        assert_eq!(code(&pairs, None, PeerIdentity::SameUser, Keyless::SameUser), Some(InferenceCode::InvalidApiKey));
    }

    #[test]
    fn metrics_are_for_the_same_user_whatever_keyless_says() {
        let none = HeaderMap::new();
        assert_eq!(same_user(&none, None, PeerIdentity::SameUser).ok(), Some(Caller::Local));
        for peer in [PeerIdentity::OtherUser(0), PeerIdentity::Unknown] {
            assert_eq!(same_user(&none, None, peer).unwrap_err().code, InferenceCode::PeerNotAllowed);
        }
    }

    #[test]
    fn refusals_never_repeat_the_credential() {
        let sent = headers(&[("authorization", "Bearer brk_secretcanary")]);
        let refusal = identify(&sent, None, PeerIdentity::SameUser, Keyless::SameUser).unwrap_err();
        assert!(!format!("{refusal:?}").contains("canary"));
    }

    proptest::proptest! {
        #[test]
        fn anything_presented_is_judged_without_a_panic(value: Vec<u8>, query in ".*") {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.insert(header::AUTHORIZATION, value);
            }
            presented(&headers, Some(&query));
        }

        #[test]
        fn every_spelling_of_a_key_in_the_query_is_seen(key in "br[ka]_[a-z0-9]{0,20}", mask: u64) {
            let spelt: String = key.bytes().enumerate()
                .map(|(i, b)| if mask >> (i % 64) & 1 == 1 { format!("%{b:02X}") } else { char::from(b).to_string() })
                .collect();
            proptest::prop_assert_eq!(presented(&HeaderMap::new(), Some(&format!("key={spelt}"))), Presented::One);
        }
    }
}
