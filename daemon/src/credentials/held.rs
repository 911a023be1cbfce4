//! What is known of the stored credential now, and what follows from it: pure.

use std::{sync::Arc, time::Duration};

use bitrouter_proto::{
    account::credential::{Credential, OauthCredential},
    clock,
};
use secrecy::ExposeSecret as _;

use super::{
    schedule::{Life, Moment, Pause},
    session::{Session, SessionState},
    store::{Content, Stamp},
};

/// How often a daemon looks that has nothing to renew.
const IDLE: Duration = Duration::from_mins(1);
/// How often one looks whose session has ended: a clock that is set may revive it.
const ENDED: Duration = Duration::from_secs(15);

/// What is known of the stored credential.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Of what was read last; `None` before the first look.
    pub(super) stamp: Option<Stamp>,
    pub(super) credential: Option<Arc<Credential>>,
    /// Why the file is not used.
    pub(super) problem: Option<String>,
    /// Of the access token.
    pub(super) life: Option<Life>,
    /// Why the session has ended.
    pub(super) ended: Option<String>,
    /// An ended session is tried once more.
    pub(super) again: bool,
    pub(super) pause: Pause,
    /// What went wrong at the last try.
    pub(super) trouble: Option<String>,
    /// With what status the server answered then, where it failed.
    pub(super) status: Option<u16>,
    /// Whether the own node issued it, once that is known.
    pub(super) is_own: Option<bool>,
    /// The server wants no scope named at a refresh.
    pub(super) without_scope: bool,
    /// A reply was lost on its way: the server may know a token that we do not.
    pub(super) lost_reply: bool,
    /// Tries that ended, well or not.
    pub(super) tries: u64,
}

/// What changed by looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing that matters.
    Same,
    /// Other tokens of the same session.
    Renewed,
    /// Another sign-in.
    SignedIn,
    /// Nobody is signed in any more, or the file cannot be used.
    Gone,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing for that long.
    Wait(Duration),
    /// Renew.
    Renew,
    /// Try an ended session once more.
    TryAgain,
}

impl Held {
    /// The session, where there is one.
    pub(super) fn oauth(&self) -> Option<&OauthCredential> {
        match self.credential.as_deref() {
            Some(Credential::Oauth(oauth)) => Some(oauth),
            Some(Credential::ApiKey(_)) | None => None,
        }
    }

    /// Takes over what was read.
    pub(super) fn adopt(&mut self, stamp: Stamp, content: Content, now: Moment, chance: f64) -> Seen {
        let is_first = self.stamp.is_none();
        let (credential, problem) = match content {
            Content::Absent => (None, None),
            Content::Good(credential) => (Some(credential), None),
            Content::Bad { reason, .. } => (None, Some(reason)),
        };
        let seen = match (self.credential.as_deref(), credential.as_deref()) {
            (Some(old), Some(new)) if same_tokens(old, new) => Seen::Same,
            (Some(old), Some(new)) if same_session(old, new) => Seen::Renewed,
            (_, Some(_)) => Seen::SignedIn,
            (Some(_), None) => Seen::Gone,
            (None, None) => Seen::Same,
        };
        self.stamp = Some(stamp);
        self.problem = problem;
        if seen == Seen::Same {
            self.adopt_members(credential, now, chance);
            return seen;
        }
        let life = match credential.as_deref() {
            Some(Credential::Oauth(oauth)) => Some(Life::read(oauth.issued_at, oauth.expires_at, now, chance)),
            _ => None,
        };
        let is_own = if seen == Seen::Renewed { self.is_own } else { None };
        *self = Self {
            stamp: self.stamp,
            problem: self.problem.take(),
            tries: self.tries,
            credential,
            life,
            is_own,
            ..Self::default()
        };
        // Who is signed in at a start did not sign in now.
        if is_first && seen == Seen::SignedIn { Seen::Renewed } else { seen }
    }

    /// Takes over the same tokens with other members: what was judged by these is judged anew.
    fn adopt_members(&mut self, credential: Option<Arc<Credential>>, now: Moment, chance: f64) {
        let old = std::mem::replace(&mut self.credential, credential);
        let (Some(Credential::Oauth(old)), Some(new)) = (old.as_deref(), self.oauth()) else { return };
        // The file holds milliseconds.
        let times = |of: &OauthCredential| {
            [Some(of.expires_at), of.issued_at, of.refresh_token_expires_at].map(|at| at.map(clock::rfc3339))
        };
        let (has_other_times, has_other_scope) = (times(old) != times(new), old.scope != new.scope);
        if has_other_times {
            self.life = Some(Life::read(new.issued_at, new.expires_at, now, chance));
            self.again = self.ended.is_some();
        }
        if has_other_scope {
            self.without_scope = false;
        }
        if has_other_times || has_other_scope {
            self.pause = Pause::default();
            self.trouble = None;
        }
    }

