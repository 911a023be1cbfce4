//! The id of a request: the caller's own where it is usable, else `req_` and a ULID in lower case.

use bitrouter_gateway::http::RequestId;
use http::{HeaderName, HeaderValue};
use ulid::{ULID_LEN, Ulid};

/// The header that carries the id, in both directions.
pub(super) const NAME: &str = "x-bitrouter-request-id";
pub(super) const HEADER: HeaderName = HeaderName::from_static(NAME);

const PREFIX: &[u8] = b"req_";
const LONGEST: usize = 64;

/// The id that a request goes by; `sent` is what its caller calls it, where it says so once.
pub(super) fn of(sent: Option<&HeaderValue>) -> RequestId {
    sent.filter(|id| usable(id.as_bytes())).cloned().and_then(RequestId::new).unwrap_or_else(mint)
}

fn usable(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

fn mint() -> RequestId {
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
        of(Some(&HeaderValue::from_str(sent).unwrap())).as_str().to_owned()
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
        assert_ne!(of(None), of(None));
    }
}
