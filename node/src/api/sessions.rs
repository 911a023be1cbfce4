//! `/v1/namespaces/{nsid}/sessions`: who is signed in where, and an end to it.

use bitrouter_proto::account::{List, Role, Session};
use serde::Serialize;

use crate::{
    http::{
        Call,
        error::{ApiError, Code},
        query::Query,
    },
    keys::RevokedSession,
    oauth::sessions,
};

/// The parameters of an end.
pub(super) const REVOKE: &[&str] = &[KEYS];
const KEYS: &str = "keys";

/// What opens nothing any more, and what became of the keys that were minted through it, where there were some.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "they are the members of the reply")]
pub(super) struct Revoked {
    revoked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys_revoked: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys_kept: Option<usize>,
}

/// The sessions that have not ended, the newest first.
pub(super) async fn list(call: Call) -> Result<List<Session>, ApiError> {
    let rows = call.node.sessions(call.granted.namespace()?).await?;
    Ok(List { data: rows.into_iter().map(row).collect() })
}

fn row(session: sessions::Session) -> Session {
    Session {
        id: session.id,
        client_id: session.client_id,
        subject: session.subject,
        scopes: session.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
        created_at: session.created_at.to_string(),
        last_used_at: session.last_used_at.to_string(),
        expires_at: session.expires_at.to_string(),
    }
}

/// Ends a session: its next request is refused, and so is that of each key that was minted through it, but with `?keys=keep`.
/// A session of another person takes an admin or the owner.
pub(super) async fn revoke(call: Call) -> Result<Revoked, ApiError> {
    let (node, granted) = (&call.node, &call.granted);
    let absent = || ApiError::new(Code::NotFound, "there is no such session");
    let keeps_keys = Query::read(call.head.uri.query(), REVOKE)?.is(KEYS, "keep")?;
    let session = node.session(granted.session.ok_or_else(absent)?).await?.ok_or_else(absent)?;
    if session.subject != granted.person()? && !granted.role.is_some_and(Role::is_over_others) {
        let words = "this session is another person's: only an admin or the owner of the namespace may end it";
        return Err(ApiError::new(Code::Forbidden, words));
    }
    let some = |keys| (keys > 0).then_some(keys);
    Ok(match node.revoke_session(session.id, keeps_keys).await? {
        RevokedSession::WithKeys(keys) => Revoked { revoked: true, keys_revoked: some(keys), keys_kept: None },
        RevokedSession::WithoutKeys(keys) => Revoked { revoked: true, keys_revoked: None, keys_kept: Some(keys) },
    })
}
