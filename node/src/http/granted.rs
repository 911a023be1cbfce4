//! Who may: the one place that judges a call before its handler sees it. First who calls, then whether what the path names
//! is there for that caller, then what the credential may do.

use bitrouter_gateway::http::{Caller, Principal};
use bitrouter_proto::account::{
    BindingId, CredentialId, GrantId, KeyId, NamespaceId, OauthClientId, PersonId, PolicyId, RequestRowId, Role, Scope,
    ScopeSet,
    policy::{PolicyKind, PrincipalType},
};

use super::{
    Access, Call, Endpoint,
    endpoints::PrincipalIn,
    error::{ApiError, Code},
    members::Members,
    query::Query,
};
use crate::{
    api::byok,
    oauth::ClientId,
    policy::PrincipalId,
    principals,
    store::{ApiKeyRow, BindingRow, NamespaceRow, PolicyRow, ledger},
    web,
};

/// What values of `Idempotency-Key` that come by the control socket are kept under: it counts as one credential.
pub(crate) const SOCKET: &str = "socket";

/// Who calls, once it was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    /// Nobody was asked for: the endpoint is open.
    Anyone,
    /// Whoever holds this credential: one namespace, some scopes.
    Token(Principal),
    /// Whoever holds this key of the operator's: it reads usage and calls of every namespace.
    Operator(KeyId),
    /// A person at a browser: all namespaces in which the person is something, in each what the role allows.
    Person(PersonId),
    /// The node's owner at the control socket: the owner's namespaces, all scopes, and no rule that binds a person.
    Socket(PersonId),
}

impl Actor {
    /// The person, unless there is none.
    pub(crate) fn person(self) -> Option<PersonId> {
        match self {
            Self::Token(principal) => Some(principal.person),
            Self::Person(person) | Self::Socket(person) => Some(person),
            Self::Operator(_) | Self::Anyone => None,
        }
    }

    /// What the caller's values of `Idempotency-Key` are kept under.
    ///
    /// # Errors
    /// Where nobody calls.
    pub(crate) fn idempotency_name(self) -> Result<String, ApiError> {
        match self {
            Self::Token(principal) => Ok(principal.credential.to_string()),
            Self::Person(person) => Ok(person.to_string()),
            Self::Socket(_) => Ok(SOCKET.to_owned()),
            Self::Operator(_) | Self::Anyone => Err(nobody()),
        }
    }
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
    /// What the person behind the call is there.
    pub(crate) role: Option<Role>,
    /// What `{tok}` of the path means: a session in that namespace, ended or not.
    pub(crate) session: Option<GrantId>,
    /// What `{usr}` of the path means: somebody who is something in that namespace, its owner too.
    pub(crate) member: Option<PersonId>,
    /// What `{key}` of the path means: an API key of that namespace, revoked or not.
    pub(crate) key: Option<KeyId>,
    /// What `{client_id}` of the path means: an OAuth client of that namespace.
    pub(crate) client: Option<OauthClientId>,
    /// What `{pol}`, `{budget}` or `{preset}` of the path means: a policy of that namespace, and of that kind.
    pub(crate) policy: Option<PolicyId>,
    /// What `{bnd}` of the path means: a binding of that policy.
    pub(crate) binding: Option<BindingId>,
    /// What `{principal_type}/{principal_id}` of the path means: something of that namespace that policies are bound to. None
    /// where there is no such kind.
    pub(crate) principal: Option<PrincipalId>,
    /// What `{req}` of the path means: the row of a call in that namespace; or `{request_id}`: in any that the caller reaches.
    pub(crate) row: Option<RequestRowId>,
}

impl Granted {
    /// What everybody has.
    pub(crate) const OPEN: Self = Self {
        actor: Actor::Anyone,
        namespace: None,
        role: None,
        session: None,
        member: None,
        key: None,
        client: None,
        policy: None,
        binding: None,
        principal: None,
        row: None,
    };

    /// What the caller may do: what the credential holds, or what the person's role allows.
    pub(crate) fn scopes(&self) -> ScopeSet {
        match (self.actor, self.role) {
            (Actor::Token(principal), _) => principal.scopes,
            (Actor::Person(_) | Actor::Socket(_), Some(role)) => role.scopes(),
            // What is a person's own is in no namespace.
            (Actor::Person(_) | Actor::Socket(_), None) => ScopeSet::GRANTABLE,
            (Actor::Operator(_), _) => ScopeSet::of(&[Scope::UsageRead]),
            (Actor::Anyone, _) => ScopeSet::EMPTY,
        }
    }

