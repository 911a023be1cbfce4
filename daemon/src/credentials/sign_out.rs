//! Signing out: the session is revoked as far as its server can be reached, and the file is deleted.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bitrouter_proto::{account::credential::Credential, clock, codes::Reason};
use tokio::sync::oneshot;

use super::{
    AccountError, Credentials, Inner,
    exchange::with_lock,
    lock,
    store::{Content, Locked, Unwritable},
};

/// How long the lock is waited for: a sign-out must not hang on somebody else's exchange.
const LOCK_WAIT: Duration = Duration::from_secs(3);
/// How long the lock is waited for at least, after an attempt of our own.
const LOCK_AT_LEAST: Duration = Duration::from_millis(500);
/// How long all revoking may take.
const REVOKING: Duration = Duration::from_secs(6);

/// How a sign-out ended.
#[derive(Clone, Debug)]
pub(crate) struct SignedOut {
    /// False where nobody was signed in.
    pub(crate) was_signed_in: bool,
    /// What could not be revoked and why.
    pub(crate) not_revoked: Option<String>,
}

impl Credentials {
    /// Revokes the session as far as its server can be reached, and deletes the file. It goes on where the caller goes away.
    ///
    /// # Errors
    /// Where the file cannot be deleted.
    pub(crate) async fn sign_out(&self) -> Result<SignedOut, AccountError> {
        let (done, ended) = oneshot::channel();
        let keeper = Arc::clone(&self.0);
        self.0.tasks.spawn("sign-out", async move {
            // Whoever asked may be gone.
            let _ = done.send(keeper.sign_out().await);
        });
        ended
            .await
            .unwrap_or_else(|_| Err(AccountError::new(Reason::Internal, "the sign-out failed; the log says more")))
    }
}

impl Inner {
    async fn sign_out(self: &Arc<Self>) -> Result<SignedOut, AccountError> {
        let _replacing = self.replacing();
        let until = clock::after(LOCK_WAIT);
        // Tokens that are on their way are revoked too.
        self.end_attempt(LOCK_WAIT).await;
        let is_asking = self.asking.load(Ordering::SeqCst) > 0;
        let left = until.saturating_duration_since(clock::monotonic_now()).max(LOCK_AT_LEAST);
        // Whoever holds it for longer finds no file when he is done, and leaves it at that.
        let locked = self.lock_file_within(left).await.ok().map(Arc::new);
        let (_, content) = self.read().await;
        let not_revoked = match &content {
            Content::Absent => return Ok(SignedOut { was_signed_in: false, not_revoked: None }),
            Content::Good(credential) => match &**credential {
                Credential::Oauth(oauth) => self.revoke_all(oauth).await.err(),
                Credential::ApiKey(_) => None,
            },
            Content::Bad { reason, .. } => {
                Some(format!("the credential could not be read, so nothing was revoked: {reason}"))
            }
        };
        let _one = self.looking.lock().await;
        let deleted = match locked {
            Some(locked) => with_lock(&locked, Locked::delete).await,
            None => {
                let store = self.store.clone();
                let deleted = tokio::task::spawn_blocking(move || store.delete_anyhow()).await;
                deleted.unwrap_or_else(|error| Err(Unwritable::Refused(error.to_string())))
            }
        };
        let (stamp, content) = self.read().await;
        self.take_over(stamp, content);
        let not_revoked = not_revoked.or_else(|| {
            is_asking
                .then(|| "its server did not answer in time, and may have renewed it: it may live on there".to_owned())
        });
        deleted.map_err(|unwritable| AccountError::new(Reason::Conflict, unwritable.to_string()))?;
        Ok(SignedOut { was_signed_in: true, not_revoked })
    }

    /// Revokes what is stored, and what could not be stored.
    async fn revoke_all(&self, stored: &bitrouter_proto::account::credential::OauthCredential) -> Result<(), String> {
        let unsaved = lock(&self.unsaved).take();
        let all = async {
            if let Some(unsaved) = unsaved {
                self.revoke(&unsaved).await?;
            }
            self.revoke(stored).await
        };
        let in_time = tokio::time::timeout(REVOKING, all).await;
        in_time.unwrap_or_else(|_| Err("its server did not answer in time".to_owned()))
    }
}
