//! One attempt: lock → read again → make room → exchange → durable → published. The order is what keeps a session: a
//! rotated token that was spent and not stored is a lost one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bitrouter_node::OwnRefreshError;
use bitrouter_proto::account::credential::{Credential, OauthCredential};
use http::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    Inner,
    clocks::chance,
    http::{Body, Call, LocalUid, form, shown},
    refresher::{Outcome, Why},
    reply::{TokenReply, Tokens, token_reply},
    store::{Locked, Unwritable},
    tokens,
};
use crate::health::Code;

/// How long a foreign process may hold the lock: longer than its own exchange takes.
const LOCK_WAIT: Duration = Duration::from_secs(75);
/// How often the lock is tried.
const LOCK_TRY: Duration = Duration::from_millis(25);
/// How long the server may take over an exchange, whoever has gone away meanwhile.
pub(super) const EXCHANGE: Duration = Duration::from_mins(1);
/// How long metadata may take.
pub(super) const METADATA: Duration = Duration::from_secs(30);

/// Nobody waits for the lock any more when this is dropped.
struct Waiting<'a>(&'a AtomicBool);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// The server is being asked while this lives.
struct Asking(Arc<Inner>);

impl Asking {
    fn of(keeper: &Arc<Inner>) -> Self {
        keeper.asking.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(keeper))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.asking.fetch_sub(1, Ordering::SeqCst);
    }
}

/// How the server answered.
enum Answer {
    Granted(Box<Tokens>),
    /// The grant is no good: over for good, unless somebody else renewed it.
    Ended(String),
    /// It wants no scope named.
    WithoutScope(String),
    Later {
        reason: String,
        asked: Option<Duration>,
        lost: bool,
    },
}

impl Inner {
    /// Tries to renew once. What came of it stands in what is held, and is published by whoever called.
    pub(super) async fn renew(self: &Arc<Self>, why: Why, abort: &CancellationToken) -> Outcome {
        if let Some(reason) = self.own_is_off().await {
            return self.later(reason, None);
        }
        let locked = tokio::select! {
            locked = self.lock_file() => locked,
            () = abort.cancelled() => return Outcome::Later,
            // Nothing was sent yet: the next daemon does it.
            () = self.ending.cancelled() => return Outcome::Later,
        };
        let locked = match locked {
            Ok(locked) => Arc::new(locked),
            Err(unwritable) => return self.unwritable(&unwritable),
        };
        {
            // Nobody takes over meanwhile what was read before.
            let _one = self.looking.lock().await;
            let (stamp, content) = self.read().await;
            self.take_over(stamp, content);
        }
        self.ask_whose().await;
        let Some(old) = self.to_be_renewed(&why) else { return Outcome::Settled };
        let Some(refresh_token) = old.refresh_token.clone() else {
            return self.end(&old, "its time is over, and the server gave no refresh token");
        };
        if self.held().refresh_is_over(self.clocks.now()) && !matches!(why, Why::Again) {
            return self.end(&old, "the time of its refresh token is over");
        }
        let size = Credential::Oauth(old.clone()).to_text().expose_secret().len();
        let prepared = match with_lock(&locked, move |locked| locked.prepare(size)).await {
            Ok(prepared) => prepared,
            Err(unwritable) => return self.unwritable(&unwritable),
        };
        self.health.clear(Code::CredentialUnwritable);
        let mut answered = self.ask_aside(&old, refresh_token, abort);
        let answer = tokio::select! {
            biased;
            answer = &mut answered => answer.ok(),
            () = abort.cancelled() => {
                answered.close();
                // What came just now is here, and nowhere else.
                answered.try_recv().ok()
            }
        };
        let Some(answer) = answer else { return Outcome::Later };
        match answer {
            Answer::Granted(granted) => self.keep(locked, prepared, &old, *granted, &why, abort).await,
            Answer::Ended(reason) => {
                let outcome = self.ended_or_renewed_elsewhere(&old, reason).await;
                drop(locked);
                outcome
            }
            Answer::WithoutScope(reason) => {
                self.held().without_scope = true;
                self.later(reason, None)
            }
            Answer::Later { reason, asked, lost } => {
                self.held().lost_reply |= lost;
                self.later(reason, asked)
            }
        }
    }

