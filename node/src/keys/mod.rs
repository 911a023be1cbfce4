//! API keys: `brk_…`, of one namespace each, and the operator's reading keys, of none.
//!
//! `mint` makes one, with no more than its minter can; [`live`] judges it, from memory; `revoke` ends it with all that came of
//! it. What a key comes from, [`Chain`], is known for as long as it lives, whatever became of the session above it.

pub(crate) mod live;
mod mint;
mod operator;
mod revoke;
mod runs;

use std::sync::Arc;

use bitrouter_gateway::http::{Caller, Principal};
use bitrouter_proto::account::{
    CredentialId, GrantId, KeyId, NameError, NamespaceId, PersonId, Scope, ScopeSet, keys::Key,
};
use secrecy::{ExposeSecret as _, SecretString};

pub(crate) use self::mint::{Minted, Minter, Wanted, again, mint};
pub use self::revoke::RevokedSession;
use crate::{
    Node,
    clock::Moment,
    http::idempotency::ClaimError,
    secret::{PresentedToken, TokenKind},
    steady::KEYS_KEPT,
    store::{ApiKeyRow, StoreError},
};

/// So many keys of a namespace live at once at most.
pub const MOST: usize = 10_000;
/// So many keys a chain has at most: one that a person or a session has minted, one minted with that, and so on.
pub const DEEPEST: i64 = 8;
/// What no key holds: provider keys are a person's, for all the person's namespaces.
pub(crate) const NEVER: ScopeSet = ScopeSet::of(&[Scope::ByokWrite]);
/// So many characters of a key are shown.
const SHOWN: usize = 12;

/// What a credential comes from: rules bound to any of it hold for the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The namespace; none of a reading key of the operator's.
    pub namespace: Option<NamespaceId>,
    /// The person behind it.
    pub person: PersonId,
    /// The key, then the one that it was minted with, and so on. Empty for a session.
    pub keys: Vec<KeyId>,
    /// The session, or the one at the head of the keys, which may have ended.
    pub grant: Option<GrantId>,
    /// The client of that session.
    pub client: Option<Arc<str>>,
}

/// Why no key was made or ended.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be called so.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It would be able to do nothing.
    #[error("a key needs at least one scope")]
    NoScope,
    /// Its minter cannot do that.
    #[error("scope exceeds the caller's: {0}")]
    Exceeds(ScopeSet),
    /// No key can do that.
    #[error("scope exceeds what a key can hold: {0}")]
    Never(ScopeSet),
    /// It would have ended already.
    #[error("`expires_at` lies in the past")]
    Past,
    /// What it should be minted with has ended meanwhile.
    #[error(
        "the credential that it should be minted with has ended; `bitrouter auth login` gets a new session, and `bitrouter cloud keys mint` a key"
    )]
    MinterEnded,
    /// Too many keys stand above it.
    #[error(
        "it would stand deeper than depth {DEEPEST}, which is the most: so many keys are minted one with the other; mint it with one further up, or with a session"
    )]
    TooDeep,
    /// There are as many as there may be.
    #[error("there are {MOST} keys already, which is the most at once; revoke some first")]
    TooMany,
    /// An earlier call made it, and its secret cannot be told again.
    #[error(
        "`{0}` was made with this `Idempotency-Key`, and was used or is too old to be shown again; revoke it and mint another one with another `Idempotency-Key`"
    )]
    Made(KeyId),
    /// An earlier call made it, and it opens nothing any more.
    #[error(
        "`{0}` was made with this `Idempotency-Key`, and has been revoked or has expired since; mint another one with another `Idempotency-Key`"
    )]
    MadeAndEnded(KeyId),
    /// The call cannot be told from another one.
    #[error(transparent)]
    Claimed(ClaimError),
    /// There is none that is meant.
    #[error("there is no such key")]
    Absent,
    /// Somebody else minted it.
    #[error("another person minted this key: an admin or the owner of the namespace may revoke it")]
    Others,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ClaimError> for KeyError {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::Store(error) => Self::Store(error),
            error => Self::Claimed(error),
        }
    }
}

/// The first characters of a key: what it begins with, and the beginning of its id.
fn shown(id: KeyId) -> String {
    let mut text = format!("{}{}", TokenKind::Key.prefix(), id.bare());
    text.truncate(SHOWN);
    text
}

/// What `key` says of itself; `None` for what is no key of ours.
fn presented(key: &SecretString) -> Option<PresentedToken> {
    PresentedToken::parse(key.expose_secret().as_bytes()).filter(|presented| presented.kind == TokenKind::Key)
}

impl Node {
    /// The keys of a namespace, the newest first, those that were revoked too, until they are forgotten.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn keys(&self, namespace: NamespaceId) -> Result<Vec<Key>, StoreError> {
        let since = self.clock.wall().before(KEYS_KEPT);
        let rows = ApiKeyRow::of_namespace(&mut self.store.read().await?, namespace, since).await?;
        Ok(rows.into_iter().map(|row| self.told(row)).collect())
    }

    /// True for a key of this node, also for one that has ended, as long as it is remembered.
    pub async fn has_minted(&self, key: &SecretString) -> bool {
        let Some(presented) = presented(key) else { return false };
        if self.keys.knows(&presented) {
            return true;
        }
        let Ok(mut read) = self.store.read().await else { return false };
        let row = ApiKeyRow::find(&mut read, KeyId::new(presented.id)).await;
        row.is_ok_and(|row| row.is_some_and(|row| row.hash == presented.hash))
    }

    /// Whom a key of this node stands for now, without that being a use of it; `None` for any other text, for a key that opens
    /// nothing, and for the operator's, which stand for nobody.
    pub fn holder_of(&self, key: &SecretString) -> Option<Principal> {
        match self.keys.look(&presented(key)?, &self.roles) {
            Ok(Caller::Credential(principal)) => Some(principal),
            Ok(_) | Err(_) => None,
        }
    }

    /// What a credential comes from, from memory: a key, or a session one of whose access tokens is valid. `None` where it
    /// has ended.
    pub fn chain_of(&self, credential: CredentialId) -> Option<Chain> {
        match credential {
            CredentialId::Key(id) => self.keys.chain_of(id),
            CredentialId::Grant(id) => self.live.chain_of(id),
        }
    }

    /// A key as people see it.
    fn told(&self, row: ApiKeyRow) -> Key {
        let now = self.clock.wall();
        // Memory is ahead of a database that could not take a revocation yet.
        let is_pending = row.is_live(now) && !self.keys.holds(row.id);
        let pending = || self.store.pending().lines().last().map_or(now, |line| line.at);
        let text = |at: Moment| at.to_string();
        Key {
            id: row.id,
            display_name: row.name,
            key_prefix: shown(row.id),
            scopes: scopes(row.scopes),
            expires_at: row.expires_at.map(text),
            last_used_at: self.keys.last_used(row.id).max(row.last_used_at).map(text),
            revoked_at: row.revoked_at.or_else(|| is_pending.then(pending)).map(text),
            suspended_at: row.suspended_at.map(text),
            created_at: row.created_at.to_string(),
            parent_id: row.parent.map(|parent| parent.to_string()),
            subject: Some(row.person.to_string()),
        }
    }
}

fn scopes(set: ScopeSet) -> Vec<String> {
    set.iter().map(|scope| scope.as_str().to_owned()).collect()
}

#[cfg(test)]
mod tests;
