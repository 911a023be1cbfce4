//! The credential as the gateway asks for it, call by call.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bitrouter_gateway::{
    http::{Caller, Principal},
    ports::{AccountCredential, AccountRefused, AccountSource, AccountToken, BoxFuture},
};
use bitrouter_proto::{
    account::credential::{Credential, OauthCredential},
    clock,
    env::BITROUTER_API_KEY,
};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    Credentials, Inner,
    exchange::local_uid,
    http::{LocalUid, may_go_to},
    lock,
    refresher::{Outcome, Why},
};

/// How long a call waits for a renewal without which it cannot be made.
const DEAD: Duration = Duration::from_secs(5);
/// How long a call waits for the renewal that its 401 asked for.
const REJECTED: Duration = Duration::from_secs(15);
/// How long a token that a 401 brought is not renewed for another 401: a server that always says 401 is not flooded.
const REJECTED_AGAIN: Duration = Duration::from_mins(1);

impl AccountSource for Credentials {
    fn credential(&self) -> BoxFuture<'_, Result<AccountCredential, AccountRefused>> {
        Box::pin(async {
            let own_key = lock(&self.0.own_key).clone();
            match own_key {
                Some(key) => match self.0.own_key(&key).await {
                    Ok(principal) => Ok(AccountCredential::OwnNode(principal)),
                    Err(AccountRefused::Ended(why)) => {
                        Err(AccountRefused::Ended(format!("{why} (the key in `{BITROUTER_API_KEY}`)")))
                    }
                    Err(other) => Err(other),
                },
                None => self.0.credential().await,
            }
        })
    }

    fn renewed<'a>(&'a self, rejected: &'a AccountToken) -> BoxFuture<'a, Option<AccountToken>> {
        Box::pin(async {
            if self.0.held().oauth().is_some_and(opens_no_models) {
                return None;
            }
            self.0.renewed(rejected).await
        })
    }
}

/// What stands in what is held, for one call.
enum Now {
    Refused(AccountRefused),
    Key {
        token: AccountToken,
        uid: LocalUid,
    },
    Token {
        token: AccountToken,
        uid: LocalUid,
        is_over: bool,
    },
    Own {
        access_token: SecretString,
        is_over: bool,
    },
    OwnKey(SecretString),
    /// Nobody knows yet whose it is.
    Unasked,
}

impl Inner {
    pub(super) async fn credential(self: &Arc<Self>) -> Result<AccountCredential, AccountRefused> {
        if !self.on_network && self.held().stamp != Some(self.store.stamp()) {
            self.look().await;
        }
        let deadline = clock::after(DEAD);
        let tries = self.held().tries;
        let mut was_refused = false;
        loop {
            let waited = match self.now() {
                Now::Refused(refused) => return Err(refused),
                Now::Key { token, uid } | Now::Token { token, uid, is_over: false } => {
                    may_go(&token, uid)?;
                    return Ok(AccountCredential::Token(token));
                }
                Now::OwnKey(key) => return self.own_key(&key).await.map(AccountCredential::OwnNode),
                Now::Own { access_token, is_over } => {
                    let node = self.own.node().await.map_err(AccountRefused::Unavailable)?;
                    let why = if is_over {
                        Why::Due
                    } else {
                        match node.judge_token(access_token.expose_secret().as_bytes()) {
                            Ok(principal) => return Ok(AccountCredential::OwnNode(principal)),
                            Err(refused) if was_refused => return Err(AccountRefused::Ended(refused.to_string())),
                            Err(_) => Why::Rejected(access_token),
                        }
                    };
                    was_refused = true;
                    self.try_for_caller(why, tries, deadline).await
                }
                Now::Token { is_over: true, .. } => self.try_for_caller(Why::Due, tries, deadline).await,
                Now::Unasked => {
                    self.ask_whose().await;
                    clock::monotonic_now() < deadline
                }
            };
            if !waited {
                return match self.now() {
                    Now::Refused(refused) => Err(refused),
                    _ => Err(AccountRefused::OutOfReach(self.trouble())),
                };
            }
        }
    }

    /// The credential that is in force this moment. Nothing is looked at, renewed or waited for.
    pub(super) async fn at_hand(self: &Arc<Self>) -> Result<AccountCredential, AccountRefused> {
        match self.now() {
            Now::Refused(refused) => Err(refused),
            Now::Key { token, uid } | Now::Token { token, uid, is_over: false } => {
                may_go(&token, uid)?;
                Ok(AccountCredential::Token(token))
            }
            Now::Own { access_token, is_over: false } => {
                let node = self.own.node().await.map_err(AccountRefused::Unavailable)?;
                let judged = node.judge_token(access_token.expose_secret().as_bytes());
                judged
                    .map(AccountCredential::OwnNode)
                    .map_err(|refused| AccountRefused::OutOfReach(refused.to_string()))
            }
            Now::OwnKey(key) => self.own_key(&key).await.map(AccountCredential::OwnNode),
            _ => Err(AccountRefused::OutOfReach("no token is in force".to_owned())),
        }
    }

    /// What a key of the own node opens.
    pub(super) async fn own_key(&self, key: &SecretString) -> Result<Principal, AccountRefused> {
        let node = self.own.node().await.map_err(AccountRefused::Unavailable)?;
        match node.judge(key.expose_secret().as_bytes()) {
            Ok(Caller::Credential(principal)) => Ok(principal),
            Ok(_) => Err(AccountRefused::Ended("the operator's reading keys open no models".to_owned())),
            Err(refused) => Err(AccountRefused::Ended(refused.to_string())),
        }
    }

