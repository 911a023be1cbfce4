//! What a signed-in person does with a user code (RFC 8628 §3.3): find it, approve it, deny it. Only these functions look a user
//! code up, and each counts the codes that are none: guessing is what they are made against (§5.1).

use std::{net::IpAddr, sync::Arc, time::Duration};

use bitrouter_proto::account::{NamespaceId, PersonId, Role, ScopeSet};

use super::{Client, UserCode};
use crate::{
    Node,
    clock::Moment,
    http::Visitor,
    store::{Approval, CodeState, DeviceCodeRow, Queryable, StoreError},
};

/// A code that waits for a decision, as its person sees it.
#[derive(Clone, Debug)]
pub struct PendingCode {
    /// The code, as the device shows it.
    pub user_code: UserCode,
    /// The client that asked.
    pub client: Arc<Client>,
    /// What it asked for.
    pub scopes: ScopeSet,
    /// From where it asked.
    pub asker_address: IpAddr,
    /// As whose process it asked; known on loopback only.
    pub asker_uid: Option<u32>,
    /// How long ago that was.
    pub age: Duration,
    /// When the code ends.
    pub expires_at: Moment,
    /// True where the person has to say that the device is their own: it does not ask from where the browser is, or nobody
    /// knows.
    pub needs_own_device: bool,
}

/// What a person says to a code.
#[derive(Clone, Copy, Debug)]
pub struct Decision {
    /// The namespace that the tokens are to be of.
    pub namespace: NamespaceId,
    /// The scopes that were ticked.
    pub scopes: ScopeSet,
    /// True where the person said that the device is their own.
    pub own_device: bool,
}

