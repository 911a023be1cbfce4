//! Who may: the one place that judges a call before its handler sees it. First who calls, then whether what the path names
//! is there for that caller, then what the credential may do.

use bitrouter_gateway::http::{Caller, Principal};
use bitrouter_proto::account::{GrantId, NamespaceId, PersonId, RequestRowId, Scope};

use super::{
    Access, Call,
    error::{ApiError, Code},
};
use crate::{
    store::{NamespaceRow, ledger},
    web,
};

/// Who calls, once it was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    /// Nobody was asked for: the endpoint is open.
    Anyone,
    /// Whoever holds this credential: one namespace, some scopes.
    Token(Principal),
    /// A person at a browser, or the owner at the control socket: all of the person's namespaces, all scopes.
    Person(PersonId),
}

/// A mark on a request that the daemon makes for the node's owner, who asked by the control socket. Nobody outside this crate
/// can set it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsOwner;

/// What a call was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    /// Who calls.
    pub(crate) actor: Actor,
    /// What `{nsid}` of the path means: a live namespace that the caller reaches.
    pub(crate) namespace: Option<NamespaceId>,
    /// What `{tok}` of the path means: a session in that namespace, ended or not.
    pub(crate) session: Option<GrantId>,
    /// What `{req}` of the path means: the row of a call in that namespace; or `{request_id}`: in any that the caller reaches.
    pub(crate) row: Option<RequestRowId>,
}

impl Granted {
    /// What everybody has.
    pub(crate) const OPEN: Self = Self { actor: Actor::Anyone, namespace: None, session: None, row: None };

    /// The person behind the call.
    ///
    /// # Errors
    /// Where there is none, which no endpoint that asks for one lets happen.
    pub(crate) fn person(&self) -> Result<PersonId, ApiError> {
        match self.actor {
            Actor::Token(principal) => Ok(principal.person),
            Actor::Person(person) => Ok(person),
            Actor::Anyone => Err(nobody()),
        }
    }

    /// The namespace of the path.
    ///
    /// # Errors
    /// Where the path names none.
    pub(crate) fn namespace(&self) -> Result<NamespaceId, ApiError> {
        self.namespace.ok_or_else(|| ApiError::new(Code::NotFound, "there is no such namespace"))
    }
}

/// Judges a call of its endpoint.
///
/// # Errors
/// 401 without a credential, then 404 for an id that is not the caller's to see, then 403 for a scope that is missing.
pub(crate) async fn judge(call: &Call) -> Result<Granted, ApiError> {
    if call.endpoint.access == Access::Open {
        return Ok(Granted::OPEN);
    }
    let actor = actor(call).await?;
    let granted = named(call, actor).await?;
    match (call.endpoint.access, actor) {
        (Access::Open, _) | (Access::Scope(_) | Access::WebSession(_), Actor::Person(_)) => Ok(granted),
        (Access::Scope(scope), Actor::Token(principal)) if principal.scopes.contains(scope) => Ok(granted),
        (Access::WebSession(scope), Actor::Token(principal)) if principal.scopes.contains(scope) => {
            Err(ApiError::new(Code::Forbidden, "this takes a person who is signed in at the console, not a token"))
        }
        (Access::Scope(scope) | Access::WebSession(scope), _) => Err(missing(scope)),
    }
}

fn missing(scope: Scope) -> ApiError {
    ApiError::new(Code::Forbidden, format!("missing required scope: {scope}"))
}

fn nobody() -> ApiError {
    ApiError::new(Code::Unauthorized, "a credential is needed: an access token, or a browser that is signed in")
}

