//! The beginning of a session: the grant and its first pair of tokens, however it was approved.

use std::sync::Arc;

use bitrouter_proto::account::{GrantId, ScopeSet, oauth_clients::GrantType};

use super::{
    Client, ClientId,
    error::OAuthError,
    issue::{self, finish},
    reply::Issued,
};
use crate::{
    Node,
    clock::Moment,
    store::{Approval, GrantRow, RefreshTokenRow, StoreError, Write},
};

/// How many sessions a person has in a namespace.
const SESSIONS: usize = 100;

/// The client, and what is left for it of what was `approved` for the session `id`, as things are now and not as they were at the
/// approval; the words for nothing. `None` where there is no such client for it.
pub(super) fn left_of(
    node: &Node,
    client: ClientId,
    id: GrantId,
    approved: Approval,
) -> Option<(Arc<Client>, Result<Approval, &'static str>)> {
    let client = node.clients.of(client).filter(|client| client.asks_in(approved.namespace))?;
    let role = node.roles.of(approved.person, approved.namespace);
    let role = role.filter(|_| !node.live.has_ended(id, approved.person, approved.namespace));
    let scopes = role.map_or(ScopeSet::EMPTY, |role| approved.scopes.intersection(role.scopes()));
    let scopes = scopes.intersection(client.allowed);
    let left = match role {
        _ if !scopes.is_empty() => Ok(Approval { scopes, ..approved }),
        Some(_) => Err("nothing is left of what was approved: the role in the namespace, or the client, has changed"),
        None => Err("who approved it is gone, or has no namespace of this id any more"),
    };
    Some((client, left))
}

/// The session that has to end before another one can be approved so: the longest idle one, where there are as many as there
/// may be. Ending it is a change of its own, for which the turn to write is given back.
pub(super) async fn gives_way(
    node: &Node,
    write: &mut Write,
    approval: &Approval,
    now: Moment,
) -> Result<Option<GrantId>, StoreError> {
    let mut open = GrantRow::of_namespace(write, approval.namespace, now).await?;
    open.retain(|grant| grant.person == approval.person && !node.is_over(grant));
    if open.len() < SESSIONS {
        return Ok(None);
    }
    Ok(open.iter().min_by_key(|grant| (node.last_used(grant), grant.id)).map(|grant| grant.id))
}

/// Makes the session `id` and its first pair, for what is `presented`, and makes all that `write` holds durable.
pub(super) async fn make(
    node: &Node,
    mut write: Write,
    client: &Client,
    id: GrantId,
    approval: Approval,
    presented: &str,
    now: Moment,
) -> Result<Issued, OAuthError> {
    let settings = node.settings.load();
    // What cannot be renewed is over when its one access token is.
    let (renews, once) = (client.may_use(GrantType::RefreshToken), settings.oauth.access_token_ttl);
    let grant = GrantRow {
        id,
        client_id: client.id.to_string(),
        person: approval.person,
        namespace: approval.namespace,
        scopes: approval.scopes.intersection(client.allowed),
        generation: 1,
        created_at: now,
        last_used_at: now,
        idle_expires_at: now.after(if renews { settings.oauth.refresh_token_ttl } else { once }),
        expires_at: now.after(if renews { settings.oauth.session_ttl } else { once }),
    };
    drop(settings);
    let refresh = issue::refresh_token(node, id, grant.generation, presented);
    grant.insert(&mut write).await?;
    RefreshTokenRow::new(refresh.hash(), id, grant.generation, now).insert(&mut write).await?;
    let scopes = grant.scopes;
    finish(node, write, grant, refresh, scopes, now).await
}
