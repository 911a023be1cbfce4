//! `/v1/namespaces/{nsid}/sessions`: who is signed in where, and an end to it.

use bitrouter_proto::account::{List, Role, Session};
use serde::Serialize;

use crate::{
    http::{
        Call,
        error::{ApiError, Code},
    },
    oauth::sessions,
    store::EndReason,
};

/// What opens nothing any more.
#[derive(Debug, Serialize)]
pub(super) struct Revoked {
    revoked: bool,
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

/// Ends a session: its next request is refused. A session of another person takes an admin or the owner.
pub(super) async fn revoke(call: Call) -> Result<Revoked, ApiError> {
    let absent = || ApiError::new(Code::NotFound, "there is no such session");
    let id = call.granted.session.ok_or_else(absent)?;
    let session = call.node.session(id).await?.ok_or_else(absent)?;
    if session.subject != call.granted.person()? && !call.granted.role.is_some_and(Role::is_over_others) {
        let words = "this session is another person's: only an admin or the owner of the namespace may end it";
        return Err(ApiError::new(Code::Forbidden, words));
    }
    call.node.end_grant(id, EndReason::RevokedByPerson).await?;
    Ok(Revoked { revoked: true })
}
