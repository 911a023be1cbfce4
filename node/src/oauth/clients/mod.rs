//! The clients that may ask for tokens (RFC 6749 §2): those that are built in, which are public, and those that people have
//! registered, each of which asks the people of one namespace. All of them are in memory.

mod change;
mod name;
mod redirect;
mod register;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use bitrouter_proto::account::{
    NamespaceId, OauthClientId, PersonId, Scope, ScopeSet,
    oauth_clients::{ClientType, GrantType, OauthClient},
};

pub(crate) use self::{
    change::{Change, DeletedClient},
    redirect::host as redirect_host,
    register::{Registrar, Wanted, again, register},
};
use crate::{
    http::idempotency::ClaimError,
    secret::TokenHash,
    store::{OauthClientRow, Queryable, StoreError},
};

/// So many clients of a namespace there are at once at most.
pub(crate) const MOST: usize = 100;
/// So many redirect URIs of a client.
const MOST_URIS: usize = 32;
/// What no token of a registered client holds: provider keys are a person's, for all the person's namespaces.
pub(crate) const NEVER: ScopeSet = ScopeSet::of(&[Scope::ByokWrite]);

/// Which client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientId {
    /// One that every node knows.
    BuiltIn(&'static str),
    /// One that somebody has registered, whether it is there or not.
    Registered(OauthClientId),
}

impl ClientId {
    /// The id that `text` is; `None` where no client can have it.
    pub fn parse(text: &str) -> Option<Self> {
        let built_in = BUILT_IN.iter().map(|(id, _)| *id).find(|id| *id == text);
        built_in.map(Self::BuiltIn).or_else(|| text.parse().ok().map(Self::Registered))
    }

    /// True where `text` is this id.
    pub(crate) fn is(self, text: &str) -> bool {
        Self::parse(text) == Some(self)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(id) => f.write_str(id),
            Self::Registered(id) => id.fmt(f),
        }
    }
}

/// The ids and names of the clients that every node knows.
const BUILT_IN: [(&str, &str); 2] =
    [("bitrouter-cli", "bitrouter (command line)"), ("tokenroute-cli", "tokenroute (command line)")];

/// A client.
#[derive(Debug)]
pub struct Client {
    /// Which.
    pub id: ClientId,
    /// What a person reads.
    pub name: String,
    /// The most that it may be given.
    pub(crate) allowed: ScopeSet,
    /// How it may come to tokens.
    pub(crate) grants: Vec<GrantType>,
    /// What somebody has registered; none of one that is built in.
    pub(crate) registration: Option<Registration>,
}

/// What is known of a client that somebody has registered.
#[derive(Debug)]
pub(crate) struct Registration {
    /// Its id again.
    pub(crate) id: OauthClientId,
    /// The namespace whose people it asks.
    pub(crate) namespace: NamespaceId,
    /// Who registered it.
    pub(crate) person: PersonId,
    /// Who last changed its name or where browsers may be sent back to, where that is somebody else.
    pub(crate) changed_by: Option<PersonId>,
    /// Whether it has a secret.
    pub(crate) kind: ClientType,
    /// What is kept of that.
    pub(crate) secret: Option<TokenHash>,
    /// Where browsers may be sent back to.
    pub(crate) redirect_uris: Vec<String>,
    /// True once it has shown its secret.
    has_shown_secret: Arc<AtomicBool>,
}

impl Client {
    fn built_in((id, name): (&'static str, &str)) -> Self {
        Self {
            id: ClientId::BuiltIn(id),
            name: name.to_owned(),
            allowed: ScopeSet::GRANTABLE,
            grants: vec![GrantType::DeviceCode, GrantType::RefreshToken],
            registration: None,
        }
    }

    fn of_row(row: OauthClientRow, has_shown_secret: Arc<AtomicBool>) -> Self {
        let registration = Registration {
            id: row.id,
            namespace: row.namespace,
            person: row.person,
            changed_by: row.changed_by,
            kind: row.kind,
            secret: row.secret,
            redirect_uris: row.redirect_uris,
            has_shown_secret,
        };
        Self {
            id: ClientId::Registered(row.id),
            name: row.name,
            allowed: row.scopes.without(NEVER),
            grants: row.grants,
            registration: Some(registration),
        }
    }

    /// True where it can keep a secret.
    pub(crate) fn is_confidential(&self) -> bool {
        self.registration.as_ref().is_some_and(|known| known.kind == ClientType::Confidential)
    }

    /// True where it may come to tokens so.
    pub(crate) fn may_use(&self, grant: GrantType) -> bool {
        self.grants.contains(&grant)
    }

    /// True where it may ask for tokens of `namespace`.
    pub(crate) fn asks_in(&self, namespace: NamespaceId) -> bool {
        self.registration.as_ref().is_none_or(|known| known.namespace == namespace)
    }

    /// As it is told of.
    pub(crate) fn told(&self) -> Option<OauthClient> {
        let known = self.registration.as_ref()?;
        Some(OauthClient {
            id: known.id,
            client_id: known.id,
            client_name: self.name.clone(),
            client_type: known.kind,
            redirect_uris: known.redirect_uris.clone(),
            allowed_scopes: self.allowed.iter().map(|scope| scope.as_str().to_owned()).collect(),
            allowed_grant_types: self.grants.clone(),
        })
    }
}

impl Registration {
    /// Notes that it has shown its secret; true the first time.
    pub(crate) fn shows_secret(&self) -> bool {
        !self.has_shown_secret.load(Ordering::Relaxed) && !self.has_shown_secret.swap(true, Ordering::AcqRel)
    }
}

/// Every client.
#[derive(Debug)]
pub(crate) struct Clients {
    built_in: [Arc<Client>; 2],
    registered: RwLock<HashMap<OauthClientId, Arc<Client>>>,
}

impl Clients {
    /// Those that every node knows.
    pub(crate) fn new() -> Self {
        Self { built_in: BUILT_IN.map(|one| Arc::new(Client::built_in(one))), registered: RwLock::default() }
    }

