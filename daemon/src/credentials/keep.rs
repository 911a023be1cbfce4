//! What becomes of tokens that came: they are written until that is done, unless the file tells of another session.
//!
//! Programs that know no lock may write while the server is asked. A late reply is ended at its server only where nobody
//! holds its session for sure: to end one that lives is worse than to leave one behind.

use std::{sync::Arc, time::Duration};

use bitrouter_proto::account::credential::{Credential, OauthCredential};
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;

use super::{
    Inner,
    clocks::chance,
    exchange::with_lock,
    held::{same_session, same_tokens},
    issuer::same_issuer,
    lock,
    refresher::{Outcome, Why},
    reply::Tokens,
    schedule::Life,
    store::{Content, Locked, Prepared, Unwritable},
    tokens,
};
use crate::health::Code;

/// The pauses between tries to write what was exchanged.
const WRITE_AGAIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// How often is looked whether a sign-in or a sign-out is done.
const REPLACED: Duration = Duration::from_millis(50);

/// What became of the file while the server was asked.
#[derive(Debug)]
enum Meanwhile {
    /// The session to which the reply belongs, with the members that it has now.
    Ours(Box<OauthCredential>),
    /// Newer tokens of the session, or what may be the same one.
    Renewed,
    /// Another session for sure, or none.
    Replaced,
    /// What is there cannot be read, and why.
    Broken(String),
}