    /// Why nothing can be renewed now: the own node issued the credential, and is off.
    async fn own_is_off(&self) -> Option<String> {
        self.ask_whose().await;
        if self.held().is_own != Some(true) {
            return None;
        }
        self.own.node().await.err()
    }

    /// Takes the lock on the file; waits while another process has it.
    pub(super) async fn lock_file(&self) -> Result<Locked, Unwritable> {
        self.lock_file_within(LOCK_WAIT).await
    }

    /// As [`Self::lock_file`], for that long.
    pub(super) async fn lock_file_within(&self, within: Duration) -> Result<Locked, Unwritable> {
        let waiting = Waiting(&self.waits_for_lock);
        let taken = tokio::time::timeout(within, async {
            loop {
                let store = self.store.clone();
                let tried = tokio::task::spawn_blocking(move || store.try_lock()).await;
                match tried.unwrap_or_else(|error| Err(Unwritable::Refused(error.to_string()))) {
                    Ok(Some(locked)) => return Ok(locked),
                    Ok(None) => {
                        self.waits_for_lock.store(true, Ordering::SeqCst);
                        tokio::time::sleep(LOCK_TRY).await;
                    }
                    Err(unwritable) => return Err(unwritable),
                }
            }
        });
        let taken = taken.await.unwrap_or_else(|_| Err(Unwritable::Held(self.store.path().to_owned())));
        drop(waiting);
        taken
    }

    /// The session as it stands in the file, where it has to be renewed still: another process may have done it.
    fn to_be_renewed(&self, why: &Why) -> Option<OauthCredential> {
        let held = self.held();
        let oauth = held.oauth()?;
        let wanted = match why {
            Why::Due => held.ended.is_none() && held.is_due(self.clocks.now()),
            Why::Again => held.ended.is_some(),
            Why::Rejected(token) => {
                held.ended.is_none()
                    && (oauth.access_token.expose_secret() == token.expose_secret() || held.is_over(self.clocks.now()))
            }
        };
        wanted.then(|| oauth.clone())
    }

    /// Asks for new tokens in a task of its own: an answer that comes when nobody waits for it any more, as somebody signed in
    /// or out meanwhile, is ended at its server where nobody holds its session.
    fn ask_aside(
        self: &Arc<Self>,
        old: &OauthCredential,
        refresh_token: SecretString,
        abort: &CancellationToken,
    ) -> oneshot::Receiver<Answer> {
        let (tell, answered) = oneshot::channel();
        let (keeper, old, abort) = (Arc::clone(self), old.clone(), abort.clone());
        let asking = Asking::of(self);
        self.tasks.spawn("exchange", async move {
            let over = async {
                abort.cancelled().await;
                keeper.ending.cancelled().await;
            };
            let answer = tokio::select! {
                answer = keeper.ask(&old, &refresh_token) => answer,
                () = over => return,
            };
            drop(asking);
            if let Err(Answer::Granted(granted)) = tell.send(answer) {
                keeper.end_late(&old, *granted).await;
            }
        });
        answered
    }

