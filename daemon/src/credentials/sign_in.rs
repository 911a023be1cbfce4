//! Signing in: with a code, with a key, or to the own node; and what becomes of whoever was signed in before.

use std::{sync::Arc, time::Duration};

use bitrouter_node::{OwnSignInError, secret::is_mistyped_key};
use bitrouter_proto::{
    account::{
        DEFAULT_CLIENT, ScopeSet,
        credential::{ApiKeyCredential, Credential},
    },
    codes::Reason,
};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{mpsc, oneshot};

use super::{
    AccountError, Credentials, Inner, Session,
    clocks::chance,
    device::Grant,
    discovery::Discovered,
    exchange::{METADATA, with_lock},
    held::same_tokens,
    http::{LocalUid, uid_at},
    issuer::{is_loopback, server_url},
    lock,
    schedule::Life,
    store::{Content, Unwritable},
    tokens,
};

/// How long the session before may take to be revoked.
const REVOKE_OLD: Duration = Duration::from_secs(5);
/// What keys of an account begin with.
const KEY: &str = "brk_";
/// Room for any credential.
const ROOM: usize = 4 << 10;

/// How to sign in.
#[derive(Debug)]
pub(crate) enum SignIn {
    /// With a code in a browser. Everything is resolved: flag, variable, setting, default.
    Device { oauth_as: String, client_id: String, scope: String },
    /// The same at the server at `api_url`, which may say how; `otherwise` stands for what neither it nor anybody else says.
    Discovered { api_url: String, client_id: Option<String>, scope: Option<String>, otherwise: (String, String) },
    /// With a key.
    ApiKey { api_key: SecretString, base_url: String },
    /// To the own node, as its owner; `namespace` is an id or a name.
    Local { namespace: Option<String>, scope: String, client_id: String },
}

/// What happens during a sign-in.
#[derive(Clone, Debug)]
pub(crate) enum SignInEvent {
    /// Somebody has to open this and approve.
    Code { verification_uri: String, verification_uri_complete: Option<String>, user_code: String, expires_in: u64 },
    /// Nobody has yet; `trouble` is what went wrong at the last try, which will be tried again.
    Waiting { remaining_s: u64, trouble: Option<String> },
}

/// How a sign-in ended well.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    /// Where a bad credential file was put aside, where there was one.
    pub(crate) put_aside: Option<String>,
    /// Who is signed in now.
    pub(crate) session: Arc<Session>,
}

impl Credentials {
    /// Signs in. Dropping the future cancels it, up to the moment at which the tokens have come.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn sign_in(
        &self,
        how: SignIn,
        events: mpsc::Sender<SignInEvent>,
    ) -> Result<SignedIn, AccountError> {
        let keeper = &self.0;
        let (credential, is_own) = match how {
            SignIn::Device { oauth_as, client_id, scope } => {
                let server = server_url(&oauth_as)?;
                keeper.can_write().await?;
                (keeper.with_code(&server, &client_id, &scope, &events).await?, None)
            }
            SignIn::Discovered { api_url, client_id, scope, otherwise } => {
                let server = server_url(&api_url)?;
                keeper.can_write().await?;
                let said = Said { client_id, scope };
                (keeper.as_discovered(&server, said, &otherwise, &events).await?, None)
            }
            SignIn::ApiKey { api_key, base_url } => {
                is_key(&api_key)?;
                let server = server_url(&base_url)?;
                let mut key = ApiKeyCredential::new(api_key, &server);
                // Whoever listens now is whom it is bound to.
                let seen = Url::parse(&server).ok().and_then(|url| uid_at(&url));
                key.issuer_uid = seen.filter(|uid| *uid != rustix::process::geteuid().as_raw());
                (Credential::ApiKey(key), None)
            }
            SignIn::Local { namespace, scope, client_id } => {
                keeper.can_write().await?;
                (keeper.at_own_node(namespace.as_deref(), &scope, &client_id).await?, Some(true))
            }
        };
        keeper.keep_sign_in(credential, is_own).await
    }
}