    /// The person behind the call.
    ///
    /// # Errors
    /// Where there is none, which no endpoint that asks for one lets happen.
    pub(crate) fn person(&self) -> Result<PersonId, ApiError> {
        self.actor.person().ok_or_else(nobody)
    }

    /// The namespace of the path.
    ///
    /// # Errors
    /// Where the path names none.
    pub(crate) fn namespace(&self) -> Result<NamespaceId, ApiError> {
        self.namespace.ok_or_else(|| ApiError::new(Code::NotFound, "there is no such namespace"))
    }
}

/// Judges who makes a call of its endpoint, and what its path names. What the credential may do is asked of [`may`] behind it.
///
/// # Errors
/// 401 without a credential, then 403 for an operator's key at what it does not open, then 404 for an id that is not the
/// caller's to see.
pub(crate) async fn judge(call: &Call) -> Result<Granted, ApiError> {
    if call.endpoint.access == Access::Open {
        return Ok(Granted::OPEN);
    }
    let actor = actor(call).await?;
    // What an operator's key reads is written on the lines of the table that name it. It is in every namespace, so that only an
    // answer given before ids are looked up keeps from it which of them there are.
    if let (Actor::Operator(_), Some(scope)) = (&actor, call.endpoint.access.scope())
        && !call.endpoint.is_open_to_operator
    {
        return Err(missing(scope));
    }
    let granted = named(call, actor).await?;
    if call.endpoint.access.scope() == Some(Scope::ByokWrite) && !may_change_stored_keys(call, actor) {
        return Err(missing(Scope::ByokWrite));
    }
    Ok(granted)
}

/// Neither an API key nor a token of a client that somebody has registered does, whatever it was given: it outlives the person who
/// looks.
fn may_change_stored_keys(call: &Call, actor: Actor) -> bool {
    let Actor::Token(principal) = actor else { return true };
    let client = match principal.credential {
        CredentialId::Key(_) => None,
        CredentialId::Grant(grant) => call.node.live.chain_of(grant).and_then(|chain| chain.client),
    };
    client.is_some_and(|client| matches!(ClientId::parse(&client), Some(ClientId::BuiltIn(_))))
}

/// Whether somebody who was `granted` this may call `endpoint`.
///
/// # Errors
/// 403 for a scope that is missing.
pub(crate) fn may(endpoint: &Endpoint, granted: &Granted) -> Result<(), ApiError> {
    let Some(scope) = endpoint.access.scope() else { return Ok(()) };
    let is_person = matches!(granted.actor, Actor::Person(_) | Actor::Socket(_));
    // No credential of one namespace holds it: it is a person's own.
    let holds = granted.scopes().contains(scope) || (is_person && scope == Scope::NamespaceWrite && is_own(granted));
    match (endpoint.access, granted.actor) {
        _ if !holds => Err(match granted.role {
            Some(role) if role != Role::Owner && !role.scopes().contains(scope) => missing(scope).of_role(role),
            _ => missing(scope),
        }),
        (Access::WebSession(_), Actor::Token(_)) => {
            Err(ApiError::new(Code::Forbidden, "this takes a person who is signed in at the console, not a token"))
        }
        (Access::Operator(_), Actor::Token(_)) => {
            Err(ApiError::new(Code::Forbidden, "this takes the node's owner, or a key of `bitrouter node keys mint`"))
        }
        _ => Ok(()),
    }
}

/// Why a call that [`may`] refuses is refused before that: the principal that its query or body names is not there. What else
/// is wrong with these says nothing before the scope does.
pub(crate) async fn absent_principal(call: &Call) -> Option<ApiError> {
    let (kind, id) = match call.endpoint.principal_in? {
        PrincipalIn::Query => {
            let query = Query::read(call.head.uri.query(), call.endpoint.parameters).ok()?;
            (query.text("principal_type")?.to_owned(), query.text("principal_id")?.to_owned())
        }
        PrincipalIn::Body => {
            let mut members = Members::read(&call.body).ok()?;
            (members.text("principal_type").ok()?, members.text("principal_id").ok()?)
        }
    };
    PrincipalType::parse(&kind)?;
    let found = async {
        let mut read = call.node.store.read().await?;
        principals::find(&call.node, &mut read, call.granted.namespace()?, &kind, &id).await
    };
    found.await.err()
}

