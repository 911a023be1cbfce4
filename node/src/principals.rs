//! What policies are bound to, in a namespace: whether it is there, and what stands above it.

use std::collections::HashMap;

use bitrouter_proto::account::{GrantId, KeyId, NamespaceId, PersonId, policy::PrincipalType};

use crate::{
    Node,
    http::error::{ApiError, Code},
    oauth::ClientId,
    policy::PrincipalId,
    store::{GrantLink, KeyLink, OauthClientRow, Queryable, StoreError},
};

/// More keys than can stand above each other.
const DEEPEST: usize = 64;

/// What `kind` and `id` name in `namespace`: a key that opens something, a session that has not ended or from which a key lives,
/// a client that is built in, or registered in the namespace (or a key from it lives), the owner or a member.
///
/// # Errors
/// 400 for a kind that there is not, 404 for what is not there.
pub(crate) async fn find(
    node: &Node,
    on: &mut impl Queryable,
    namespace: NamespaceId,
    kind: &str,
    id: &str,
) -> Result<PrincipalId, ApiError> {
    let kind = PrincipalType::parse(kind).ok_or_else(unknown_kind)?;
    of_kind(node, on, namespace, kind, id).await
}

/// That there is no such kind.
pub(crate) fn unknown_kind() -> ApiError {
    let words: Vec<String> = PrincipalType::ALL.iter().map(|kind| format!("`{kind}`")).collect();
    let message = format!("`principal_type` must be one of {}", words.join(", "));
    ApiError::new(Code::BadRequest, message).about("principal_type")
}

/// The same of a kind that there is.
///
/// # Errors
/// 404 for what is not there.
pub(crate) async fn of_kind(
    node: &Node,
    on: &mut impl Queryable,
    namespace: NamespaceId,
    kind: PrincipalType,
    id: &str,
) -> Result<PrincipalId, ApiError> {
    let absent = || ApiError::new(Code::NotFound, "there is no such principal").about("principal_id");
    let principal = PrincipalId::parse(kind, id).ok_or_else(absent)?;
    if is_there(node, on, namespace, principal).await? { Ok(principal) } else { Err(absent()) }
}

/// Whether `principal` is there in `namespace`.
pub(crate) async fn is_there(
    node: &Node,
    on: &mut impl Queryable,
    namespace: NamespaceId,
    principal: PrincipalId,
) -> Result<bool, StoreError> {
    let now = node.clock.wall();
    match principal {
        PrincipalId::Namespace(id) => Ok(id == namespace),
        PrincipalId::ApiKey(id) => KeyLink::is_live(on, namespace, id, now).await,
        PrincipalId::OauthToken(id) => GrantLink::is_live(on, namespace, id, now).await,
        PrincipalId::OauthClient(ClientId::BuiltIn(_)) => Ok(true),
        PrincipalId::OauthClient(ClientId::Registered(id)) => OauthClientRow::is_live(on, namespace, id, now).await,
        PrincipalId::User(person) => Ok(node.roles.of(person, namespace).is_some()),
    }
}

/// What binds `principal`: itself and all above it, the namespace first. A binding of what has ended still holds.
pub(crate) async fn chain_of(
    on: &mut impl Queryable,
    namespace: NamespaceId,
    principal: PrincipalId,
) -> Result<Vec<PrincipalId>, StoreError> {
    let mut links = Links::default();
    match principal {
        PrincipalId::ApiKey(id) => {
            let mut next = Some(id);
            // A parent is older than what was minted with it: there is an end.
            while let Some(id) = next.filter(|_| links.keys.len() < DEEPEST) {
                let Some(key) = KeyLink::find(on, namespace, id).await? else { break };
                next = key.parent;
                if let Some(grant) = key.grant.filter(|grant| !links.grants.contains_key(grant)) {
                    links.add_grant(GrantLink::find(on, namespace, grant).await?);
                }
                links.keys.insert(key.id, key);
            }
        }
        PrincipalId::OauthToken(id) => links.add_grant(GrantLink::find(on, namespace, id).await?),
        PrincipalId::Namespace(_) | PrincipalId::OauthClient(_) | PrincipalId::User(_) => {}
    }
    Ok(links.chain(namespace, principal))
}

/// Keys and sessions of a namespace, to follow chains without asking for each.
#[derive(Debug, Default)]
pub(crate) struct Links {
    keys: HashMap<KeyId, KeyLink>,
    grants: HashMap<GrantId, GrantLink>,
}

impl Links {
    /// All of a namespace that may still open something.
    pub(crate) async fn of_namespace(on: &mut impl Queryable, namespace: NamespaceId) -> Result<Self, StoreError> {
        let keys = KeyLink::all(on, namespace).await?.into_iter().map(|key| (key.id, key)).collect();
        let grants = GrantLink::all(on, namespace).await?.into_iter().map(|grant| (grant.id, grant)).collect();
        Ok(Self { keys, grants })
    }

    fn add_grant(&mut self, grant: Option<GrantLink>) {
        self.grants.extend(grant.map(|grant| (grant.id, grant)));
    }

    /// Everything at the lower end of a chain.
    pub(crate) fn ends(&self) -> impl Iterator<Item = PrincipalId> {
        let keys = self.keys.keys().copied().map(PrincipalId::ApiKey);
        keys.chain(self.grants.keys().copied().map(PrincipalId::OauthToken))
    }

    /// What binds `principal`, the namespace first.
    pub(crate) fn chain(&self, namespace: NamespaceId, principal: PrincipalId) -> Vec<PrincipalId> {
        let mut chain = vec![PrincipalId::Namespace(namespace)];
        let mut add = |principal| {
            if !chain.contains(&principal) {
                chain.push(principal);
            }
        };
        add(principal);
        let (mut key, mut grant, mut client, mut person) = (None, None, None, None);
        match principal {
            PrincipalId::ApiKey(id) => key = Some(id),
            PrincipalId::OauthToken(id) => grant = Some(id),
            PrincipalId::Namespace(_) | PrincipalId::OauthClient(_) | PrincipalId::User(_) => {}
        }
        for _ in 0..DEEPEST {
            let Some(link) = key.and_then(|id| self.keys.get(&id)) else { break };
            add(PrincipalId::ApiKey(link.id));
            key = link.parent;
            grant = grant.or(link.grant);
            client = client.or(link.client.as_deref());
            person = person.or(Some(link.person));
        }
        if let Some(id) = grant {
            add(PrincipalId::OauthToken(id));
            let link = self.grants.get(&id);
            client = client.or(link.map(|link| link.client.as_str()));
            person = person.or(link.map(|link| link.person));
        }
        if let Some(client) = client.and_then(ClientId::parse) {
            add(PrincipalId::OauthClient(client));
        }
        if let Some(person) = person {
            add(PrincipalId::User(person));
        }
        chain
    }
}

/// Whether `person` owns `namespace`.
pub(crate) fn owns(node: &Node, person: PersonId, namespace: NamespaceId) -> bool {
    node.roles.owner(namespace) == Some(person)
}
