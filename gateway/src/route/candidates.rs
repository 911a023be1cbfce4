//! Which of several providers serves a model that they all have.

use crate::registry::{Provider, ProviderId};

/// The one that `prefer` names first; of the others first-party before gateways before local ones, then by their ids.
pub(super) fn preferred<'a>(
    candidates: impl Iterator<Item = &'a Provider>,
    prefer: &[ProviderId],
) -> Option<&'a Provider> {
    candidates.min_by_key(|provider| {
        let rank = prefer.iter().position(|id| id == provider.id()).unwrap_or(usize::MAX);
        (rank, provider.kind(), provider.id())
    })
}