impl Inner {
    /// Writes the new tokens and publishes them once they are durable. It goes on until that is done: what was exchanged
    /// exists nowhere else. The lock is held meanwhile, so that nobody spends the old token again.
    pub(super) async fn keep(
        self: &Arc<Self>,
        locked: Arc<Locked>,
        prepared: Prepared,
        old: &OauthCredential,
        granted: Tokens,
        why: &Why,
        abort: &CancellationToken,
    ) -> Outcome {
        let now = self.clocks.now();
        let life = Life::received(granted.lifetime, now, chance());
        *lock(&self.unsaved) = Some(tokens::renewed(old, granted.clone(), now.wall));
        let (mut prepared, mut pause) = (Some(prepared), WRITE_AGAIN.0);
        loop {
            {
                // Nobody takes over what is renamed and not yet synced.
                let _one = self.looking.lock().await;
                let (stamp, content) = self.read().await;
                let is_own = self.held().is_own;
                let written = match meanwhile(&content, old, &granted) {
                    stands @ (Meanwhile::Renewed | Meanwhile::Replaced) => {
                        self.take_over(stamp, content);
                        let unsaved = lock(&self.unsaved).take();
                        if let (Meanwhile::Replaced, Some(unsaved)) = (stands, unsaved) {
                            self.revoke_aside(unsaved);
                        }
                        return Outcome::Settled;
                    }
                    Meanwhile::Broken(reason) => Err(Unwritable::Refused(reason)),
                    Meanwhile::Ours(there) => {
                        let mut new = tokens::renewed(&there, granted.clone(), now.wall);
                        new.own_node = is_own.unwrap_or(new.own_node);
                        let new = Arc::new(Credential::Oauth(new));
                        let (text, ready) = (new.to_text(), prepared.take());
                        let write = move |locked: &Locked| {
                            let ready = match ready {
                                Some(ready) => ready,
                                None => locked.prepare(text.expose_secret().len())?,
                            };
                            locked.commit(ready, &text)
                        };
                        with_lock(&locked, write).await.map(|stamp| (stamp, new))
                    }
                };
                match written {
                    Ok((stamp, new)) => {
                        self.held().install(stamp, new, Some(life), is_own);
                        *lock(&self.unsaved) = None;
                        if matches!(why, Why::Rejected(_)) {
                            *lock(&self.brought) = Some((granted.access_token, now.boot));
                        }
                        self.health.clear(Code::CredentialUnwritable);
                        self.publish();
                        tracing::debug!(server = old.authorization_server, "the account's token was renewed");
                        return Outcome::Settled;
                    }
                    Err(unwritable) => self.not_written(&unwritable),
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(WRITE_AGAIN.1),
                () = abort.cancelled() => return Outcome::Later,
            }
        }
    }

    /// Ends at its server what came when nobody waited for it any more, where the file tells that nobody holds it.
    pub(super) async fn end_late(self: &Arc<Self>, old: &OauthCredential, granted: Tokens) {
        // What is being replaced stands in the file still.
        while self.is_replacing() {
            tokio::time::sleep(REPLACED).await;
        }
        let (_, content) = self.read().await;
        if matches!(meanwhile(&content, old, &granted), Meanwhile::Replaced) {
            self.revoke_aside(tokens::renewed(old, granted, self.clocks.now().wall));
        }
    }

    /// The server takes the refresh token no more: over, unless the file tells that another process renewed it.
    pub(super) async fn ended_or_renewed_elsewhere(&self, old: &OauthCredential, reason: String) -> Outcome {
        let _one = self.looking.lock().await;
        let (stamp, content) = self.read().await;
        let is_unchanged =
            matches!(&content, Content::Good(there) if same_tokens(there, &Credential::Oauth(old.clone())));
        if !is_unchanged {
            self.take_over(stamp, content);
            return Outcome::Settled;
        }
        let lost = self.held().lost_reply;
        let reason =
            if lost { format!("{reason}; a reply with newer tokens had been lost on its way") } else { reason };
        self.end(old, &reason)
    }
}

/// What the file tells of the session of `old`, for which `granted` came.
fn meanwhile(content: &Content, old: &OauthCredential, granted: &Tokens) -> Meanwhile {
    let there = match content {
        Content::Absent => return Meanwhile::Replaced,
        // It cannot be read, and is not ours to replace: whoever signs in or out decides.
        Content::Bad { reason, .. } => return Meanwhile::Broken(reason.clone()),
        Content::Good(there) => there,
    };
    let Credential::Oauth(oauth) = &**there else { return Meanwhile::Replaced };
    let is_one = |one: Option<&SecretString>, other: Option<&SecretString>| match (one, other) {
        (Some(one), Some(other)) => one.expose_secret() == other.expose_secret(),
        _ => false,
    };
    let presents_old = is_one(oauth.refresh_token.as_ref(), old.refresh_token.as_ref());
    let presents_new = is_one(oauth.refresh_token.as_ref(), granted.refresh_token.as_ref());
    let has_new = is_one(Some(&oauth.access_token), Some(&granted.access_token));
    if same_issuer(&oauth.authorization_server, &old.authorization_server) {
        // What was presented is spent; what we wrote and could not sync is written again.
        if presents_old || (has_new && presents_new) {
            return Meanwhile::Ours(Box::new(oauth.clone()));
        }
        if same_session(there, &Credential::Oauth(old.clone())) {
            return Meanwhile::Renewed;
        }
    }
    if presents_old || presents_new || has_new || granted.refresh_token.is_none() {
        return Meanwhile::Renewed;
    }
    Meanwhile::Replaced
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn p02_without_a_new_refresh_token_nothing_of_another_session_is_ended() {
        let session = |access: &str, refresh: &str, namespace: &str| {
            let now = SystemTime::UNIX_EPOCH;
            let mut made = OauthCredential::new(access.into(), now, "bitrouter-cli", "https://far.example");
            made.refresh_token = Some(refresh.into());
            made.namespace_id = Some(namespace.to_owned());
            made
        };
        let old = session("bra_1", "brr_1", "ns_1");
        for (there, gives_refresh, expected) in [
            (session("bra_1", "brr_1", "ns_1"), false, "Ours"),
            (session("bra_9", "brr_1", "ns_2"), true, "Ours"),
            (session("bra_9", "brr_9", "ns_1"), true, "Renewed"),
            (session("bra_9", "brr_9", "ns_2"), false, "Renewed"),
            (session("bra_9", "brr_2", "ns_2"), true, "Renewed"),
            (session("bra_9", "brr_9", "ns_2"), true, "Replaced"),
        ] {
            let granted = Tokens {
                access_token: "bra_2".into(),
                lifetime: Duration::from_mins(1),
                refresh_token: gives_refresh.then(|| "brr_2".into()),
                refresh_lifetime: None,
                token_type: None,
                scope: None,
                namespace_id: None,
                subject: None,
            };
            let content = Content::Good(Arc::new(Credential::Oauth(there)));
            let found = format!("{:?}", meanwhile(&content, &old, &granted));
            assert!(found.starts_with(expected), "{found} is not {expected}");
        }
    }
}