    /// Asks the server, or the own node in process, for new tokens.
    async fn ask(&self, old: &OauthCredential, refresh_token: &SecretString) -> Answer {
        if self.held().is_own == Some(true) {
            return match self.own.node().await {
                Ok(node) => match node.refresh_own(&old.client_id, refresh_token, &old.scope).await {
                    Ok(granted) => Answer::Granted(Box::new(tokens::of_own(granted))),
                    Err(OwnRefreshError::Ended(reason)) => Answer::Ended(reason),
                    Err(OwnRefreshError::Later(reason)) => Answer::Later { reason, asked: None, lost: false },
                },
                Err(reason) => Answer::Later { reason, asked: None, lost: false },
            };
        }
        self.held().status = None;
        let uid = local_uid(old);
        let metadata = match self.renewing(old, uid).await {
            Ok(metadata) => metadata,
            Err(error) => {
                self.held().status = error.status.filter(|status| *status >= 500);
                return Answer::Later { reason: error.message, asked: None, lost: false };
            }
        };
        if self.ending.is_cancelled() {
            return Answer::Later { reason: "the daemon is ending".to_owned(), asked: None, lost: false };
        }
        // Clients of tokenroute name what the tokens are for, and no scope.
        let is_plain = self.held().without_scope || old.api_url.is_some();
        let scope = if is_plain { "" } else { old.scope.as_str() };
        let mut fields = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose_secret()),
            ("client_id", &old.client_id),
        ];
        if !scope.is_empty() {
            fields.push(("scope", scope));
        }
        fields.extend(old.resource.as_deref().map(|resource| ("resource", resource)));
        let call = Call {
            method: Method::POST,
            url: &metadata.token,
            body: Some(Body::Form(form(&fields))),
            once: None,
            bearer: None,
            within: EXCHANGE,
        };
        let reply = match self.http.call(call, uid).await {
            Ok(reply) => reply,
            Err(error) => return Answer::Later { reason: error.to_string(), asked: None, lost: error.is_lost() },
        };
        self.held().status = Some(reply.status).filter(|status| *status >= 500);
        let host = &shown(&metadata.token);
        match token_reply(&reply, host, self.clocks.now().wall) {
            TokenReply::Granted(granted) => Answer::Granted(granted),
            TokenReply::Denied { code, words } if matches!(code.as_str(), "invalid_grant" | "invalid_client") => {
                Answer::Ended(if words == code { code } else { format!("{words} ({code})") })
            }
            TokenReply::Denied { code, words } if code == "invalid_scope" && !scope.is_empty() => {
                Answer::WithoutScope(words)
            }
            TokenReply::Denied { code, words } => {
                Answer::Later { reason: format!("`{host}` refused: {words} ({code})"), asked: None, lost: false }
            }
            TokenReply::Trouble { words, retry_after } => {
                if reply.status == StatusCode::NOT_FOUND {
                    self.forget_renewing(old);
                }
                // What answered without an error of OAuth may have been a proxy, and the server may have acted.
                Answer::Later { reason: words, asked: retry_after, lost: true }
            }
        }
    }

    /// The session of `old` is over, unless another one is held by now.
    pub(super) fn end(&self, old: &OauthCredential, reason: &str) -> Outcome {
        let mut held = self.held();
        let is_held =
            held.oauth().is_some_and(|now| now.access_token.expose_secret() == old.access_token.expose_secret());
        if !is_held {
            return Outcome::Settled;
        }
        held.end(reason.to_owned());
        Outcome::Ended
    }

    fn later(&self, reason: String, asked: Option<Duration>) -> Outcome {
        if self.held().pause.is_failing() {
            tracing::debug!(reason, "the account's token was not renewed");
        } else {
            tracing::info!(reason, "the account's token was not renewed; it is tried again");
        }
        self.held().failed(reason, self.clocks.now(), asked, chance());
        Outcome::Later
    }

    fn unwritable(&self, unwritable: &Unwritable) -> Outcome {
        self.not_written(unwritable);
        Outcome::Later
    }

    pub(super) fn not_written(&self, unwritable: &Unwritable) {
        let reason = format!("the credential cannot be kept, so nothing is renewed: {unwritable}");
        self.health.raise(Code::CredentialUnwritable, reason.as_str(), None);
        self.held().failed(reason, self.clocks.now(), None, chance());
        self.publish();
    }
}

/// Whose listener a server on this machine must be.
pub(super) fn local_uid(credential: &OauthCredential) -> LocalUid {
    credential.issuer_uid.map_or(LocalUid::Own, LocalUid::Only)
}

/// Does `work` with the lock on a thread that may wait.
pub(super) async fn with_lock<T: Send + 'static>(
    locked: &Arc<Locked>,
    work: impl FnOnce(&Locked) -> Result<T, Unwritable> + Send + 'static,
) -> Result<T, Unwritable> {
    let locked = Arc::clone(locked);
    let done = tokio::task::spawn_blocking(move || work(&locked));
    done.await.unwrap_or_else(|error| Err(Unwritable::Refused(error.to_string())))
}