/// Why nothing is done with a code.
#[derive(Debug, thiserror::Error)]
pub enum CodeRefused {
    /// Too many codes that are none were looked up by this person, or from there.
    #[error("too many codes that do not exist were tried; wait before the next one")]
    TooMany {
        /// How long.
        wait: Duration,
    },
    /// There is no such code.
    #[error("there is no such code")]
    Unknown,
    /// It has expired.
    #[error("the code has expired; start again on the device")]
    Expired,
    /// Somebody has decided it, which is final.
    #[error("the code was already used")]
    Decided(CodeState),
    /// The person has not said that the device is their own.
    #[error("approve a code only if it is shown on your own device, and say so")]
    OwnDevice,
    /// The person is nothing in the namespace.
    #[error("there is no such namespace of yours")]
    NoNamespace,
    /// Nothing is left to be granted.
    #[error("choose at least one permission")]
    NothingGranted,
    /// Nothing of what was ticked is allowed to the person in the namespace.
    #[error("as {} of this namespace you can grant none of these permissions", .0.as_str())]
    NotInThisRole(Role),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Node {
    /// Finds a code for a signed-in person; nothing is decided by that.
    ///
    /// # Errors
    /// Why it is not shown.
    pub async fn find_code(
        &self,
        typed: &str,
        person: PersonId,
        visitor: &Visitor,
    ) -> Result<PendingCode, CodeRefused> {
        let code = self.looked_up(&mut self.store.read().await?, typed, person, visitor).await?;
        let now = self.clock.wall();
        if code.opened_at.is_none() {
            let mut write = self.store.write().await?;
            DeviceCodeRow::open(&mut write, code.device, now).await?;
            write.commit().await?;
        }
        Ok(PendingCode {
            user_code: code.user_code,
            // A client that is gone meanwhile is asked for nothing.
            client: self.clients.find(&code.client_id).ok_or(CodeRefused::Expired)?,
            scopes: code.scopes,
            asker_address: code.asker_address,
            asker_uid: code.asker_uid,
            age: now.since(code.created_at),
            expires_at: code.expires_at,
            needs_own_device: needs_own_device(&code, visitor),
        })
    }

    /// Approves a code. What is granted is told: what was ticked, of what was asked for.
    ///
    /// # Errors
    /// Why it was not approved.
    pub async fn approve_code(
        &self,
        typed: &str,
        person: PersonId,
        visitor: &Visitor,
        decision: Decision,
    ) -> Result<ScopeSet, CodeRefused> {
        let mut write = self.store.write().await?;
        let code = self.looked_up(&mut write, typed, person, visitor).await?;
        if needs_own_device(&code, visitor) && !decision.own_device {
            return Err(CodeRefused::OwnDevice);
        }
        let client = self.clients.find(&code.client_id).ok_or(CodeRefused::Expired)?;
        let approval = self.approval(&client, person, code.scopes, decision)?;
        if !DeviceCodeRow::approve(&mut write, code.device, approval, self.clock.wall()).await? {
            return Err(CodeRefused::Expired);
        }
        write.commit().await?;
        Ok(approval.scopes)
    }

    /// What `person` gives a client by a decision: of what was asked for, what was ticked, and the client and the person's role
    /// allow.
    ///
    /// # Errors
    /// Where nothing is left of it.
    pub(super) fn approval(
        &self,
        client: &Client,
        person: PersonId,
        asked: ScopeSet,
        decision: Decision,
    ) -> Result<Approval, CodeRefused> {
        let namespace = decision.namespace;
        let role = self.roles.of(person, namespace).filter(|_| client.asks_in(namespace));
        let role = role.ok_or(CodeRefused::NoNamespace)?;
        let ticked = decision.scopes.intersection(asked).intersection(client.allowed);
        let ticked = ticked.intersection(ScopeSet::GRANTABLE);
        if ticked.is_empty() {
            return Err(CodeRefused::NothingGranted);
        }
        let scopes = ticked.intersection(role.scopes());
        if scopes.is_empty() {
            return Err(CodeRefused::NotInThisRole(role));
        }
        Ok(Approval { person, namespace, scopes })
    }

    /// Denies a code.
    ///
    /// # Errors
    /// Why it was not denied.
    pub async fn deny_code(&self, typed: &str, person: PersonId, visitor: &Visitor) -> Result<(), CodeRefused> {
        let mut write = self.store.write().await?;
        let code = self.looked_up(&mut write, typed, person, visitor).await?;
        if !DeviceCodeRow::deny(&mut write, code.device, person, self.clock.wall()).await? {
            return Err(CodeRefused::Expired);
        }
        Ok(write.commit().await?)
    }

    /// The pending code that reads as `typed` does.
    async fn looked_up(
        &self,
        on: &mut impl Queryable,
        typed: &str,
        person: PersonId,
        visitor: &Visitor,
    ) -> Result<DeviceCodeRow, CodeRefused> {
        let (from, now) = (visitor.key(), self.clock.monotonic());
        let waits = [self.limits.guesses_from.wait(from, now), self.limits.guesses_by.wait(person, now)];
        // Right codes too: a success tells nothing about who guesses, and resets nothing.
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Err(CodeRefused::TooMany { wait });
        }
        let found = match UserCode::parse(typed) {
            Some(code) => DeviceCodeRow::of_user_code(on, code).await?,
            None => None,
        };
        let Some(code) = found else {
            let (_, _) = (self.limits.guesses_from.take(from, now), self.limits.guesses_by.take(person, now));
            return Err(CodeRefused::Unknown);
        };
        match code.state {
            CodeState::Pending if self.clock.wall() < code.expires_at => Ok(code),
            CodeState::Pending => Err(CodeRefused::Expired),
            decided => Err(CodeRefused::Decided(decided)),
        }
    }
}

/// Whether the device may be another person's: it asked from elsewhere than the browser does, or one of both is unknown.
fn needs_own_device(code: &DeviceCodeRow, visitor: &Visitor) -> bool {
    let is_unknown = |uid: Option<u32>, address: IpAddr| uid.is_none() && address.to_canonical().is_loopback();
    is_unknown(code.asker_uid, code.asker_address)
        || is_unknown(visitor.uid, visitor.address)
        || code.asker_key != visitor.key().to_string()
}