/// Who calls.
///
/// # Errors
/// 401 where there is no credential, 403 for a browser whose call no page of ours has made.
pub(crate) async fn actor(call: &Call) -> Result<Actor, ApiError> {
    if call.head.extensions.get::<AsOwner>().is_some() {
        return Ok(Actor::Person(call.node.owner()));
    }
    if let Caller::Credential(principal) = call.caller {
        return Ok(Actor::Token(principal));
    }
    let browser = web::person_of(call).await?.ok_or_else(nobody)?;
    if !browser.has_csrf_header {
        return Err(ApiError::new(Code::Forbidden, "the header `X-CSRF-Token` is missing or is not this session's"));
    }
    // A program that is no browser sends no `Origin`; a browser cannot send the header to us from another site's page.
    let has_origin = call.head.headers.contains_key(http::header::ORIGIN);
    if !call.head.method.is_safe() && has_origin && !web::is_own_origin(call) {
        return Err(ApiError::new(Code::Forbidden, "a change takes no `Origin`, or that of the node's own pages"));
    }
    Ok(Actor::Person(browser.person.id))
}

/// What the path names, as far as `actor` may know of it.
async fn named(call: &Call, actor: Actor) -> Result<Granted, ApiError> {
    let names = call.endpoint.path.split('/').filter(|part| part.starts_with('{'));
    let mut granted = Granted { actor, ..Granted::OPEN };
    for (name, sent) in names.zip(&call.params) {
        match name {
            "{nsid}" => granted.namespace = Some(namespace_of(call, actor, sent).await?),
            "{tok}" => granted.session = Some(session_of(call, granted.namespace, sent).await?),
            "{req}" => granted.row = Some(row_of(call, granted.namespace.into_iter().collect(), sent).await?),
            "{request_id}" => granted.row = Some(row_of(call, reached(call, actor).await?, sent).await?),
            // The table is ours; a test walks it.
            _ => return Err(ApiError::new(Code::NotFound, "there is no such thing")),
        }
    }
    Ok(granted)
}

async fn namespace_of(call: &Call, actor: Actor, sent: &str) -> Result<NamespaceId, ApiError> {
    let absent = || ApiError::new(Code::NotFound, "there is no such namespace");
    let id = match actor {
        Actor::Token(principal) if sent == "me" => principal.namespace,
        _ => sent.parse().map_err(|_| absent())?,
    };
    let row = NamespaceRow::find(&mut call.node.store.read().await?, id).await?.ok_or_else(absent)?;
    if call.node.namespace_has_ended(row.id, row.owner) {
        return Err(absent());
    }
    let reached = match actor {
        Actor::Token(principal) => row.id == principal.namespace && row.owner == principal.person,
        Actor::Person(person) => row.owner == person,
        Actor::Anyone => false,
    };
    if reached { Ok(id) } else { Err(absent()) }
}

async fn session_of(call: &Call, namespace: Option<NamespaceId>, sent: &str) -> Result<GrantId, ApiError> {
    let absent = || ApiError::new(Code::NotFound, "there is no such session");
    let id: GrantId = sent.parse().map_err(|_| absent())?;
    let session = call.node.session(id).await?.ok_or_else(absent)?;
    if Some(session.namespace) == namespace { Ok(id) } else { Err(absent()) }
}

/// The namespaces that `actor` reaches.
async fn reached(call: &Call, actor: Actor) -> Result<Vec<NamespaceId>, ApiError> {
    match actor {
        Actor::Token(_) => Ok(vec![namespace_of(call, actor, "me").await?]),
        Actor::Person(person) => {
            let own = NamespaceRow::of_owner(&mut call.node.store.read().await?, person).await?;
            let is_there = |row: &NamespaceRow| !call.node.namespace_has_ended(row.id, row.owner);
            Ok(own.into_iter().filter(is_there).map(|row| row.id).collect())
        }
        Actor::Anyone => Ok(Vec::new()),
    }
}

/// The newest row in `namespaces` that `sent` means: its id, or what its caller knows the call by.
async fn row_of(call: &Call, namespaces: Vec<NamespaceId>, sent: &str) -> Result<RequestRowId, ApiError> {
    let mut read = call.node.store.read().await?;
    let mut newest = None;
    for namespace in namespaces {
        newest = newest.max(ledger::request_id_of(&mut read, namespace, sent).await?);
    }
    newest.ok_or_else(|| ApiError::new(Code::NotFound, "there is no such request"))
}