    /// Takes over what we wrote.
    pub(super) fn install(
        &mut self,
        stamp: Stamp,
        credential: Arc<Credential>,
        life: Option<Life>,
        is_own: Option<bool>,
    ) {
        *self = Self {
            stamp: Some(stamp),
            credential: Some(credential),
            life,
            is_own,
            tries: self.tries,
            ..Self::default()
        };
    }

    /// A try failed, and may work later.
    pub(super) fn failed(&mut self, reason: String, now: Moment, asked: Option<Duration>, chance: f64) {
        let left = self.life.map(|life| life.left(now)).unwrap_or_default();
        self.pause.failed(now, left, asked, chance);
        self.trouble = Some(reason);
    }

    /// The session is over for good.
    pub(super) fn end(&mut self, reason: String) {
        self.ended = Some(reason);
        self.again = false;
        self.pause = Pause::default();
        self.trouble = None;
    }

    /// The wall clock was set: what was judged by it is judged once more.
    pub(super) fn clock_was_set(&mut self) {
        self.again = self.ended.is_some();
        self.pause = Pause::default();
    }

    /// The own node came on or went off: what depends on it is asked again, and tried without a pause.
    pub(super) fn node_changed(&mut self) {
        if self.is_own != Some(false) {
            self.pause = Pause::default();
        }
        self.is_own = None;
    }

    /// True where calls cannot be made with the access token any more.
    pub(super) fn is_over(&self, now: Moment) -> bool {
        self.life.is_some_and(|life| life.is_over(now))
    }

    /// True where the access token should be renewed.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        self.life.is_some_and(|life| life.is_due(now))
    }

    /// True where the server said of the refresh token that it is over by now.
    pub(super) fn refresh_is_over(&self, now: Moment) -> bool {
        self.oauth().and_then(|oauth| oauth.refresh_token_expires_at).is_some_and(|over| over <= now.wall)
    }

    /// What is to be done now.
    pub(super) fn next(&self, now: Moment) -> Next {
        let (Some(oauth), Some(life)) = (self.oauth(), self.life) else { return Next::Wait(IDLE) };
        let paused = self.pause.left(now);
        if self.ended.is_some() {
            return match self.again {
                true if paused.is_zero() => Next::TryAgain,
                true => Next::Wait(paused.min(ENDED)),
                false => Next::Wait(ENDED),
            };
        }
        if !life.is_due(now) {
            return Next::Wait(life.next_look(now));
        }
        if oauth.refresh_token.is_none() && !life.is_over(now) {
            return Next::Wait(life.next_look(now));
        }
        if paused.is_zero() { Next::Renew } else { Next::Wait(paused.min(ENDED)) }
    }

    /// What everybody is told; `own_login` is how the own node is signed in to again.
    pub(super) fn session(&self, own_login: Option<String>) -> Session {
        let state = match (&self.credential, &self.ended) {
            (None, _) => SessionState::None,
            (Some(_), Some(reason)) => SessionState::Ended(reason.clone()),
            (Some(_), None) => SessionState::Active,
        };
        Session {
            credential: self.credential.clone(),
            state,
            is_own_node: self.is_own == Some(true),
            own_login,
            problem: self.problem.clone(),
        }
    }
}

/// True where both hold the same secrets for the same server.
pub(super) fn same_tokens(one: &Credential, other: &Credential) -> bool {
    match (one, other) {
        (Credential::Oauth(one), Credential::Oauth(other)) => {
            let refresh = |of: &OauthCredential| of.refresh_token.as_ref().map(|t| t.expose_secret().to_owned());
            one.access_token.expose_secret() == other.access_token.expose_secret()
                && refresh(one) == refresh(other)
                && one.authorization_server == other.authorization_server
                && one.server() == other.server()
        }
        (Credential::ApiKey(one), Credential::ApiKey(other)) => {
            one.api_key.expose_secret() == other.api_key.expose_secret() && one.base_url == other.base_url
        }
        _ => false,
    }
}

/// True where other tokens of the same sign-in stand in both, as far as the file tells.
pub(super) fn same_session(one: &Credential, other: &Credential) -> bool {
    match (one, other) {
        (Credential::Oauth(one), Credential::Oauth(other)) => {
            one.authorization_server == other.authorization_server
                && one.server() == other.server()
                && one.client_id == other.client_id
                && one.namespace_id == other.namespace_id
                && one.subject == other.subject
        }
        _ => false,
    }
}
