//! Registering a client: it can be given no more than its maker can do at that moment.

use std::{sync::Arc, sync::atomic::AtomicBool, time::Duration};

use bitrouter_proto::account::{
    NamespaceId, OauthClientId, PersonId, ScopeSet,
    oauth_clients::{ClientType, GrantType, RegisteredOauthClient},
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{Client, ClientError, MOST, NEVER, name, redirect};
use crate::{
    Node,
    revocations::Revoked,
    secret::{TokenHash, random_secret, random_ulid},
    store::{OauthClientRow, Write},
};

/// How long the secret of a client that has not shown it is made anew for whoever asks again.
const REPEATED: Duration = Duration::from_mins(10);

/// Who registers or changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registrar {
    /// The person behind it.
    pub(crate) person: PersonId,
    /// Where.
    pub(crate) namespace: NamespaceId,
    /// What the person, or the credential, can do now.
    pub(crate) scopes: ScopeSet,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// What people are to read.
    pub(crate) name: String,
    /// Whether it is to have a secret.
    pub(crate) kind: ClientType,
    /// Where browsers may be sent back to.
    pub(crate) redirect_uris: Vec<String>,
    /// The most that its tokens can do.
    pub(crate) scopes: ScopeSet,
    /// How it comes to them.
    pub(crate) grants: Vec<GrantType>,
}

/// A client, and the secret that nobody sees again.
#[derive(Debug)]
pub(crate) struct Registered {
    client: Arc<Client>,
    secret: Option<SecretString>,
}

impl Registered {
    /// What its maker is told, once.
    ///
    /// # Errors
    /// Where it is none that somebody registered.
    pub(crate) fn told(self) -> Result<RegisteredOauthClient, ClientError> {
        let row = self.client.told().ok_or(ClientError::Absent)?;
        Ok(RegisteredOauthClient {
            id: row.id,
            client_id: row.client_id,
            client_name: row.client_name,
            client_type: row.client_type,
            redirect_uris: row.redirect_uris,
            allowed_scopes: row.allowed_scopes,
            allowed_grant_types: row.allowed_grant_types,
            client_secret: self.secret.map(|secret| secret.expose_secret().to_owned()),
        })
    }
}

impl Wanted {
    /// Whether `registrar` may have what is wanted.
    ///
    /// # Errors
    /// Where it is wrong in itself, or more than whoever asks can do.
    pub(crate) fn judge(&self, registrar: &Registrar) -> Result<(), ClientError> {
        name::parse(&self.name)?;
        redirect::judged(self.redirect_uris.clone())?;
        judge_lists(self.scopes, &self.grants, &self.redirect_uris)?;
        judge_scopes(self.scopes, registrar.scopes)
    }
}

/// Whether a client can be so.
pub(super) fn judge_lists(scopes: ScopeSet, grants: &[GrantType], uris: &[String]) -> Result<(), ClientError> {
    if scopes.is_empty() {
        return Err(ClientError::wrong("allowed_scopes", "a client needs at least one scope"));
    }
    if grants.is_empty() {
        return Err(ClientError::wrong("allowed_grant_types", "a client needs at least one grant type"));
    }
    if grants.contains(&GrantType::AuthorizationCode) && uris.is_empty() {
        let what = "the grant type `authorization_code` needs at least one redirect URI";
        return Err(ClientError::wrong("redirect_uris", what));
    }
    Ok(())
}

/// Whether who can do `own` may give a client `scopes`.
pub(super) fn judge_scopes(scopes: ScopeSet, own: ScopeSet) -> Result<(), ClientError> {
    let (exceeds, never) = (scopes.without(own), scopes.intersection(NEVER));
    if !never.is_empty() {
        Err(ClientError::Never(never))
    } else if !exceeds.is_empty() {
        Err(ClientError::Exceeds(exceeds))
    } else {
        Ok(())
    }
}

