//! A scripted authorization server with the account behind it: it keeps the rules that real ones keep (a refresh token is
//! good once; shown again, the whole session is revoked), and breaks any rule on demand ([`Fault`]).

mod answers;
mod fault;
mod ledger;
mod rest;

pub use fault::Fault;
pub use ledger::{Exchange, Pair};

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};

use crate::{
    Provider, Reply, User,
    wait::{self, Deadline, PATIENCE},
};
use ledger::Ledger;
use rest::Rest;

/// What the person at the browser does with a code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Decision {
    #[default]
    Pending,
    Approved,
    Denied,
    Expired,
}

/// The server. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Issuer {
    provider: Arc<Provider>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    url: String,
    ledger: Ledger,
    faults: VecDeque<Fault>,
    device_faults: VecDeque<Reply>,
    decision: Decision,
    polls: usize,
    code_lifetime: u64,
    interval: u64,
    metadata: Value,
    models: Value,
    namespaces: Value,
    rest: Rest,
    revoked: Vec<String>,
    always_401: bool,
}

impl Issuer {
    /// A server whose listener belongs to `user`, with tokens that live for `lifetime` seconds.
    pub fn start(user: User, lifetime: u64) -> Self {
        Self::at(Provider::start_as(user, 0), lifetime)
    }

    /// The same at a certain port.
    pub fn start_at(user: User, port: u16, lifetime: u64) -> Self {
        Self::at(Provider::start_as(user, port), lifetime)
    }

    fn at(provider: Provider, lifetime: u64) -> Self {
        let url = format!("http://{}", provider.addr());
        let metadata = json!({
            "issuer": url,
            "device_authorization_endpoint": format!("{url}/oauth/device_authorization"),
            "token_endpoint": format!("{url}/oauth/token"),
            "revocation_endpoint": format!("{url}/oauth/revoke"),
            "scopes_supported": ["inference:invoke", "usage:read", "namespace:read", "account:read"],
            "something_new": {"later": true},
        });
        let shared = Arc::new(Mutex::new(Shared {
            url,
            ledger: Ledger::new(lifetime),
            faults: VecDeque::new(),
            device_faults: VecDeque::new(),
            decision: Decision::default(),
            polls: 0,
            code_lifetime: 600,
            interval: 1,
            metadata,
            models: json!({"data": [{
                "id": "far/model",
                "name": "Far model",
                "max_input_tokens": 1000,
                "max_output_tokens": 100,
                "pricing": {
                    "input_tokens": {"no_cache": 1.5, "cache_read": 0.15, "cache_write": 2.0},
                    "output_tokens": {"text": 6.0},
                    "context_tiers": [],
                },
                "providers": {"total_online": 1},
            }, {"id": "far/unpriced", "providers": {"total_online": 1}}]}),
            namespaces: json!({"data": [
                {"id": "ns_far", "name": "default", "created_at": "2026-01-01T00:00:00Z", "later": [1]},
                {"id": "ns_other", "name": "production", "created_at": "2026-01-02T00:00:00Z"},
            ]}),
            rest: Rest::default(),
            revoked: Vec::new(),
            always_401: false,
        }));
        let answering = Arc::clone(&shared);
        provider.always(move |request| lock(&answering).answer(request));
        Self { provider: Arc::new(provider), shared }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> String {
        self.shared().url.clone()
    }

    /// The port of it.
    pub fn port(&self) -> u16 {
        self.provider.addr().port()
    }

    /// Everything that arrived.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// A session, as a sign-in would have got it.
    pub fn session(&self) -> Pair {
        self.shared().ledger.begin()
    }

    /// The content of a credential file for `pair`, whose access token is over in `left` seconds (or was so long ago).
    pub fn credential(&self, pair: &Pair, left: i64) -> Value {
        let now = bitrouter_proto::clock::wall_now();
        let span = std::time::Duration::from_secs(left.unsigned_abs());
        let expires_at = if left < 0 { now - span } else { now + span };
        json!({
            "kind": "oauth",
            "access_token": pair.access,
            "refresh_token": pair.refresh,
            "expires_at": bitrouter_proto::clock::rfc3339(expires_at),
            "token_type": "Bearer",
            "scope": "inference:invoke usage:read namespace:read",
            "client_id": "bitrouter-cli",
            "authorization_server": self.url(),
            "namespace_id": "ns_far",
            "subject": "usr_far",
        })
    }

    /// Answers the next request for tokens in this way; may be called several times.
    pub fn next(&self, fault: Fault) {
        self.shared().faults.push_back(fault);
    }

    /// Answers the next poll for a code with `reply` instead.
    pub fn next_poll(&self, reply: Reply) {
        self.shared().device_faults.push_back(reply);
    }

    /// Lifetime of codes, and how often they may be asked for, in seconds.
    pub fn codes(&self, lifetime: u64, interval: u64) {
        let mut shared = self.shared();
        (shared.code_lifetime, shared.interval) = (lifetime, interval);
    }

    /// The person approves what is or will be asked.
    pub fn approve(&self) {
        self.shared().decision = Decision::Approved;
    }

    /// The person denies it.
    pub fn deny(&self) {
        self.shared().decision = Decision::Denied;
    }

    /// The code is over.
    pub fn expire_codes(&self) {
        self.shared().decision = Decision::Expired;
    }

    /// Changes a member of the metadata; `Null` takes it away.
    pub fn metadata(&self, member: &str, value: Value) {
        let mut shared = self.shared();
        let document = shared.metadata.as_object_mut().expect("an object");
        if value.is_null() {
            document.remove(member);
        } else {
            document.insert(member.to_owned(), value);
        }
    }

    /// What `GET /v1/models` answers.
    pub fn models(&self, models: Value) {
        self.shared().models = models;
    }

    /// What the account answers to a `GET` of `path`, whatever its query.
    pub fn rest(&self, path: &str, reply: Reply) {
        self.shared().rest.replies.insert(path.to_owned(), reply);
    }

    /// What everything below a namespace answers instead, until it is `None` again.
    pub fn rest_instead(&self, reply: Option<Reply>) {
        self.shared().rest.instead = reply;
    }

    /// A row of the calls of any namespace, with its `seq`: the last change of them.
    pub fn call(&self, row: Value) {
        self.shared().rest.calls.push(row);
    }

    /// From now on every call of the account is 401, whatever its token.
    pub fn refuse_all(&self, refuse: bool) {
        self.shared().always_401 = refuse;
    }

    /// Ends the access tokens that are out, as a server that lost its memory does; refresh tokens stay good.
    pub fn forget_access_tokens(&self) {
        self.shared().ledger.forget_access_tokens();
    }

    /// Ends every session.
    pub fn end_sessions(&self) {
        self.shared().ledger.revoke_all();
    }

    /// Lifetime of the tokens that come, in seconds.
    pub fn lifetime(&self, seconds: u64) {
        self.shared().ledger.lifetime = seconds;
    }

    /// Every request for new tokens by a refresh token, in order.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared().ledger.exchanges.clone()
    }

