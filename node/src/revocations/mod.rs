//! What takes a right away: a line in `revoked.log` first, then memory, then the database.
//!
//! The line is durable before anybody is told, and there is room for it on a full disk. What the database could not take
//! then is applied by the next transaction that is committed, or at the next start. A database that is put back from a
//! backup is brought up to the log in the same way: what was revoked stays so.

mod log;

use std::sync::Arc;

use bitrouter_proto::account::{GrantId, KeyId, NamespaceId, OauthClientId, PersonId, Role};

pub use self::log::LogError;
pub(crate) use self::log::RevokedLog;
use crate::{
    Node,
    clock::Moment,
    secret::TokenHash,
    store::{ApiKeyRow, OauthClientRow, PersonRow, Store, StoreError, WebSessionRow, Write},
};

/// What is taken away. Each can be done again without harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// A session of a program, with its tokens.
    Grant(GrantId),
    /// The same, with all keys that come from it.
    GrantWithKeys(GrantId),
    /// An API key, with all that were minted with it, and with those.
    Key(KeyId),
    /// The secret of an API key, which has another one.
    KeySecret(TokenHash),
    /// A provider key that a person has stored: the one that was submitted as this.
    StoredKey(TokenHash),
    /// An OAuth client that somebody registered, with its sessions.
    Client(OauthClientId),
    /// The same, with all keys that come from them.
    ClientWithKeys(OauthClientId),
    /// The secret of an OAuth client, which has another one.
    ClientSecret(TokenHash),
    /// A namespace, with all sessions, keys and OAuth clients in it.
    Namespace(NamespaceId),
    /// What a person was in the namespace of another one, with the person's sessions and keys there.
    Membership(NamespaceId, PersonId),
    /// What a person may do in the namespace of another one, but for what this role allows.
    Role(NamespaceId, PersonId, Role),
    /// A person, with the namespaces that the person owns, all sessions and all keys.
    Person(PersonId),
    /// The web sessions of a person, who has another password.
    WebSessions(PersonId),
    /// One web session: somebody signed out there.
    WebSession(TokenHash),
    /// The password of a person as it was until now, with the person's web sessions.
    Password(PersonId),
    /// Every session of everybody; every key, until somebody says that it holds.
    Everything,
}

/// A line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevokedLine {
    /// Its number, from 1.
    pub seq: i64,
    /// When.
    pub at: Moment,
    /// What.
    pub what: Revocation,
}

/// What comes in the place of what is taken away, in the same transaction.
enum Successor<'a> {
    None,
    Password(PersonId, &'a str),
    Secret(KeyId, TokenHash),
    ClientSecret(OauthClientId, TokenHash),
}

/// How far a revocation came. Either way it holds from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Revoked {
    /// The database has it, with everything else of the transaction.
    Whole,
    /// The database could not take it yet and will; what else stood in the transaction did not happen.
    Later,
}

impl Revoked {
    /// For who changed something else in the same transaction.
    ///
    /// # Errors
    /// Where that did not happen.
    pub(crate) fn with_the_rest(self, store: &Store) -> Result<(), StoreError> {
        match self {
            Self::Whole => Ok(()),
            Self::Later => Err(StoreError::NotNow(store.place().path().to_owned())),
        }
    }
}

impl Revocation {
    /// Refuses from the next request on what memory holds.
    fn end_in(self, node: &Node) {
        let Node { live, keys, roles, clients, byok, .. } = node;
        match self {
            Self::Grant(grant) => live.end_grant(grant),
            Self::GrantWithKeys(grant) => {
                live.end_grant(grant);
                keys.end_grant(grant);
            }
            Self::Key(key) => keys.end_key(key),
            Self::StoredKey(hash) => byok.end(hash),
            Self::Client(client) => {
                clients.remove(client);
                live.end_client(client);
            }
            Self::ClientWithKeys(client) => {
                clients.remove(client);
                live.end_client(client);
                keys.end_client(client);
            }
            Self::Namespace(namespace) => {
                clients.remove_namespace(namespace);
                live.end_namespace(namespace);
                keys.end_namespace(namespace);
                roles.remove_namespace(namespace);
            }
            Self::Membership(namespace, person) => {
                roles.take(namespace, person);
                live.end_member(namespace, person);
                keys.end_member(namespace, person);
            }
            Self::Role(namespace, person, role) => roles.give(namespace, person, role),
            Self::Person(person) => {
                live.end_person(person);
                // Those of others in the person's namespaces first: whose these are is still known.
                for namespace in roles.reached_by(person) {
                    if roles.owner(namespace) == Some(person) {
                        keys.end_namespace(namespace);
                        clients.remove_namespace(namespace);
                    }
                }
                keys.end_person(person);
                byok.end_person(person);
                roles.remove_person(person);
            }
            // Done at start, before anything is held.
            // Whoever replaces a secret has put the new one in its place.
            Self::WebSessions(_)
            | Self::WebSession(_)
            | Self::Password(_)
            | Self::Everything
            | Self::KeySecret(_)
            | Self::ClientSecret(_) => {}
        }
    }
}

impl Node {
    /// Takes a right away and commits `write`, in which the caller has made sure that it may.
    ///
    /// The rows of `what` are changed here; the caller may have changed them, and others, before.
    ///
    /// # Errors
    /// Where the line could not be written: nothing happened.
    pub(crate) async fn revoke(&self, write: Write, what: Revocation) -> Result<Revoked, StoreError> {
        self.revoke_and_set(write, what, Successor::None).await
    }

    /// Gives `person` another password: the former one is taken away first, in whatever database is put back too.
    ///
    /// # Errors
    /// Where the line could not be written: nothing happened.
    pub(crate) async fn replace_password(
        &self,
        write: Write,
        person: PersonId,
        hash: &str,
    ) -> Result<Revoked, StoreError> {
        self.revoke_and_set(write, Revocation::Password(person), Successor::Password(person, hash)).await
    }

