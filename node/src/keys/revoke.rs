//! The end of keys: one with all that came of it, and those of a session that somebody ends.

use bitrouter_proto::account::{GrantId, KeyId, NamespaceId, PersonId, Role};

use super::KeyError;
use crate::{
    Node, NodeWarning,
    revocations::{Revocation, Revoked},
    store::{ApiKeyRow, EndReason, GrantRow, StoreError},
};

/// What became of the keys of a session that was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokedSession {
    /// So many ended with it.
    WithKeys(usize),
    /// So many hold.
    WithoutKeys(usize),
}

impl Node {
    /// Revokes a key of a namespace with all that were minted with it, from the next request on; one that was revoked stays
    /// so. `person`, who is `role` there, asks for it.
    ///
    /// # Errors
    /// [`KeyError::Absent`] where there is none, [`KeyError::Others`] where that is not this person's to decide.
    pub(crate) async fn revoke_key(
        &self,
        namespace: NamespaceId,
        id: KeyId,
        person: PersonId,
        role: Option<Role>,
    ) -> Result<(), KeyError> {
        let mut write = self.store.write().await?;
        let row = ApiKeyRow::find(&mut write, id).await?.filter(|row| row.namespace == Some(namespace));
        let row = row.ok_or(KeyError::Absent)?;
        if row.person != person && !role.is_some_and(Role::is_over_others) {
            return Err(KeyError::Others);
        }
        if row.revoked_at.is_none() {
            let (Revoked::Whole | Revoked::Later) = self.revoke(write, Revocation::Key(id)).await?;
            self.note_keys_of_replayed_sessions().await;
        }
        Ok(())
    }

    /// Ends a session that somebody wants ended, with the keys that were minted through it unless they are to be kept.
    ///
    /// # Errors
    /// Where it could not be written; its tokens are refused all the same, until the node is opened again.
    pub async fn revoke_session(&self, id: GrantId, keeps_keys: bool) -> Result<RevokedSession, StoreError> {
        if keeps_keys {
            self.end_grant(id, EndReason::RevokedByPerson).await?;
            return Ok(RevokedSession::WithoutKeys(self.keys.count_of(id)));
        }
        self.live.end_grant(id);
        let mut write = self.store.write().await?;
        // Under the turn to write no key is minted.
        let keys = self.keys.count_of(id);
        match GrantRow::end(&mut write, id, EndReason::RevokedByPerson, self.clock.wall()).await {
            // The line in the log has room, whatever the row has.
            Err(StoreError::Full { .. }) => {}
            done => {
                done?;
            }
        }
        let (Revoked::Whole | Revoked::Later) = self.revoke(write, Revocation::GrantWithKeys(id)).await?;
        Ok(RevokedSession::WithKeys(keys))
    }

    /// Says which keys hold though the session that they come from was ended because a refresh token or the code of it had
    /// been stolen, or used twice by mistake.
    pub(crate) async fn note_keys_of_replayed_sessions(&self) {
        let found = async { ApiKeyRow::of_replayed(&mut self.store.read().await?, self.clock.wall()).await };
        match found.await {
            Ok(mut found) => {
                found.retain(|(_, key)| self.keys.holds(*key));
                if found.is_empty() {
                    self.unwarn(|warning| matches!(warning, NodeWarning::KeysOfReplayed { .. }));
                } else {
                    let keys = found.into_iter().map(|(_, key)| key).collect();
                    self.warn(NodeWarning::KeysOfReplayed { keys });
                }
            }
            Err(error) => tracing::warn!(%error, "the keys of a session that was used twice could not be looked up"),
        }
    }

    /// Somebody says that keys which were suspended hold: this one, or all. How many.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn confirm_keys(&self, id: Option<KeyId>) -> Result<u64, StoreError> {
        let mut write = self.store.write().await?;
        let confirmed = ApiKeyRow::confirm(&mut write, id).await?;
        write.commit().await?;
        self.keys.confirm(id);
        self.note_suspended_keys();
        Ok(confirmed)
    }

    /// Says how many keys are suspended, as long as any is.
    pub(crate) fn note_suspended_keys(&self) {
        match self.keys.count_suspended() {
            0 => self.unwarn(|warning| matches!(warning, NodeWarning::KeysSuspended { .. })),
            count => self.warn(NodeWarning::KeysSuspended { count }),
        }
    }
}
