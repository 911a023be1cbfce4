//! `BITROUTER_API_URL`: the server that the account's key is for, from the same sources as the key.

use bitrouter_gateway::registry::ProviderId;
use bitrouter_proto::env::BITROUTER_API_URL;

use super::{
    keyring::{Change, KeyRingChange, RejectedValue},
    layers::{KeyOrigin, Layers},
};
use crate::config::server_url;

/// What the strongest source says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AccountServer {
    origin: KeyOrigin,
    /// The address without a slash at its end, or what is wrong with it.
    url: Result<String, &'static str>,
}

impl AccountServer {
    /// The provider whose key it is for.
    pub(super) const OF: &str = ProviderId::ACCOUNT;

    /// What the strongest source that says something says.
    pub(super) fn find(layers: &Layers<'_>) -> Option<Self> {
        let candidates = layers.candidates(BITROUTER_API_URL);
        let strongest = candidates.into_iter().find(|candidate| candidate.rejection.is_none())?;
        Some(Self { url: server_url(strongest.value), origin: strongest.origin })
    }

    /// The address.
    pub(super) fn url(&self) -> Option<&str> {
        self.url.as_deref().ok()
    }

    /// What is wrong with it; never what stands there.
    pub(super) fn problem(&self) -> Option<RejectedValue> {
        let reason = self.url.as_ref().err()?;
        Some(RejectedValue {
            name: BITROUTER_API_URL.to_owned(),
            origin: self.origin.clone(),
            reason: (*reason).to_owned(),
            stand_in: false,
        })
    }

    /// What changed between two of them.
    pub(super) fn change(before: Option<&Self>, now: Option<&Self>) -> Option<KeyRingChange> {
        let url = |server: Option<&Self>| server.and_then(Self::url).map(str::to_owned);
        let change = match (url(before), url(now)) {
            (None, Some(_)) => Change::Added,
            (Some(_), None) => Change::Withdrawn,
            (Some(before), Some(now)) if before != now => Change::Changed,
            _ => return None,
        };
        let now_from = now.filter(|server| server.url.is_ok()).map(|server| server.origin.kind());
        Some(KeyRingChange { name: BITROUTER_API_URL.to_owned(), provider: Self::OF.to_owned(), change, now_from })
    }
}