/// Whether the path names no namespace, or one that is the caller's own.
fn is_own(granted: &Granted) -> bool {
    granted.role.is_none_or(|role| role == Role::Owner)
}

fn missing(scope: Scope) -> ApiError {
    ApiError::new(Code::Forbidden, format!("missing required scope: {scope}"))
}

fn nobody() -> ApiError {
    ApiError::new(
        Code::Unauthorized,
        "a credential is needed: an access token, which `bitrouter auth login` gets, an API key, which `bitrouter cloud keys mint --name NAME` makes, or a browser that is signed in, as `bitrouter console` opens one",
    )
}

/// Who calls.
///
/// # Errors
/// 401 where there is no credential, 403 for a browser whose call no page of ours has made.
pub(crate) async fn actor(call: &Call) -> Result<Actor, ApiError> {
    if call.head.extensions.get::<AsOwner>().is_some() {
        return Ok(Actor::Socket(call.node.owner()));
    }
    match call.caller {
        Caller::Credential(principal) => return Ok(Actor::Token(principal)),
        Caller::Operator(key) => return Ok(Actor::Operator(key)),
        Caller::Keyless { .. } | Caller::Anyone => {}
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
    let (mut granted, mut kind) = (Granted { actor, ..Granted::OPEN }, None);
    if call.endpoint.is_in_own_namespace {
        let namespace = own_namespace(call, actor).await?;
        granted.role = actor.person().and_then(|person| call.node.roles.of(person, namespace));
        granted.namespace = Some(namespace);
    }
    for (name, sent) in names.zip(&call.params) {
        match name {
            "{nsid}" => {
                let (namespace, role) = namespace_of(call, actor, sent)?;
                (granted.namespace, granted.role) = (Some(namespace), role);
            }
            "{tok}" => granted.session = Some(session_of(call, granted.namespace, sent).await?),
            "{usr}" => granted.member = Some(member_of(call, granted.namespace, sent)?),
            "{key}" => granted.key = Some(key_of(call, granted.namespace, sent).await?),
            "{client_id}" => granted.client = Some(client_of(call, granted.namespace, sent)?),
            "{pol}" => granted.policy = Some(policy_of(call, granted.namespace, sent, None).await?),
            "{budget}" => {
                granted.policy = Some(policy_of(call, granted.namespace, sent, Some(PolicyKind::Budget)).await?);
            }
            "{preset}" => {
                granted.policy = Some(policy_of(call, granted.namespace, sent, Some(PolicyKind::Preset)).await?);
            }
            "{provider}" => {
                let has = actor.person().is_some_and(|person| call.node.byok.has(person, sent));
                if !has {
                    return Err(byok::absent());
                }
            }
            "{bnd}" => granted.binding = Some(binding_of(call, granted.policy, sent).await?),
            "{principal_type}" => kind = PrincipalType::parse(sent),
            "{principal_id}" => {
                let namespace = granted.namespace()?;
                // That there is no such kind is said behind the scope.
                if let Some(kind) = kind {
                    let mut read = call.node.store.read().await?;
                    granted.principal = Some(principals::of_kind(&call.node, &mut read, namespace, kind, sent).await?);
                }
            }
            "{req}" => granted.row = Some(row_of(call, granted.namespace.into_iter().collect(), sent).await?),
            "{request_id}" => granted.row = Some(row_of(call, reached(call, actor), sent).await?),
            // The table is ours; a test walks it.
            _ => return Err(ApiError::new(Code::NotFound, "there is no such thing")),
        }
    }
    Ok(granted)
}

/// The namespace that `sent` means, and what the person behind the call is there.
fn namespace_of(call: &Call, actor: Actor, sent: &str) -> Result<(NamespaceId, Option<Role>), ApiError> {
    let absent = || ApiError::new(Code::NotFound, "there is no such namespace");
    let id = match actor {
        Actor::Token(principal) if sent == "me" => principal.namespace,
        _ => sent.parse().map_err(|_| absent())?,
    };
    let roles = &call.node.roles;
    match actor {
        Actor::Token(principal) if id != principal.namespace => Err(absent()),
        Actor::Operator(_) => roles.owner(id).map(|_| (id, None)).ok_or_else(absent),
        // He speaks for himself alone at the socket, whatever others let him do.
        Actor::Socket(person) => {
            (roles.of(person, id) == Some(Role::Owner)).then_some((id, Some(Role::Owner))).ok_or_else(absent)
        }
        Actor::Token(Principal { person, .. }) | Actor::Person(person) => {
            roles.of(person, id).map(|role| (id, Some(role))).ok_or_else(absent)
        }
        Actor::Anyone => Err(absent()),
    }
}

/// The namespace of the credential; of a person at a browser or the control socket, the oldest that is the person's own.
async fn own_namespace(call: &Call, actor: Actor) -> Result<NamespaceId, ApiError> {
    let oldest = match actor {
        Actor::Token(principal) => return Ok(principal.namespace),
        Actor::Person(person) | Actor::Socket(person) => {
            let own = NamespaceRow::of_owner(&mut call.node.store.read().await?, person).await?;
            own.into_iter().find(|row| !call.node.namespace_has_ended(row.id, row.owner)).map(|row| row.id)
        }
        Actor::Operator(_) | Actor::Anyone => None,
    };
    oldest.ok_or_else(|| ApiError::new(Code::NotFound, "there is no such namespace"))
}

async fn session_of(call: &Call, namespace: Option<NamespaceId>, sent: &str) -> Result<GrantId, ApiError> {
    let absent = || ApiError::new(Code::NotFound, "there is no such session");
    let id: GrantId = sent.parse().map_err(|_| absent())?;
    let session = call.node.session(id).await?.ok_or_else(absent)?;
    if Some(session.namespace) == namespace { Ok(id) } else { Err(absent()) }
}

fn member_of(call: &Call, namespace: Option<NamespaceId>, sent: &str) -> Result<PersonId, ApiError> {
    let id: Option<PersonId> = sent.parse().ok();
    let is_there = |id: &PersonId| namespace.is_some_and(|namespace| call.node.roles.of(*id, namespace).is_some());
    id.filter(is_there).ok_or_else(|| ApiError::new(Code::NotFound, "there is no such member"))
}

async fn key_of(call: &Call, namespace: Option<NamespaceId>, sent: &str) -> Result<KeyId, ApiError> {
    let absent = || ApiError::new(Code::NotFound, "there is no such key");
    let id: KeyId = sent.parse().map_err(|_| absent())?;
    let key = ApiKeyRow::find(&mut call.node.store.read().await?, id).await?.ok_or_else(absent)?;
    if namespace.is_some() && key.namespace == namespace { Ok(id) } else { Err(absent()) }
}

fn client_of(call: &Call, namespace: Option<NamespaceId>, sent: &str) -> Result<OauthClientId, ApiError> {
    let absent = || ApiError::new(Code::NotFound, "there is no such OAuth client");
    let id: OauthClientId = sent.parse().map_err(|_| absent())?;
    let client = call.node.clients.registered(id).ok_or_else(absent)?;
    if namespace.is_some_and(|namespace| client.asks_in(namespace)) { Ok(id) } else { Err(absent()) }
}

async fn policy_of(
    call: &Call,
    namespace: Option<NamespaceId>,
    sent: &str,
    kind: Option<PolicyKind>,
) -> Result<PolicyId, ApiError> {
    let absent = || ApiError::new(Code::NotFound, "there is no such policy");
    let (id, namespace) = (sent.parse().map_err(|_| absent())?, namespace.ok_or_else(absent)?);
    let row = PolicyRow::find(&mut call.node.store.read().await?, namespace, id).await?.ok_or_else(absent)?;
    if kind.is_none_or(|kind| row.kind == kind) { Ok(id) } else { Err(absent()) }
}

async fn binding_of(call: &Call, policy: Option<PolicyId>, sent: &str) -> Result<BindingId, ApiError> {
    let absent = || ApiError::new(Code::NotFound, "there is no such binding");
    let (id, policy) = (sent.parse().map_err(|_| absent())?, policy.ok_or_else(absent)?);
    BindingRow::find(&mut call.node.store.read().await?, policy, id).await?.map(|row| row.id).ok_or_else(absent)
}

/// The namespaces that `actor` reaches.
fn reached(call: &Call, actor: Actor) -> Vec<NamespaceId> {
    match actor {
        Actor::Token(principal) => vec![principal.namespace],
        Actor::Person(person) | Actor::Socket(person) => call.node.roles.reached_by(person),
        Actor::Operator(_) | Actor::Anyone => Vec::new(),
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
