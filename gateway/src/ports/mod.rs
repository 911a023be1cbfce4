//! What the gateway asks of the world around it. The daemon implements these; the gateway never looks further.

mod admission;
mod owners_key;

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use bitrouter_proto::account::MicroUsd;
use secrecy::SecretString;

use crate::{
    http::{Caller, Principal, RequestId},
    protocol::usage::TokenUsage,
    registry::ProviderId,
};

pub use self::admission::{
    Admission, AdmissionRequest, Admitted, CallPlan, Flags, Manner, NoLedger, NoRow, ObjectKey, Permit, Plan, Run,
    Settlement, SoFar, StoredObject,
};
pub use self::owners_key::{KeyFailure, KeyUnusable, OwnersKey};

/// A future that a port gives out.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Which credential goes to a provider now. One value belongs to one snapshot; its own keys never change.
pub trait KeySource: Send + Sync + 'static {
    /// The node's own key for `provider`, as far as it pays for calls of `caller`; `None` where no source supplies one.
    fn key(&self, caller: Caller, provider: &ProviderId) -> Option<&SecretString>;

    /// The key for `provider` that the owner of the caller's namespace has stored: it pays before the node's own does. What is
    /// stored and deleted meanwhile shows at once; whoever makes a call asks once.
    fn owners_key(&self, _caller: Caller, _provider: &ProviderId) -> Option<Arc<dyn OwnersKey>> {
        None
    }

    /// True where [`Self::owners_key`] has one.
    fn has_owners_key(&self, caller: Caller, provider: &ProviderId) -> bool {
        self.owners_key(caller, provider).is_some()
    }
}

/// The stored credential of the account, for calls of `bitrouter:<model>`: where no key is there for that provider.
pub trait AccountSource: fmt::Debug + Send + Sync + 'static {
    /// What a call goes with now. A credential whose time is over waits for one attempt to renew it, at most 5 s.
    fn credential(&self) -> BoxFuture<'_, Result<AccountCredential, AccountRefused>>;

    /// What a call goes with after the account's server refused `rejected` with 401: renewed once, whoever asks.
    /// `None` where nothing better is there: then the server's answer stands.
    fn renewed<'a>(&'a self, rejected: &'a AccountToken) -> BoxFuture<'a, Option<AccountToken>>;
}

/// Nobody is signed in (tests, and what needs no account).
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAccount;

impl AccountSource for NoAccount {
    fn credential(&self) -> BoxFuture<'_, Result<AccountCredential, AccountRefused>> {
        Box::pin(async { Err(AccountRefused::SignedOut) })
    }

    fn renewed<'a>(&'a self, _rejected: &'a AccountToken) -> BoxFuture<'a, Option<AccountToken>> {
        Box::pin(async { None })
    }
}

/// What a call of the account's provider goes with.
#[derive(Clone, Debug)]
pub enum AccountCredential {
    /// A token of another machine's account, for the address that the provider has in the snapshot.
    Token(AccountToken),
    /// The own node issued the credential: the call is served here, and a caller without a credential of its own is this
    /// one.
    OwnNode(Principal),
}

/// A token of the account, with the server that issued it: it is sent to no other.
#[derive(Clone, Debug)]
pub struct AccountToken {
    /// The token.
    pub token: SecretString,
    /// The server, as the credential names it, without a slash at its end.
    pub issuer: Arc<str>,
}

/// Why the account's credential cannot be used now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountRefused {
    /// Nobody is signed in: 402 `provider_key_missing`.
    SignedOut,
    /// The session has ended, and why: 401 `session_ended`.
    Ended(String),
    /// Its time is over and it cannot be renewed now, and why: 502 `upstream_unavailable`.
    OutOfReach(String),
    /// What it needs here is not there (the own node is off), and why: 503 `unavailable`.
    Unavailable(String),
}

impl fmt::Display for AccountRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignedOut => f.write_str("nobody is signed in"),
            Self::Ended(why) => write!(f, "the session has ended: {why}"),
            Self::OutOfReach(why) | Self::Unavailable(why) => f.write_str(why),
        }
    }
}

/// Where a finished request is recorded.
pub trait UsageSink: Send + Sync + 'static {
    /// Called when a request enters the inference path.
    fn started(&self) {}
    /// Called exactly once for each request that was started, when its last byte left or its caller went away.
    fn finished(&self, record: &RequestRecord);
    /// Called for each request that was refused before it reached a provider; `reason` is an error code.
    fn refused(&self, reason: &'static str);
}

/// What is known of a request at its end.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// `x-bitrouter-request-id`.
    pub request_id: RequestId,
    /// When its head had arrived.
    pub started: Instant,
    /// The resolved model id at the provider, or what the caller asked for where nothing was resolved.
    pub model: Arc<str>,
    /// True where the registry lists the model: only then may it become a metric label.
    pub model_listed: bool,
    /// The provider that served it; `None` where none was reached.
    pub provider: Option<ProviderId>,
    /// The HTTP status that the caller saw.
    pub status: u16,
    /// True where the caller asked for a stream.
    pub stream: bool,
    /// Tokens as the provider counted them.
    pub usage: TokenUsage,
    /// What it was charged for, where it was metered.
    pub charged: Option<Charged>,
    /// From the head of the request to the last byte of the reply.
    pub total: Duration,
    /// From the head of the request to the first body byte of the reply.
    pub first_byte: Option<Duration>,
    /// The error code that the caller saw, also in mid-stream.
    pub error_code: Option<&'static str>,
    /// True where the caller went away before the end.
    pub cancelled: bool,
}

/// What a call was charged for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charged {
    /// Tokens by class.
    pub usage: TokenUsage,
    /// What they cost, whoever pays; `None` where the model has no price.
    pub cost: Option<MicroUsd>,
}

/// A key source that holds nothing (demo mode without keys, tests).
#[derive(Clone, Copy, Debug, Default)]
pub struct NoKeys;

impl KeySource for NoKeys {
    fn key(&self, _caller: Caller, _provider: &ProviderId) -> Option<&SecretString> {
        None
    }
}

/// A shared key source.
pub type SharedKeys = Arc<dyn KeySource>;