/// Writes a new client. Whoever commits `write` goes on with [`Node::commit_client`].
///
/// # Errors
/// See [`ClientError`].
pub(crate) async fn register(
    node: &Node,
    write: &mut Write,
    registrar: &Registrar,
    wanted: Wanted,
) -> Result<(Registered, OauthClientRow), ClientError> {
    wanted.judge(registrar)?;
    // As things are now: a role may have been taken away since the call was judged.
    let role = node.roles.of(registrar.person, registrar.namespace).ok_or(ClientError::Absent)?;
    judge_scopes(wanted.scopes, role.scopes())?;
    if node.clients.in_namespace(registrar.namespace).len() >= MOST {
        return Err(ClientError::TooMany);
    }
    let name = name::parse(&wanted.name)?;
    let folded_name = name::looks(name.as_str());
    name::judge(&node.clients, write, &folded_name, None).await?;
    let now = node.clock.wall();
    let secret = (wanted.kind == ClientType::Confidential).then(random_secret);
    let row = OauthClientRow {
        id: OauthClientId::new(random_ulid(now)),
        namespace: registrar.namespace,
        person: registrar.person,
        name: name.as_str().to_owned(),
        folded_name,
        kind: wanted.kind,
        secret: secret.as_ref().map(|secret| TokenHash::of(secret.expose_secret().as_bytes())),
        redirect_uris: redirect::judged(wanted.redirect_uris)?,
        scopes: wanted.scopes,
        grants: each_once(&wanted.grants),
        created_at: now,
        used_at: None,
        changed_by: None,
    };
    row.insert(write).await?;
    let client = Arc::new(Client::of_row(row.clone(), Arc::default()));
    Ok((Registered { client, secret }, row))
}

/// The grant types, each once, in their order.
pub(super) fn each_once(grants: &[GrantType]) -> Vec<GrantType> {
    let is_in = |grant: &GrantType| grants.contains(grant);
    GrantType::ALL.iter().copied().filter(is_in).collect()
}

/// Gives a client that an earlier call has registered another secret: that call's reply, with the one before, may never have
/// arrived.
///
/// # Errors
/// [`ClientError::Made`] where the secret was shown, or is too old; [`ClientError::MadeAndEnded`] where the client is gone.
pub(crate) async fn again(
    node: &Node,
    mut write: Write,
    registrar: &Registrar,
    wanted: &Wanted,
    id: OauthClientId,
) -> Result<Registered, ClientError> {
    wanted.judge(registrar)?;
    let now = node.clock.wall();
    let gone = || ClientError::MadeAndEnded(id);
    let client = node.clients.registered(id).filter(|client| client.asks_in(registrar.namespace)).ok_or_else(gone)?;
    let row = OauthClientRow::find(&mut write, id).await?.ok_or_else(gone)?;
    let known = client.registration.as_ref().ok_or_else(gone)?;
    let was_shown = known.has_shown_secret.load(std::sync::atomic::Ordering::Acquire) || row.used_at.is_some();
    if was_shown || row.kind != ClientType::Confidential || now.since(row.created_at) > REPEATED {
        return Err(ClientError::Made(id));
    }
    let former = known.secret;
    let secret = random_secret();
    let hash = TokenHash::of(secret.expose_secret().as_bytes());
    // In memory first: the former one opens nothing from here on.
    let has_shown: Arc<AtomicBool> = Arc::clone(&known.has_shown_secret);
    let with = |secret| Client::of_row(OauthClientRow { secret, ..row.clone() }, Arc::clone(&has_shown));
    node.clients.put(with(Some(hash)));
    let replaced = match former {
        Some(former) => node.replace_client_secret(write, id, former, hash).await,
        // A database that was put back: the secret that it had was replaced before, and was taken away. There is none to end.
        None => {
            let set = async {
                OauthClientRow::set_secret(&mut write, id, hash).await?;
                write.commit().await
            };
            set.await.map(|()| Revoked::Whole)
        }
    };
    match replaced {
        Ok(replaced) => replaced.with_the_rest(&node.store)?,
        Err(error) => {
            node.clients.put(with(former));
            return Err(error.into());
        }
    }
    let client = node.clients.registered(id).ok_or_else(gone)?;
    Ok(Registered { client, secret: Some(secret) })
}

impl Node {
    /// Commits `write`, in which a client was written, and has memory know it.
    ///
    /// # Errors
    /// Where nothing was written.
    pub(crate) async fn commit_client(&self, write: Write, row: OauthClientRow) -> Result<(), ClientError> {
        let has_shown_secret = match self.clients.registered(row.id).as_deref() {
            Some(Client { registration: Some(known), .. }) => Arc::clone(&known.has_shown_secret),
            _ => Arc::new(AtomicBool::new(row.used_at.is_some())),
        };
        Ok(write.commit_then(|| self.clients.put(Client::of_row(row, has_shown_secret))).await?)
    }
}
