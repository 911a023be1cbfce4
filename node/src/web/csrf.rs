//! Tokens that only our own pages know: derived from the node's key and the session, never stored.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::secret::{NodeKey, TokenHash};

/// The token of a session.
pub(super) fn of_session(key: &NodeKey, session: TokenHash) -> String {
    URL_SAFE_NO_PAD.encode(key.derive("csrf token of a web session", &[session.to_hex().as_bytes()]))
}

/// The token of the sign-in form, for a browser with this cookie.
pub(super) fn of_form(key: &NodeKey, cookie: &str) -> String {
    URL_SAFE_NO_PAD.encode(key.derive("csrf token of the sign-in form", &[cookie.as_bytes()]))
}

/// True where they are the same; how far they agree does not show in the time.
pub(super) fn same(expected: &str, sent: &str) -> bool {
    expected.len() == sent.len()
        && expected.bytes().zip(sent.bytes()).fold(0, |differ, (one, other)| differ | (one ^ other)) == 0
}