    /// Gives an API key another secret in place of `former`, which opens nothing in whatever database is put back too.
    ///
    /// # Errors
    /// Where the line could not be written: nothing happened.
    pub(crate) async fn replace_secret(
        &self,
        write: Write,
        key: KeyId,
        former: TokenHash,
        hash: TokenHash,
    ) -> Result<Revoked, StoreError> {
        self.revoke_and_set(write, Revocation::KeySecret(former), Successor::Secret(key, hash)).await
    }

    /// Gives an OAuth client another secret in place of `former`, likewise.
    ///
    /// # Errors
    /// Where the line could not be written: nothing happened.
    pub(crate) async fn replace_client_secret(
        &self,
        write: Write,
        client: OauthClientId,
        former: TokenHash,
        hash: TokenHash,
    ) -> Result<Revoked, StoreError> {
        self.revoke_and_set(write, Revocation::ClientSecret(former), Successor::ClientSecret(client, hash)).await
    }

    /// Takes a right away while the database cannot be reached, which hears of it afterwards. Of what memory does not hold the
    /// caller knows that it was there.
    ///
    /// # Errors
    /// Where the line could not be written: nothing happened.
    pub(crate) async fn revoke_unreached(&self, what: Revocation) -> Result<Revoked, StoreError> {
        let line = self.note(what).await?;
        tracing::warn!(
            seq = line.seq,
            "a revocation stands in `revoked.log` and holds; the database cannot be reached"
        );
        self.have_it_follow();
        Ok(Revoked::Later)
    }

    /// Notes what was replaced and comes back in no database that is put back; this one has it no more.
    ///
    /// # Errors
    /// Where the line could not be written.
    pub(crate) async fn note_replaced(&self, what: Revocation) -> Result<(), StoreError> {
        self.note(what).await?;
        self.have_it_follow();
        Ok(())
    }

    /// Writes the line, and has memory go by it.
    async fn note(&self, what: Revocation) -> Result<RevokedLine, StoreError> {
        let (log, at) = (Arc::clone(&self.revoked_log), self.clock.wall());
        // fsync waits for the disk.
        let line = tokio::task::spawn_blocking(move || log.append(at, what)).await;
        let line = line.unwrap_or(Err(LogError::Unusable)).map_err(StoreError::Log)?;
        what.end_in(self);
        self.note_suspended_keys();
        self.store.pending().add(line);
        Ok(line)
    }

    /// Has the database brought up to the log. Where others wait, somebody does so already.
    fn have_it_follow(&self) {
        if self.revocations_pending() == 1 {
            self.tasks.spawn("revocations", catch_up(self.store.clone(), self.ending.clone()));
        }
    }

    async fn revoke_and_set(
        &self,
        mut write: Write,
        what: Revocation,
        successor: Successor<'_>,
    ) -> Result<Revoked, StoreError> {
        let line = self.note(what).await?;
        let done = async {
            write.catch_up().await?;
            match successor {
                Successor::None => {}
                Successor::Password(person, hash) => PersonRow::set_password(&mut write, person, hash).await?,
                Successor::Secret(key, hash) => ApiKeyRow::set_hash(&mut write, key, hash).await?,
                Successor::ClientSecret(client, hash) => OauthClientRow::set_secret(&mut write, client, hash).await?,
            }
            write.commit().await
        };
        let done = done.await;
        let Err(error) = done else {
            if let Revocation::Grant(grant) | Revocation::GrantWithKeys(grant) = what {
                self.live.end_is_durable(grant);
            }
            return Ok(Revoked::Whole);
        };
        tracing::warn!(%error, seq = line.seq, "a revocation stands in `revoked.log` and holds; the database follows");
        self.have_it_follow();
        Ok(Revoked::Later)
    }

    /// How many revocations the database has yet to take. They hold all the same.
    pub fn revocations_pending(&self) -> usize {
        self.store.pending().lines().len()
    }

    /// True where the namespace is gone, however far the database is.
    pub(crate) fn namespace_has_ended(&self, id: NamespaceId, owner: PersonId) -> bool {
        self.store.pending().lines().iter().any(|line| match line.what {
            Revocation::Namespace(ended) => ended == id,
            Revocation::Person(ended) => ended == owner,
            _ => false,
        })
    }

    /// True where the person is gone, however far the database is.
    pub(crate) fn person_has_ended(&self, id: PersonId) -> bool {
        self.store.pending().lines().iter().any(|line| line.what == Revocation::Person(id))
    }

    /// True where a web session has ended, however far the database is.
    pub(crate) fn web_session_has_ended(&self, session: &WebSessionRow) -> bool {
        self.store.pending().lines().iter().any(|line| match line.what {
            Revocation::Person(ended) => ended == session.person,
            Revocation::WebSessions(ended) | Revocation::Password(ended) => {
                ended == session.person && session.created_at <= line.at
            }
            Revocation::WebSession(ended) => ended == session.hash,
            _ => false,
        })
    }
}

/// How long until the database is asked again to take what it could not.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// Brings the database up to the log; gives up where the node ends, since the next start does the same.
async fn catch_up(store: Store, ending: tokio_util::sync::CancellationToken) {
    while !store.pending().is_empty() {
        if ending.run_until_cancelled(tokio::time::sleep(AGAIN)).await.is_none() {
            return;
        }
        // Every transaction begins with what is pending.
        if let Ok(write) = store.write().await
            && write.commit().await.is_ok()
        {
            tracing::info!("the database has every revocation again");
        }
    }
}

#[cfg(test)]
mod tests;
