//! What a reload and a push did.

use crate::{
    status::{IgnoredValue, KeyChange, ProviderChange, PushOutcome, ReloadOutcome},
    wire,
};

impl From<wire::KeyChange> for KeyChange {
    fn from(message: wire::KeyChange) -> Self {
        Self {
            name: message.name,
            provider: message.provider,
            change: message.change,
            now_from: super::daemon::present(message.now_from),
        }
    }
}

impl From<KeyChange> for wire::KeyChange {
    fn from(change: KeyChange) -> Self {
        Self {
            name: change.name,
            provider: change.provider,
            change: change.change,
            now_from: change.now_from.unwrap_or_default(),
        }
    }
}

impl From<wire::IgnoredValue> for IgnoredValue {
    fn from(message: wire::IgnoredValue) -> Self {
        Self { name: message.name, reason: message.reason, origin: message.origin }
    }
}

impl From<IgnoredValue> for wire::IgnoredValue {
    fn from(ignored: IgnoredValue) -> Self {
        Self { name: ignored.name, reason: ignored.reason, origin: ignored.origin }
    }
}

impl From<wire::ReloadResponse> for ReloadOutcome {
    fn from(message: wire::ReloadResponse) -> Self {
        let provider = |wire::ProviderChange { id, change }| ProviderChange { id, change };
        Self {
            changed: message.changed.into_iter().map(Into::into).collect(),
            ignored: message.ignored.into_iter().map(Into::into).collect(),
            providers: message.providers.into_iter().map(provider).collect(),
            settings: message.settings,
        }
    }
}

impl From<ReloadOutcome> for wire::ReloadResponse {
    fn from(outcome: ReloadOutcome) -> Self {
        let provider = |ProviderChange { id, change }| wire::ProviderChange { id, change };
        Self {
            changed: outcome.changed.into_iter().map(Into::into).collect(),
            ignored: outcome.ignored.into_iter().map(Into::into).collect(),
            providers: outcome.providers.into_iter().map(provider).collect(),
            settings: outcome.settings,
        }
    }
}

impl From<wire::PushResponse> for PushOutcome {
    fn from(message: wire::PushResponse) -> Self {
        Self {
            changed: message.changed.into_iter().map(Into::into).collect(),
            ignored: message.ignored.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<PushOutcome> for wire::PushResponse {
    fn from(outcome: PushOutcome) -> Self {
        Self {
            changed: outcome.changed.into_iter().map(Into::into).collect(),
            ignored: outcome.ignored.into_iter().map(Into::into).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_survives_the_wire() {
        let outcome = ReloadOutcome {
            changed: vec![KeyChange {
                name: "A".to_owned(),
                provider: "a".to_owned(),
                change: "added".to_owned(),
                now_from: Some("pushed".to_owned()),
            }],
            ignored: vec![IgnoredValue { name: "B".to_owned(), reason: "r".to_owned(), origin: "o".to_owned() }],
            providers: vec![ProviderChange { id: "p".to_owned(), change: "removed".to_owned() }],
            settings: vec!["log.level".to_owned()],
        };
        let there: wire::ReloadResponse = outcome.clone().into();
        assert_eq!(ReloadOutcome::from(there), outcome);
        let pushed = PushOutcome { changed: outcome.changed, ignored: outcome.ignored };
        let there: wire::PushResponse = pushed.clone().into();
        assert_eq!(PushOutcome::from(there), pushed);
    }
}
