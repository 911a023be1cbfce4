//! The id of a request: the caller's own where it is usable, else `req_` and a ULID in lower case.

use bitrouter_gateway::http::RequestId;
use http::{HeaderMap, HeaderName};
use ulid::{ULID_LEN, Ulid};

/// The header that carries the id, in both directions.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-bitrouter-request-id");

const PREFIX: &[u8] = b"req_";
const LONGEST: usize = 64;

/// The id that this request goes by.
pub(super) fn of(headers: &HeaderMap) -> RequestId {
    let mut sent = headers.get_all(&HEADER).iter();
    let sent = match (sent.next(), sent.next()) {
        (Some(value), None) if usable(value.as_bytes()) => Some(value.clone()),
        _ => None,
    };
    sent.and_then(RequestId::new).unwrap_or_else(mint)
}

fn usable(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

fn mint() -> RequestId {
    let mut ulid = [0; ULID_LEN];
    Ulid::from_datetime(bitrouter_proto::clock::wall()).array_to_str(&mut ulid);
    ulid.make_ascii_lowercase();
    let mut id = Vec::with_capacity(PREFIX.len() + ULID_LEN);
    id.extend_from_slice(PREFIX);
    id.extend_from_slice(&ulid);
    RequestId::from_text(id)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (HEADER, HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_usable_id_of_the_caller_is_kept() {
        for id in ["a", "req_01-X", &"z".repeat(64)] {
            assert_eq!(of(&with(&[id])).as_str(), id);
        }
    }

    #[test]
    fn anything_else_gets_one_of_ours() {
        for ids in [&[][..], &[""], &["a b"], &["é"], &["a/b"], &["a", "b"], &[&*"z".repeat(65)]] {
            let id = of(&with(ids));
            let id = id.as_str();
            assert_eq!(id.len(), 30, "{ids:?}");
            let ulid = id.strip_prefix("req_").unwrap();
            assert!(ulid.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{id}");
        }
        assert_ne!(mint(), mint());
    }
}
