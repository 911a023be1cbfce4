//! The sessions of programs: listing and ending them.

use bitrouter_proto::account::{GrantId, NamespaceId, PersonId, ScopeSet};

use crate::{
    Node,
    clock::Moment,
    revocations::{Revocation, Revoked},
    store::{EndReason, GrantRow, StoreError},
};

/// A session as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Which.
    pub id: GrantId,
    /// The client that holds its tokens.
    pub client_id: String,
    /// The namespace that it reaches.
    pub namespace: NamespaceId,
    /// The person behind it.
    pub subject: PersonId,
    /// What it was granted.
    pub scopes: ScopeSet,
    /// Since when.
    pub created_at: Moment,
    /// When one of its tokens was last used.
    pub last_used_at: Moment,
    /// When it ends unless it is refreshed before.
    pub expires_at: Moment,
}

impl Node {
    /// The sessions in a namespace that have not ended, the newest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn sessions(&self, namespace: NamespaceId) -> Result<Vec<Session>, StoreError> {
        let now = self.clock.wall();
        let open = GrantRow::of_namespace(&mut self.store.read().await?, namespace, now).await?;
        Ok(open.into_iter().filter(|grant| !self.is_over(grant)).map(|grant| self.session_of(grant)).collect())
    }

    /// A session that has not ended.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn session(&self, id: GrantId) -> Result<Option<Session>, StoreError> {
        let now = self.clock.wall();
        let found = GrantRow::find(&mut self.store.read().await?, id).await?;
        let open = found.filter(|found| {
            let grant = &found.row;
            !found.has_ended && !self.is_over(grant) && grant.ends_at() > now
        });
        Ok(open.map(|found| self.session_of(found.row)))
    }

    /// Ends a session: from the next request on, and whatever becomes of the database. False where it had ended.
    ///
    /// # Errors
    /// Where it could not be written; its tokens are refused all the same, until the node is opened again.
    pub async fn end_grant(&self, id: GrantId, reason: EndReason) -> Result<bool, StoreError> {
        self.live.end_grant(id);
        let mut write = match self.store.write().await {
            // Who holds the token or the socket may end it: there was no more to ask for.
            Err(StoreError::Away { .. }) => {
                let (Revoked::Whole | Revoked::Later) = self.revoke_unreached(Revocation::Grant(id)).await?;
                return Ok(true);
            }
            done => done?,
        };
        let ended = match GrantRow::end(&mut write, id, reason, self.clock.wall()).await {
            // The line in the log has room, whatever the row has.
            Err(StoreError::Full { .. }) => true,
            done => done?,
        };
        if ended {
            let (Revoked::Whole | Revoked::Later) = self.revoke(write, Revocation::Grant(id)).await?;
        } else {
            self.live.end_is_durable(id);
        }
        Ok(ended)
    }

    /// True where a session was ended, or its person, namespace or client was, or the one is nothing in the other any more,
    /// however far the database is.
    pub(crate) fn is_over(&self, grant: &GrantRow) -> bool {
        self.live.has_ended(grant.id, grant.person, grant.namespace)
            || self.clients.is_gone(&grant.client_id)
            || self.roles.of(grant.person, grant.namespace).is_none()
    }

    /// When a session was last used: what is written lags behind by seconds.
    pub(crate) fn last_used(&self, grant: &GrantRow) -> Moment {
        self.live.last_used(grant.id).map_or(grant.last_used_at, |at| at.max(grant.last_used_at))
    }

    fn session_of(&self, grant: GrantRow) -> Session {
        Session {
            last_used_at: self.last_used(&grant),
            expires_at: grant.ends_at(),
            id: grant.id,
            client_id: grant.client_id,
            namespace: grant.namespace,
            subject: grant.person,
            scopes: grant.scopes,
            created_at: grant.created_at,
        }
    }
}
