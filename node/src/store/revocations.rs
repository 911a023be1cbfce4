//! Rights that are taken away, in the database: each is done again without harm.

use std::sync::{Mutex, PoisonError};

use bitrouter_proto::account::OauthClientId;

use super::{
    ApiKeyRow, AuthorizationCodeRow, BindingRow, ByokRow, DeviceCodeRow, EndReason, GrantRow, MemberRow, NamespaceRow,
    OauthClientRow, PersonRow, StoreError, WebSessionRow, Write, execute, sign_in_addresses,
};
use crate::{
    clock::Moment,
    revocations::{Revocation, RevokedLine},
};

/// What stands in `revoked.log` and not yet in the database, the oldest first. Every transaction begins with it.
#[derive(Debug, Default)]
pub(crate) struct Pending(Mutex<Vec<RevokedLine>>);

impl Pending {
    /// One more.
    pub(crate) fn add(&self, line: RevokedLine) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// All of them.
    pub(crate) fn lines(&self) -> Vec<RevokedLine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// True where the database has everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The database has everything up to `seq`.
    pub(super) fn done(&self, seq: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|line| line.seq > seq);
    }
}

/// Changes the rows of `line`, and notes that it was done.
pub(super) async fn apply(write: &mut Write, line: &RevokedLine) -> Result<(), StoreError> {
    let at = line.at;
    match line.what {
        Revocation::Grant(id) => {
            GrantRow::end(write, id, EndReason::Revoked, at).await?;
        }
        Revocation::GrantWithKeys(id) => {
            GrantRow::end(write, id, EndReason::RevokedByPerson, at).await?;
            ApiKeyRow::revoke_of_grant(write, id, at).await?;
            BindingRow::forget_of_clients(write, at).await?;
        }
        Revocation::StoredKey(hash) => ByokRow::delete(write, hash).await?,
        Revocation::Key(id) => {
            ApiKeyRow::revoke(write, id, at).await?;
            BindingRow::forget_of_clients(write, at).await?;
        }
        Revocation::KeySecret(former) => ApiKeyRow::clear_hash(write, former).await?,
        Revocation::Client(id) => {
            end_client(write, id, at).await?;
            BindingRow::forget_of_clients(write, at).await?;
        }
        Revocation::ClientWithKeys(id) => {
            end_client(write, id, at).await?;
            ApiKeyRow::revoke_of_client(write, id, at).await?;
            BindingRow::forget_of_clients(write, at).await?;
        }
        Revocation::ClientSecret(former) => OauthClientRow::clear_secret(write, former).await?,
        Revocation::Namespace(id) => {
            NamespaceRow::archive(write, id, at).await?;
            GrantRow::end_of_namespace(write, id, at).await?;
            ApiKeyRow::revoke_of_namespace(write, id, at).await?;
        }
        Revocation::Membership(namespace, person) => {
            MemberRow::delete(write, namespace, person).await?;
            DeviceCodeRow::withdraw_all(write, namespace, person, at).await?;
            AuthorizationCodeRow::withdraw_of_member(write, namespace, person, at).await?;
            GrantRow::end_of_member(write, namespace, person, at).await?;
            ApiKeyRow::revoke_of_member(write, namespace, person, at).await?;
        }
        Revocation::Role(namespace, person, role) => MemberRow::lessen(write, namespace, person, role).await?,
        Revocation::Person(id) => {
            PersonRow::remove(write, id, at).await?;
            NamespaceRow::archive_of(write, id, at).await?;
            WebSessionRow::delete_of(write, id).await?;
            ByokRow::delete_of(write, id).await?;
            sign_in_addresses::forget(write, id).await?;
            GrantRow::end_of_person(write, id, at).await?;
            ApiKeyRow::revoke_of_person(write, id, at).await?;
        }
        Revocation::WebSessions(id) => WebSessionRow::delete_until(write, Some(id), at).await?,
        Revocation::WebSession(hash) => WebSessionRow::delete(write, hash).await?,
        // The new one is set behind this, in the same transaction.
        Revocation::Password(id) => {
            PersonRow::clear_password(write, id).await?;
            WebSessionRow::delete_until(write, Some(id), at).await?;
        }
        Revocation::Everything => {
            WebSessionRow::delete_until(write, None, at).await?;
            GrantRow::end_all(write, at).await?;
            ApiKeyRow::suspend_all(write, at).await?;
            DeviceCodeRow::deny_all(write, at).await?;
            AuthorizationCodeRow::withdraw_all(write, at).await?;
        }
    }
    execute!(write, "UPDATE node SET revoked_seq = $1 WHERE id = 1 AND revoked_seq < $1", line.seq)?;
    Ok(())
}

async fn end_client(write: &mut Write, id: OauthClientId, at: Moment) -> Result<(), StoreError> {
    OauthClientRow::delete(write, id, at).await?;
    DeviceCodeRow::withdraw_of_client(write, id, at).await?;
    AuthorizationCodeRow::withdraw_of_client(write, id, at).await?;
    GrantRow::end_of_client(write, id, at).await?;
    Ok(())
}