impl Inner {
    /// Says before anybody is asked to approve that what comes of it could not be kept.
    async fn can_write(&self) -> Result<(), AccountError> {
        let store = self.store.clone();
        let tried = tokio::task::spawn_blocking(move || match store.try_lock()? {
            Some(locked) => locked.prepare(ROOM).map(drop),
            // Whoever has it writes.
            None => Ok(()),
        });
        tried.await.unwrap_or(Ok(())).map_err(|unwritable| cannot_keep(&unwritable))
    }

    async fn with_code(
        &self,
        server: &str,
        client_id: &str,
        scope: &str,
        events: &mpsc::Sender<SignInEvent>,
    ) -> Result<Credential, AccountError> {
        let seen = seen_at(server)?;
        let uid = seen.map_or(LocalUid::Any, LocalUid::Only);
        // What was kept may be old, and a sign-in begins anew.
        let metadata = match self.servers.ask(&self.http, server, uid, METADATA).await {
            Ok(metadata) => metadata,
            Err(error) if error.status.is_some_and(|status| (400..500).contains(&status)) => {
                let is_said = client_id != DEFAULT_CLIENT;
                let said = Said {
                    client_id: is_said.then(|| client_id.to_owned()),
                    scope: Some(scope.to_owned()).filter(|scope| *scope != ScopeSet::DEFAULT.to_string()),
                };
                let Some(found) = self.discovered(server, uid).await? else { return Err(error) };
                return self.by_document(server, &found, said, seen, events).await;
            }
            Err(error) => return Err(error),
        };
        let grant = Grant { server, metadata: &metadata, client_id, scope, resource: None };
        let approved = self.device_grant(&grant, uid, events).await?;
        let now = self.clocks.now().wall;
        let mut credential = tokens::signed_in(approved.tokens, client_id, server, &approved.scope, now);
        credential.node_id.clone_from(&metadata.node_id);
        credential.issuer_uid = seen;
        credential.own_node = self.own.node().await.is_ok() && self.own.issued(&credential).await;
        Ok(Credential::Oauth(credential))
    }

    /// Signs in as the document of `server` says; without one, to the authorization server that it is.
    async fn as_discovered(
        &self,
        server: &str,
        said: Said,
        otherwise: &(String, String),
        events: &mpsc::Sender<SignInEvent>,
    ) -> Result<Credential, AccountError> {
        let seen = seen_at(server)?;
        let uid = seen.map_or(LocalUid::Any, LocalUid::Only);
        match self.discovered(server, uid).await? {
            Some(found) => self.by_document(server, &found, said, seen, events).await,
            None => {
                let client_id = said.client_id.as_deref().unwrap_or(&otherwise.0);
                let scope = said.scope.as_deref().unwrap_or(&otherwise.1);
                self.with_code(server, client_id, scope, events).await
            }
        }
    }

    /// What `server` says now of how to sign in; 503 is how it says that nobody can.
    async fn discovered(&self, server: &str, uid: LocalUid) -> Result<Option<Arc<Discovered>>, AccountError> {
        self.discoveries.ask(&self.http, server, uid).await.map_err(|error| match error.status {
            Some(503) => {
                let message = format!("`{server}` says that nobody can sign in there now: {}", error.message);
                AccountError { message, ..error }
            }
            _ => error,
        })
    }

