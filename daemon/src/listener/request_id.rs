//! The id of a request: the caller's own where it is usable, else `req_` and a ULID in lower case.

use bitrouter_gateway::http::RequestId;
use http::{HeaderName, HeaderValue};
use ulid::{ULID_LEN, Ulid};

/// The header that carries the id, in both directions.
pub(super) const NAME: &str = "x-bitrouter-request-id";
pub(super) const HEADER: HeaderName = HeaderName::from_static(NAME);

const PREFIX: &[u8] = b"req_";
const LONGEST: usize = 64;

/// The id that its caller gave a request, where it is usable; `sent` is what the caller says, where it does so once.
pub(super) fn of_caller(sent: Option<&HeaderValue>) -> Option<RequestId> {
    sent.filter(|id| usable(id.as_bytes())).cloned().and_then(RequestId::new)
}

fn usable(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// An id of ours.
pub(super) fn mint() -> RequestId {
    let mut ulid = [0; ULID_LEN];
    Ulid::from_datetime(bitrouter_proto::clock::wall_now()).array_to_str(&mut ulid);
    ulid.make_ascii_lowercase();
    let mut id = Vec::with_capacity(PREFIX.len() + ULID_LEN);
    id.extend_from_slice(PREFIX);
    id.extend_from_slice(&ulid);
    RequestId::from_text(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(sent: &str) -> String {
        let sent = HeaderValue::from_str(sent).unwrap();
        of_caller(Some(&sent)).unwrap_or_else(mint).as_str().to_owned()
    }

    #[test]
    fn a_usable_id_of_the_caller_is_kept() {
        for sent in ["a", "req_01-X", &"z".repeat(64)] {
            assert_eq!(id(sent), sent);
        }
    }

    #[test]
    fn anything_else_gets_one_of_ours() {
        for sent in ["", "a b", "é", "a/b", &*"z".repeat(65)] {
            let id = id(sent);
            assert_eq!(id.len(), 30, "{sent:?}");
            let ulid = id.strip_prefix("req_").unwrap();
            assert!(ulid.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{id}");
        }
        assert!(of_caller(None).is_none());
        assert_ne!(mint(), mint());
    }
}
