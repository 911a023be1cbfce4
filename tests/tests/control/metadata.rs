//! Every answer says which release and which protocol gave it, a refusal too.

use bitrouter_proto::{PROTOCOL, PROTOCOL_HEADER, VERSION, VERSION_HEADER};
use http::HeaderMap;

/// Checks that both are announced, once each.
#[track_caller]
pub(crate) fn is_announced(what: &str, metadata: &HeaderMap) {
    let all = |name: &str| -> Vec<String> {
        metadata.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    };
    assert_eq!(all(VERSION_HEADER), [VERSION], "`{VERSION_HEADER}` of {what}");
    assert_eq!(all(PROTOCOL_HEADER), [PROTOCOL.to_string()], "`{PROTOCOL_HEADER}` of {what}");
}