    async fn by_document(
        &self,
        server: &str,
        found: &Discovered,
        said: Said,
        seen: Option<u32>,
        events: &mpsc::Sender<SignInEvent>,
    ) -> Result<Credential, AccountError> {
        found.judge_resource(server)?;
        let client_id = said.client_id.as_deref().unwrap_or(&found.client_id);
        let scope = said.scope.as_deref().unwrap_or(&found.scopes);
        let resource = Some(found.resource.as_str());
        let grant = Grant { server, metadata: &found.metadata, client_id, scope, resource };
        let uid = seen.map_or(LocalUid::Any, LocalUid::Only);
        let approved = self.device_grant(&grant, uid, events).await?;
        let now = self.clocks.now().wall;
        let mut credential = tokens::signed_in(approved.tokens, client_id, &found.issuer, &approved.scope, now);
        credential.api_url = Some(server.to_owned());
        credential.resource = Some(found.resource.clone());
        credential.token_endpoint = Some(found.metadata.token.to_string());
        credential.issuer_uid = seen;
        credential.own_node = self.own.node().await.is_ok() && self.own.issued(&credential).await;
        Ok(Credential::Oauth(credential))
    }

    async fn at_own_node(
        &self,
        namespace: Option<&str>,
        scope: &str,
        client_id: &str,
    ) -> Result<Credential, AccountError> {
        let node = self.own.node().await.map_err(|reason| AccountError::new(Reason::NodeOff, reason))?;
        let refused = |message: String| AccountError::new(Reason::InvalidArgument, message);
        let scopes = ScopeSet::parse(scope).map_err(|error| refused(error.to_string()))?;
        let granted = node.sign_in_owner(client_id, namespace, scopes).await.map_err(|error| match &error {
            OwnSignInError::UnknownNamespace(_) => AccountError::new(Reason::NotFound, error.to_string()),
            OwnSignInError::Scope(_) | OwnSignInError::UnknownClient(_) => refused(error.to_string()),
            OwnSignInError::Later(_) | OwnSignInError::Store(_) | OwnSignInError::Interrupted(_) => {
                AccountError::new(Reason::NodeOff, error.to_string())
            }
        })?;
        let now = self.clocks.now().wall;
        let mut credential = tokens::signed_in(tokens::of_own(granted), client_id, &self.own.issuer(), scope, now);
        credential.node_id = Some(node.id().to_owned());
        credential.own_node = true;
        if Url::parse(&credential.authorization_server).is_ok_and(|url| is_loopback(&url)) {
            credential.issuer_uid = Some(rustix::process::geteuid().as_raw());
        }
        Ok(Credential::Oauth(credential))
    }

    /// Stores what was signed in to, to the end, whoever goes away meanwhile.
    async fn keep_sign_in(self: &Arc<Self>, new: Credential, is_own: Option<bool>) -> Result<SignedIn, AccountError> {
        let (done, kept) = oneshot::channel();
        let keeper = Arc::clone(self);
        self.tasks.spawn("sign-in", async move {
            let kept = keeper.replace_session(Arc::new(new), is_own).await;
            // Whoever asked may be gone.
            let _ = done.send(kept);
        });
        kept.await.unwrap_or_else(|_| Err(AccountError::new(Reason::Internal, "the sign-in failed; the log says more")))
    }

    async fn replace_session(
        self: &Arc<Self>,
        new: Arc<Credential>,
        is_own: Option<bool>,
    ) -> Result<SignedIn, AccountError> {
        let replacing = self.replacing();
        self.abort_attempt().await;
        let written = self.write_sign_in(&new, is_own).await;
        drop(replacing);
        let (put_aside, old) = match written {
            Ok(both) => both,
            Err(unwritable) => {
                // Nobody would ever use it.
                if let Credential::Oauth(oauth) = &*new {
                    self.revoke_aside(oauth.clone());
                }
                return Err(cannot_keep(&unwritable));
            }
        };
        self.ask_whose().await;
        self.tell_of_sign_in();
        let unsaved = lock(&self.unsaved).take();
        let before = old.as_deref().filter(|old| !same_tokens(old, &new));
        for old in before.into_iter().filter_map(oauth_of).chain(unsaved) {
            let revoked = tokio::time::timeout(REVOKE_OLD, self.revoke(&old)).await;
            if !matches!(revoked, Ok(Ok(()))) {
                tracing::info!(server = old.authorization_server, "the session before could not be revoked");
            }
        }
        let session = Arc::clone(&self.session.borrow());
        Ok(SignedIn { put_aside, session })
    }

