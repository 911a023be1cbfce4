//! Which tokens are out, and what was done with them.

use std::time::{Duration, SystemTime};

use bitrouter_proto::clock;
use serde_json::{Value, json};

/// An access token and the refresh token that came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// `bra_…`.
    pub access: String,
    /// `brr_…`.
    pub refresh: String,
}

/// One request for new tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What was presented.
    pub refresh_token: String,
    /// The scopes that were asked for.
    pub scope: String,
    /// True where new tokens were made.
    pub was_answered: bool,
}

#[derive(Debug)]
struct Access {
    token: String,
    session: usize,
    until: SystemTime,
}

#[derive(Debug)]
struct Refresh {
    token: String,
    session: usize,
    is_spent: bool,
}

/// The books.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) lifetime: u64,
    pub(super) exchanges: Vec<Exchange>,
    pub(super) replays: usize,
    pub(super) secrets: Vec<String>,
    pub(super) asked_scope: String,
    access: Vec<Access>,
    refresh: Vec<Refresh>,
    ended: Vec<bool>,
}

impl Ledger {
    pub(super) fn new(lifetime: u64) -> Self {
        Self {
            lifetime,
            exchanges: Vec::new(),
            replays: 0,
            secrets: Vec::new(),
            asked_scope: String::new(),
            access: Vec::new(),
            refresh: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// A new session.
    pub(super) fn begin(&mut self) -> Pair {
        self.ended.push(false);
        self.issue(self.ended.len() - 1)
    }

    fn issue(&mut self, session: usize) -> Pair {
        let number = self.refresh.len();
        // Long and unlike any word, so that a search for it finds only it.
        let secret = |kind: &str| format!("{kind}_far{session}.{number:04}QZt7wLr9KxVb2NmYc5HsPd8Jf3GgRa6Eu1To0Ii4");
        let pair = Pair { access: secret("bra"), refresh: secret("brr") };
        let until = clock::wall_now() + Duration::from_secs(self.lifetime);
        self.access.push(Access { token: pair.access.clone(), session, until });
        self.refresh.push(Refresh { token: pair.refresh.clone(), session, is_spent: false });
        self.secrets.extend([pair.access.clone(), pair.refresh.clone()]);
        pair
    }

    /// New tokens for `token`; `None` where it is good for none (any more): then its session has ended too.
    pub(super) fn refresh(&mut self, token: &str, scope: String) -> Option<Pair> {
        let found = self.refresh.iter_mut().find(|row| row.token == token);
        let session = found.as_ref().map(|row| row.session);
        let is_good = found.as_ref().is_some_and(|row| !row.is_spent) && session.is_some_and(|s| !self.ended[s]);
        self.exchanges.push(Exchange { refresh_token: token.to_owned(), scope, was_answered: is_good });
        let (Some(row), Some(session)) = (found, session) else { return None };
        if row.is_spent {
            self.replays += 1;
            self.ended[session] = true;
            return None;
        }
        if !is_good {
            return None;
        }
        row.is_spent = true;
        Some(self.issue(session))
    }

    /// The reply that hands `pair` out.
    pub(super) fn document(&self, pair: &Pair) -> Value {
        json!({
            "access_token": pair.access,
            "token_type": "Bearer",
            "expires_in": self.lifetime,
            "refresh_token": pair.refresh,
            "refresh_token_expires_in": 7_776_000,
            "scope": "inference:invoke usage:read namespace:read",
            "namespace_id": "ns_far",
            "sub": "usr_far",
            "later": {"unknown": true},
        })
    }

    pub(super) fn opens(&self, token: &str) -> bool {
        let now = clock::wall_now();
        self.access.iter().any(|row| row.token == token && row.until > now && !self.ended[row.session])
    }

    pub(super) fn forget_access_tokens(&mut self) {
        self.access.clear();
    }

    pub(super) fn revoke(&mut self, token: &str) {
        let of_access = self.access.iter().find(|row| row.token == token).map(|row| row.session);
        let of_refresh = self.refresh.iter().find(|row| row.token == token).map(|row| row.session);
        if let Some(session) = of_access.or(of_refresh) {
            self.ended[session] = true;
        }
    }

    pub(super) fn revoke_all(&mut self) {
        self.ended.fill(true);
    }
}
