//! What the rules for models have said of each, once: looking at every pattern takes as long as there are patterns, and
//! what is called is nearly always what was called before.

use std::{
    collections::HashMap,
    fmt,
    sync::{PoisonError, RwLock},
};

use bitrouter_proto::account::PolicyId;

use super::globs::Model;

/// So many models are remembered; what comes after is looked at each time. Callers choose names freely.
const MOST: usize = 1_024;

/// The policy that refuses each model, by provider and id.
type ByProvider = HashMap<String, HashMap<String, Option<PolicyId>>>;

/// Verdicts on models. They belong to rules that never change.
#[derive(Default)]
pub(super) struct Verdicts(RwLock<ByProvider>);

impl Verdicts {
    /// The verdict on `model`, by `judge` where it is the first of it.
    pub(super) fn on(&self, model: Model<'_>, judge: impl FnOnce() -> Option<PolicyId>) -> Option<PolicyId> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = known.get(model.provider).and_then(|models| models.get(model.id)) {
            return *verdict;
        }
        drop(known);
        let verdict = judge();
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.values().map(HashMap::len).sum::<usize>() < MOST {
            known.entry(model.provider.to_owned()).or_default().insert(model.id.to_owned(), verdict);
        }
        verdict
    }
}

impl fmt::Debug for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verdicts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_model_is_judged_once_until_there_are_too_many() {
        let (verdicts, policy) = (Verdicts::default(), PolicyId::new(ulid::Ulid(7)));
        let on = |id: &str, judged: Option<Option<PolicyId>>| {
            let model = Model { provider: "p", id };
            verdicts.on(model, || judged.unwrap_or_else(|| panic!("{id} is judged again")))
        };
        assert_eq!(on("denied", Some(Some(policy))), Some(policy));
        assert_eq!(on("denied", None), Some(policy));
        assert_eq!(verdicts.on(Model { provider: "q", id: "denied" }, || None), None);
        for number in 2..MOST {
            assert_eq!(on(&format!("m{number}"), Some(None)), None);
        }
        assert_eq!(on("m2", None), None);
        assert_eq!(on("one too many", Some(None)), None);
        assert_eq!(on("one too many", Some(Some(policy))), Some(policy));
    }
}
