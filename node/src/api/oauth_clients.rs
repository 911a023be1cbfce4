//! `/v1/namespaces/{nsid}/oauth/clients`: the programs that may ask the people of a namespace for tokens.

use bitrouter_proto::account::{
    List, ScopeSet,
    oauth_clients::{ClientType, GrantType, OauthClient, RegisteredOauthClient},
};
use serde::Serialize;

use crate::{
    http::{
        Call,
        error::{ApiError, Code},
        granted::Granted,
        idempotency::{Claim, Made},
        members::Members,
        query::Query,
    },
    oauth::clients::{self, Change, ClientError, DeletedClient, Registrar, Wanted},
};

/// The parameters of an end.
pub(super) const DELETE: &[&str] = &[KEYS];
const KEYS: &str = "keys";

/// What a client may do for which nothing is asked, as it is with keys.
const USUAL: ScopeSet = ScopeSet::of(&[bitrouter_proto::account::Scope::InferenceInvoke]);

/// What is gone, and what became of the keys that were minted through it, where there were some.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "they are the members of the reply")]
pub(super) struct Deleted {
    deleted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys_revoked: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys_kept: Option<usize>,
}

/// All clients of the namespace, the oldest first.
pub(super) fn list(call: &Call) -> Result<List<OauthClient>, ApiError> {
    let all = call.node.clients.in_namespace(call.granted.namespace()?);
    Ok(List { data: all.iter().filter_map(|client| client.told()).collect() })
}

/// Registers one.
pub(super) async fn register(call: Call) -> Result<Made<RegisteredOauthClient>, ApiError> {
    let (node, wanted, registrar) = (&call.node, wanted(&call.body)?, registrar(&call.granted)?);
    // Whoever may not register it is told so, whatever an earlier call has made.
    wanted.judge(&registrar)?;
    let is_confidential = wanted.kind == ClientType::Confidential;
    let mut write = node.store.write().await?;
    let free = match Claim::of(&call, &mut write).await? {
        Claim::Free(free) => free,
        Claim::Used(used) if is_confidential => {
            let id = used.resource().ok_or(ClientError::Absent)?;
            return Ok(Made::Again(clients::again(node, write, &registrar, &wanted, id).await?.told()?));
        }
        Claim::Used(used) => {
            let id = used.resource().ok_or(ClientError::Absent)?;
            return used.replayed(node.clients.registered(id).is_some(), "deleted");
        }
    };
    let (registered, row) = clients::register(node, &mut write, &registrar, wanted).await?;
    let (id, told) = (row.id, registered.told()?);
    if let Some(free) = free {
        // A secret is kept nowhere.
        free.keep(&mut write, &id.to_string(), (!is_confidential).then_some(&told)).await?;
    }
    node.commit_client(write, row).await?;
    let Registrar { person, namespace, .. } = registrar;
    tracing::info!(client = %id, %namespace, %person, "an OAuth client was registered");
    Ok(Made::New(told))
}

/// Changes one; a list that is given replaces the one before.
pub(super) async fn update(call: Call) -> Result<OauthClient, ApiError> {
    let (id, registrar) = (call.granted.client.ok_or(ClientError::Absent)?, registrar(&call.granted)?);
    let changed = call.node.change_client(&registrar, id, change(&call.body)?).await?;
    Ok(changed.told().ok_or(ClientError::Absent)?)
}

/// Deletes one: its tokens end, and the keys that were minted through it, but with `?keys=keep`.
pub(super) async fn delete(call: Call) -> Result<Deleted, ApiError> {
    let id = call.granted.client.ok_or(ClientError::Absent)?;
    let keeps_keys = Query::read(call.head.uri.query(), DELETE)?.is(KEYS, "keep")?;
    let some = |keys| (keys > 0).then_some(keys);
    Ok(match call.node.delete_client(id, call.granted.person()?, keeps_keys).await? {
        DeletedClient::WithKeys(keys) => Deleted { deleted: true, keys_revoked: some(keys), keys_kept: None },
        DeletedClient::WithoutKeys(keys) => Deleted { deleted: true, keys_revoked: None, keys_kept: Some(keys) },
    })
}

fn registrar(granted: &Granted) -> Result<Registrar, ApiError> {
    Ok(Registrar { person: granted.person()?, namespace: granted.namespace()?, scopes: granted.scopes() })
}

fn wanted(body: &[u8]) -> Result<Wanted, ApiError> {
    let mut members = Members::read(body)?;
    let (name, kind) = (members.text("client_name")?, members.text("client_type")?);
    let (uris, scopes) = (members.optional_texts("redirect_uris")?, members.optional_texts("allowed_scopes")?);
    let grants = members.texts("allowed_grant_types")?;
    members.end()?;
    let words: Vec<String> = ClientType::ALL.iter().map(|kind| format!("`{kind}`")).collect();
    let wrong = || ApiError::new(Code::BadRequest, format!("`client_type` must be {}", words.join(" or ")));
    Ok(Wanted {
        name,
        kind: ClientType::parse(&kind).ok_or_else(|| wrong().about("client_type"))?,
        redirect_uris: uris.unwrap_or_default(),
        scopes: scopes.map_or(Ok(USUAL), |scopes| scopes_of(&scopes))?,
        grants: grants_of(&grants)?,
    })
}

fn change(body: &[u8]) -> Result<Change, ApiError> {
    let mut members = Members::read(body)?;
    let (name, redirect_uris) = (members.optional_text("client_name")?, members.optional_texts("redirect_uris")?);
    let (scopes, grants) = (members.optional_texts("allowed_scopes")?, members.optional_texts("allowed_grant_types")?);
    members.end()?;
    let scopes = scopes.map(|scopes| scopes_of(&scopes)).transpose()?;
    Ok(Change { name, redirect_uris, scopes, grants: grants.map(|grants| grants_of(&grants)).transpose()? })
}

fn scopes_of(texts: &[String]) -> Result<ScopeSet, ApiError> {
    super::scopes_of(texts, "allowed_scopes")
}

fn grants_of(texts: &[String]) -> Result<Vec<GrantType>, ApiError> {
    let grant = |text: &String| {
        let shown: String = text.chars().take(128).collect();
        let unknown = || ApiError::new(Code::BadRequest, format!("unknown grant type `{shown}`"));
        GrantType::parse(text).ok_or_else(|| unknown().about("allowed_grant_types"))
    };
    texts.iter().map(grant).collect()
}

impl From<ClientError> for ApiError {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::Wrong { field, .. } => Self::new(Code::BadRequest, message).about(field),
            ClientError::NameTaken => Self::new(Code::Conflict, message).about("client_name"),
            ClientError::Exceeds(_) | ClientError::Never(_) => {
                Self::new(Code::Forbidden, message).about("allowed_scopes")
            }
            ClientError::TooMany | ClientError::Made(_) | ClientError::MadeAndEnded(_) => {
                Self::new(Code::Conflict, message)
            }
            ClientError::Claimed(error) => error.into(),
            ClientError::Absent => Self::new(Code::NotFound, message),
            ClientError::Store(error) => error.into(),
        }
    }
}
