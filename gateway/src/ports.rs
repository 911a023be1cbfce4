//! What the gateway asks of the world around it. The daemon implements these; the gateway never looks further.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;

use crate::{http::RequestId, protocol::usage::TokenUsage, registry::ProviderId};

/// Which credential goes to a provider now. One value belongs to one snapshot and never changes.
pub trait KeySource: Send + Sync + 'static {
    /// The key for `provider`, or `None` where no source supplies one.
    fn key(&self, provider: &ProviderId) -> Option<&SecretString>;
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
    /// The resolved model id at the provider, or what the caller asked for where nothing was resolved.
    pub model: String,
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
    /// From the head of the request to the last byte of the reply.
    pub total: Duration,
    /// From the head of the request to the first body byte of the reply.
    pub first_byte: Option<Duration>,
    /// The error code that the caller saw, also in mid-stream.
    pub error_code: Option<&'static str>,
    /// True where the caller went away before the end.
    pub cancelled: bool,
}

/// A key source that holds nothing (demo mode without keys, tests).
#[derive(Clone, Copy, Debug, Default)]
pub struct NoKeys;

impl KeySource for NoKeys {
    fn key(&self, _provider: &ProviderId) -> Option<&SecretString> {
        None
    }
}

/// A shared key source.
pub type SharedKeys = Arc<dyn KeySource>;
