//! What the listener tells of a request, and what the gateway may ask of the connection on which it came.

use std::{fmt, sync::Arc, time::Instant};

use bitrouter_proto::account::{CredentialId, KeyId, NamespaceId, PersonId, ScopeSet};
use bytes::Bytes;
use http::HeaderValue;

use crate::{
    ports::RequestRecord,
    protocol::{Dialect, usage::TokenUsage},
    registry::ProviderId,
};

/// Everything that is known of a request besides its own bytes. The listener makes one for each request.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The id that the request goes by: `x-bitrouter-request-id` of its reply, and of its log line.
    pub id: RequestId,
    /// When its head had arrived.
    pub started: Instant,
    /// Who calls.
    pub caller: Caller,
    /// How its caller reads errors.
    pub dialect: Dialect,
    /// The connection on which it came.
    pub connection: Arc<dyn CallerConnection>,
}

/// Who calls, as the listener found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A program of the daemon's own user, without a credential.
    Keyless {
        /// The namespace that such calls are made in: the node's first one. `None` while the node is off.
        namespace: Option<NamespaceId>,
    },
    /// Whoever holds this credential.
    Credential(Principal),
    /// Whoever holds this key of the operator's, which is of no namespace: it reads what calls came to, and nothing else.
    Operator(KeyId),
    /// Somebody whom the listener did not ask: the path is open to all, or judges its callers itself.
    Anyone,
}

/// What a credential is baked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Which credential it is.
    pub credential: CredentialId,
    /// The one namespace that it reaches.
    pub namespace: NamespaceId,
    /// The person behind it.
    pub person: PersonId,
    /// What it may do now.
    pub scopes: ScopeSet,
}

impl Caller {
    /// The daemon itself, for what it asks of its own accord, with the keys of its own user.
    pub const DAEMON: Self = Self::Keyless { namespace: None };

    /// The namespace in which the call is made.
    pub fn namespace(self) -> Option<NamespaceId> {
        match self {
            Self::Keyless { namespace } => namespace,
            Self::Credential(principal) => Some(principal.namespace),
            Self::Operator(_) | Self::Anyone => None,
        }
    }
}

/// The id of a request: visible ASCII, at most 64 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// `value` as an id; `None` where a header of it would not be text.
    pub fn new(value: HeaderValue) -> Option<Self> {
        value.to_str().is_ok().then_some(Self(value))
    }

    /// An id of our own making.
    ///
    /// # Panics
    /// Where `text` cannot stand in a header.
    #[expect(clippy::expect_used, reason = "whoever mints ids mints visible ASCII")]
    pub fn from_text(text: impl Into<Bytes>) -> Self {
        let id = Self(HeaderValue::from_maybe_shared(text.into()).expect("visible ASCII"));
        debug_assert!(id.0.to_str().is_ok(), "visible ASCII");
        id
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The id as a header's value.
    pub fn into_header(self) -> HeaderValue {
        self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The connection on which a request came, as far as its reply concerns it.
///
/// Whoever drives the connection polls the reply's future and its body in one task. After [`wake_at`] it polls them
/// once more when that instant has come, and after [`crate::Gateway::interrupt`] it polls them at once: the gateway
/// registers neither a timer nor a waiter of its own for a request.
///
/// [`wake_at`]: CallerConnection::wake_at
pub trait CallerConnection: fmt::Debug + Send + Sync {
    /// Ends the connection with the reply that is running: its stream failed, and the end says so.
    fn close_after_reply(&self);

    /// Asks to be polled at `at` at the latest; `None` takes that back. The last word counts.
    fn wake_at(&self, at: Option<Instant>);

    /// Somebody waits for more of the request's body.
    fn on_body_awaited(&self) {}

    /// More of the request's body came.
    fn on_body_read(&self) {}

    /// The request's body was read to its end.
    fn on_body_done(&self) {}

    /// The request's body was dropped; what is unread of it stays so.
    fn on_body_dropped(&self) {}

    /// The call goes to this model, as its provider calls it; the last word counts.
    fn on_routed(&self, _provider: &ProviderId, _model: &Arc<str>) {}

    /// So much was used until now, as it would be charged. Told of metered streams only, some times a second.
    fn on_progress(&self, _usage: &TokenUsage) {}

    /// The call has ended.
    fn on_ended(&self, _record: &RequestRecord) {}
}