    /// The same, and those that the database has.
    pub(crate) async fn load(on: &mut impl Queryable) -> Result<Self, StoreError> {
        let clients = Self::new();
        for row in OauthClientRow::all(on).await? {
            let has_shown_secret = Arc::new(AtomicBool::new(row.used_at.is_some()));
            clients.put(Client::of_row(row, has_shown_secret));
        }
        Ok(clients)
    }

    /// The client of this id.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Client>> {
        self.of(ClientId::parse(id)?)
    }

    /// The same.
    pub(crate) fn of(&self, id: ClientId) -> Option<Arc<Client>> {
        match id {
            ClientId::BuiltIn(_) => self.built_in.iter().find(|client| client.id == id).cloned(),
            ClientId::Registered(id) => self.registered(id),
        }
    }

    /// A client that somebody has registered.
    pub(crate) fn registered(&self, id: OauthClientId) -> Option<Arc<Client>> {
        self.registered.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// True of a registered client that was deleted, however far the database is.
    pub(crate) fn is_gone(&self, id: &str) -> bool {
        id.parse().is_ok_and(|id| self.registered(id).is_none())
    }

    /// The clients of a namespace, the oldest first.
    pub(crate) fn in_namespace(&self, namespace: NamespaceId) -> Vec<Arc<Client>> {
        let all = self.registered.read().unwrap_or_else(PoisonError::into_inner);
        let is_its = |client: &&Arc<Client>| client.registration.is_some() && client.asks_in(namespace);
        let mut its: Vec<_> = all.values().filter(is_its).cloned().collect();
        // The time stands in front in the id.
        its.sort_by_key(|client| client.id);
        its
    }

    /// What those that somebody has registered are called, but for `but`.
    fn names(&self, but: Option<OauthClientId>) -> Vec<String> {
        let all = self.registered.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|(id, _)| Some(**id) != but).map(|(_, client)| client.name.clone()).collect()
    }

    /// Puts a registered client here, in the place of what it was.
    fn put(&self, client: Client) {
        if let Some(known) = &client.registration {
            let id = known.id;
            self.registered.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(client));
        }
    }

    /// A client is gone.
    pub(crate) fn remove(&self, id: OauthClientId) {
        self.registered.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// A namespace is gone, with its clients.
    pub(crate) fn remove_namespace(&self, namespace: NamespaceId) {
        let mut all = self.registered.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, client| !client.asks_in(namespace));
    }
}

/// Why no client was registered or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// A member of what was asked for is wrong.
    #[error("{what}")]
    Wrong {
        /// What is wrong.
        what: String,
        /// Which member it is.
        field: &'static str,
    },
    /// Another client is called so, as people read it.
    #[error("another client is called so, or looks as if it were: choose a name that nobody takes for another one's")]
    NameTaken,
    /// Whoever asks cannot do that.
    #[error("scope exceeds the caller's: {0}")]
    Exceeds(ScopeSet),
    /// No registered client can do that.
    #[error("scope exceeds what a registered client can hold: {0}")]
    Never(ScopeSet),
    /// There are as many as there may be.
    #[error("there are {MOST} OAuth clients already, which is the most in a namespace; delete some first")]
    TooMany,
    /// An earlier call made it, and its secret cannot be told again.
    #[error(
        "`{0}` was registered with this `Idempotency-Key`, and was used or is too old to be shown again; delete it and register another one with another `Idempotency-Key`"
    )]
    Made(OauthClientId),
    /// An earlier call made it, and it is gone.
    #[error(
        "`{0}` was registered with this `Idempotency-Key`, and has been deleted since; register another one with another `Idempotency-Key`"
    )]
    MadeAndEnded(OauthClientId),
    /// The call cannot be told from another one.
    #[error(transparent)]
    Claimed(ClaimError),
    /// There is none that is meant.
    #[error("there is no such OAuth client")]
    Absent,
    /// The database failed.
    #[error(transparent)]
    Store(StoreError),
}

impl ClientError {
    fn wrong(field: &'static str, what: impl Into<String>) -> Self {
        Self::Wrong { what: what.into(), field }
    }
}

impl From<StoreError> for ClientError {
    fn from(error: StoreError) -> Self {
        match error {
            // Ids are random: only the name can be there already.
            StoreError::Exists(_) => Self::NameTaken,
            error => Self::Store(error),
        }
    }
}

impl From<ClaimError> for ClientError {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::Store(error) => Self::Store(error),
            error => Self::Claimed(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use ulid::Ulid;

    use super::*;

    #[test]
    fn a_client_id_is_a_built_in_one_or_of_the_form_of_ours() {
        let id = OauthClientId::new(Ulid::from(7_u128));
        assert_eq!(ClientId::parse(&id.to_string().to_ascii_uppercase()), Some(ClientId::Registered(id)));
        assert_eq!(ClientId::parse("bitrouter-cli"), Some(ClientId::BuiltIn("bitrouter-cli")));
        for none in ["", "bitrouter-clj", "brc_", "tok_00000000010000000000000002", "BITROUTER-CLI"] {
            assert_eq!(ClientId::parse(none), None, "{none}");
        }
        let clients = Clients::new();
        assert!(!clients.is_gone("bitrouter-cli") && clients.is_gone(&id.to_string()));
    }
}