    /// Writes the new credential in the place of the old one, and takes it over. A file that cannot be read is put aside.
    async fn write_sign_in(
        &self,
        new: &Arc<Credential>,
        is_own: Option<bool>,
    ) -> Result<(Option<String>, Option<Arc<Credential>>), Unwritable> {
        let locked = Arc::new(self.lock_file().await?);
        let _one = self.looking.lock().await;
        let (_, content) = self.read().await;
        let text = new.to_text();
        let is_bad = matches!(content, Content::Bad { .. });
        let (aside, stamp) = with_lock(&locked, move |locked| {
            let ready = locked.prepare(text.expose_secret().len())?;
            let aside = if is_bad { Some(locked.put_aside()?) } else { None };
            Ok((aside, locked.commit(ready, &text)?))
        })
        .await?;
        let now = self.clocks.now();
        let life = oauth_of(new).map(|oauth| {
            let lifetime = oauth.expires_at.duration_since(now.wall).unwrap_or_default();
            Life::received(lifetime, now, chance())
        });
        self.held().install(stamp, Arc::clone(new), life, is_own);
        self.publish();
        let old = match content {
            Content::Good(old) => Some(old),
            Content::Absent | Content::Bad { .. } => None,
        };
        Ok((aside.map(|path| path.display().to_string()), old))
    }
}

/// What somebody said of how to sign in.
struct Said {
    client_id: Option<String>,
    scope: Option<String>,
}

/// The uid that listens at `server` now, where that is on this machine: whom the session is bound to.
fn seen_at(server: &str) -> Result<Option<u32>, AccountError> {
    let url =
        Url::parse(server).map_err(|_| AccountError::new(Reason::InvalidArgument, format!("`{server}` is no URL")))?;
    Ok(if is_loopback(&url) { uid_at(&url) } else { None })
}

fn oauth_of(credential: &Credential) -> Option<bitrouter_proto::account::credential::OauthCredential> {
    match credential {
        Credential::Oauth(oauth) => Some(oauth.clone()),
        Credential::ApiKey(_) => None,
    }
}

fn cannot_keep(unwritable: &Unwritable) -> AccountError {
    AccountError::new(Reason::Conflict, format!("the credential cannot be stored: {unwritable}"))
}

/// Says whether a text has the shape of an account's key: `brk_<id>.<secret>`, both of `[A-Za-z0-9_-]`.
///
/// # Errors
/// Where it has not. The text is not repeated.
pub(super) fn is_key(key: &SecretString) -> Result<(), AccountError> {
    let part =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let good = key
        .expose_secret()
        .strip_prefix(KEY)
        .and_then(|rest| rest.split_once('.'))
        .is_some_and(|(id, secret)| part(id) && part(secret));
    if good && is_mistyped_key(key.expose_secret()) {
        let message =
            "this key was mistyped or cut: its last characters do not fit the rest; copy it whole, or mint another";
        return Err(AccountError::new(Reason::InvalidArgument, message));
    }
    if good {
        return Ok(());
    }
    let message = "this is no key of an account: one looks like `brk_<id>.<secret>`";
    Err(AccountError::new(Reason::InvalidArgument, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_exactly_one_dot_and_only_plain_characters() {
        for (text, good) in [
            ("brk_abc.def", true),
            ("brk_00000000070000000000000009.def", false),
            ("brk_a-b_C9.x-_Y", true),
            ("brk_abc", false),
            ("brk_abc.", false),
            ("brk_.def", false),
            ("brk_a.b.c", false),
            ("bra_abc.def", false),
            ("brk_a b.c", false),
            ("brk_a.b\n", false),
            ("brk_ä.b", false),
            ("", false),
        ] {
            let judged = is_key(&SecretString::from(text));
            assert_eq!(judged.is_ok(), good, "{text}");
            assert!(judged.err().is_none_or(|error| text.is_empty() || !error.message.contains(text)));
        }
    }
}