    /// Waits until there are at least `count` of them.
    #[track_caller]
    pub fn wait_exchanges(&self, count: usize) {
        wait::until_within(&format!("{count} exchanges"), PATIENCE * 2, || {
            (self.exchanges().len() >= count).then_some(())
        });
    }

    /// How often a code was asked for.
    pub fn polls(&self) -> usize {
        self.shared().polls
    }

    /// Waits until there are at least `count` polls.
    #[track_caller]
    pub fn wait_polls(&self, count: usize) {
        let deadline = Deadline::after(PATIENCE * 2);
        while self.polls() < count {
            assert!(!deadline.is_over(), "{count} polls never came ({} did)", self.polls());
            wait::pass(std::time::Duration::from_millis(5));
        }
    }

    /// True where the session was revoked because a refresh token came twice.
    pub fn was_replayed(&self) -> bool {
        self.shared().ledger.replays > 0
    }

    /// The tokens that were revoked (RFC 7009), in order.
    pub fn revoked(&self) -> Vec<String> {
        self.shared().revoked.clone()
    }

    /// Every token of it that is a secret.
    pub fn secrets(&self) -> Vec<String> {
        self.shared().ledger.secrets.clone()
    }

    /// True where `token` opens something now.
    pub fn opens(&self, token: &str) -> bool {
        self.shared().ledger.opens(token)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_that_comes_twice_ends_the_session() {
        let mut ledger = Ledger::new(60);
        let first = ledger.begin();
        let second = ledger.refresh(&first.refresh, String::new()).expect("a fresh pair");
        assert!(ledger.opens(&second.access) && ledger.opens(&first.access));
        assert!(ledger.refresh(&first.refresh, String::new()).is_none());
        assert!(!ledger.opens(&second.access) && ledger.refresh(&second.refresh, String::new()).is_none());
        assert_eq!((ledger.replays, ledger.exchanges.len()), (1, 3));
    }
}