    /// Has the token renewed for a caller that cannot go on without. False where that was tried since it came, or there
    /// is no time left.
    async fn try_for_caller(self: &Arc<Self>, why: Why, tries: u64, deadline: std::time::Instant) -> bool {
        let left = deadline.saturating_duration_since(clock::monotonic_now());
        let (was_tried, barred) = {
            let held = self.held();
            (held.tries > tries && held.trouble.is_some(), held.pause.barred(self.clocks.now()))
        };
        if was_tried || left.is_zero() || barred > left {
            return false;
        }
        if !barred.is_zero() {
            tokio::time::sleep(barred).await;
            return true;
        }
        match Self::wait_for(self.attempt(why), left).await {
            Some(Outcome::Settled | Outcome::Ended) => true,
            Some(Outcome::Later) | None => false,
        }
    }

    pub(super) fn trouble(&self) -> String {
        if self.waits_for_lock.load(Ordering::SeqCst) {
            return format!("another process holds `{}.lock`", self.store.path().display());
        }
        let trouble = self.held().trouble.clone();
        trouble.unwrap_or_else(|| "the account's server has not answered yet".to_owned())
    }

    fn now(&self) -> Now {
        let held = self.held();
        let Some(credential) = &held.credential else { return Now::Refused(AccountRefused::SignedOut) };
        match &**credential {
            Credential::ApiKey(key) => match held.is_own {
                None => Now::Unasked,
                Some(true) => Now::OwnKey(key.api_key.clone()),
                Some(false) => Now::Key {
                    token: AccountToken { token: key.api_key.clone(), issuer: key.base_url.as_str().into() },
                    uid: key.issuer_uid.map_or(LocalUid::Own, LocalUid::Only),
                },
            },
            Credential::Oauth(oauth) => {
                if let Some(reason) = &held.ended {
                    return Now::Refused(AccountRefused::Ended(reason.clone()));
                }
                let now = self.clocks.now();
                let is_over = held.is_over(now);
                if held.is_due(now) && held.pause.left(now).is_zero() {
                    self.wake.notify_one();
                }
                match held.is_own {
                    None => Now::Unasked,
                    Some(true) => Now::Own { access_token: oauth.access_token.clone(), is_over },
                    Some(false) => Now::Token {
                        token: AccountToken { token: oauth.access_token.clone(), issuer: oauth.server().into() },
                        uid: local_uid(oauth),
                        is_over,
                    },
                }
            }
        }
    }

    pub(super) async fn renewed(self: &Arc<Self>, rejected: &AccountToken) -> Option<AccountToken> {
        self.look().await;
        if let Some(other) = self.other_than(rejected) {
            return Some(other);
        }
        let refused = {
            let held = self.held();
            let oauth = held.oauth()?;
            let is_it = oauth.access_token.expose_secret() == rejected.token.expose_secret();
            if !is_it || held.ended.is_some() {
                return None;
            }
            oauth.clone()
        };
        if refused.refresh_token.is_none() {
            self.end(&refused, "the server refused the access token, and there is no refresh token");
            self.publish();
            return None;
        }
        // Whoever joins an attempt that runs asks for none.
        if !self.is_attempting() {
            let now = self.clocks.now();
            let was_brought = lock(&self.brought).as_ref().is_some_and(|(token, at)| {
                token.expose_secret() == rejected.token.expose_secret() && now.boot.saturating_sub(*at) < REJECTED_AGAIN
            });
            let barred = self.held().pause.barred(now);
            if was_brought || barred > REJECTED {
                return None;
            }
            // A try failed just now.
            tokio::time::sleep(barred).await;
        }
        Self::wait_for(self.attempt(Why::Rejected(rejected.token.clone())), REJECTED).await;
        self.other_than(rejected)
    }

    /// The token in force where it is another one of the same server.
    fn other_than(&self, rejected: &AccountToken) -> Option<AccountToken> {
        match self.now() {
            Now::Token { token, uid, is_over: false }
                if token.token.expose_secret() != rejected.token.expose_secret() && token.issuer == rejected.issuer =>
            {
                may_go(&token, uid).ok()?;
                Some(token)
            }
            _ => None,
        }
    }
}

/// True for tokens that open an account and no models, whose keys do that (tokenroute's): a call that is refused says nothing of
/// the session.
fn opens_no_models(tokens: &OauthCredential) -> bool {
    tokens.api_url.is_some() && !tokens.scope.split_whitespace().any(|scope| scope.starts_with("inference:"))
}

/// Refuses a server on this machine behind which another user listens.
fn may_go(token: &AccountToken, uid: LocalUid) -> Result<(), AccountRefused> {
    let out_of_reach = |reason: String| AccountRefused::OutOfReach(reason);
    let url = Url::parse(&token.issuer).map_err(|_| out_of_reach(format!("`{}` is no URL", token.issuer)))?;
    if !matches!(url.scheme(), "https") && !super::issuer::is_loopback(&url) {
        return Err(out_of_reach(format!("`{}` is not https: no credential is sent there", token.issuer)));
    }
    may_go_to(&url, uid).map_err(|error| out_of_reach(error.to_string()))
}
