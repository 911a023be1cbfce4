//! All policies that are in force, as one. What they say is kept as a set, so that neither order nor repetition matters:
//! denied models come together, allowed ones must be in every list, and the smallest limit holds.

use std::collections::{BTreeMap, BTreeSet};

use bitrouter_proto::account::{
    MicroUsd, PolicyId,
    policy::{
        BudgetSpec, ByokRule, ContentPattern, Effective, EffectiveBudget, EffectiveGuardrail, EffectiveRateLimit,
        GuardrailSpec, Origin, PrincipalType, RateLimitSpec,
    },
};

use super::{overlap::common, principal::key, spec::Spec};

/// A policy with what it is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The policy, and what it is bound to.
    pub origin: Origin,
    /// What it says.
    pub spec: Spec,
    /// Whether it acts.
    pub is_enabled: bool,
}

/// A place that counts: a budget and a rate limit each have a counter for every principal that they are bound to.
type Counter = (PolicyId, PrincipalType, String);

/// What is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Combined {
    budgets: BTreeMap<Counter, (Origin, BudgetSpec)>,
    rate_limits: BTreeMap<Counter, (Origin, RateLimitSpec)>,
    guardrails: BTreeMap<PolicyId, GuardrailSpec>,
}

impl Combined {
    /// What one policy says: a preset as if each of its clauses were bound, one that is disabled nothing.
    pub fn of(bound: &Bound) -> Self {
        let mut combined = Self::default();
        if !bound.is_enabled {
            return combined;
        }
        let (clauses, origin) = (bound.spec.clauses(), &bound.origin);
        let (policy, kind, id) = key(origin);
        let counter = || (policy, kind, id.to_owned());
        combined.budgets.extend(clauses.budget.map(|budget| (counter(), (origin.clone(), budget))));
        combined.rate_limits.extend(clauses.rate_limit.map(|rate_limit| (counter(), (origin.clone(), rate_limit))));
        combined.guardrails.extend(clauses.guardrail.map(|guardrail| (policy, guardrail)));
        combined
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.budgets.extend(other.budgets);
        self.rate_limits.extend(other.rate_limits);
        self.guardrails.extend(other.guardrails);
        self
    }

    /// All of `policies`.
    pub fn all<'a>(policies: impl IntoIterator<Item = &'a Bound>) -> Self {
        policies.into_iter().map(Self::of).fold(Self::default(), Self::and)
    }

    /// The guardrails, each with its policy.
    pub(crate) fn guardrails(&self) -> impl Iterator<Item = (PolicyId, &GuardrailSpec)> {
        self.guardrails.iter().map(|(policy, guardrail)| (*policy, guardrail))
    }

    /// The budgets, each with where it comes from.
    pub fn budgets(&self) -> impl Iterator<Item = (&Origin, &BudgetSpec)> {
        self.budgets.values().map(|(origin, budget)| (origin, budget))
    }

    /// What is shown of it; nothing is spent, as far as this knows.
    pub fn shown(&self) -> Effective {
        let budgets = self.budgets().map(|(origin, spec)| EffectiveBudget {
            origin: origin.clone(),
            spec: spec.clone(),
            spent_micro_usd: MicroUsd::ZERO,
            reserved_micro_usd: MicroUsd::ZERO,
            resets_at: None,
        });
        let rate_limits = self
            .rate_limits
            .values()
            .map(|(origin, spec)| EffectiveRateLimit { origin: origin.clone(), spec: spec.clone() });
        let guardrail = (!self.guardrails.is_empty()).then(|| EffectiveGuardrail {
            policy_ids: self.guardrails.keys().copied().collect(),
            spec: self.flat(),
            byok_conflict: self.has_byok_conflict(),
        });
        Effective { budgets: budgets.collect(), rate_limits: rate_limits.collect(), guardrail }
    }

    /// Whether one policy requires what another forbids: no call can pass both.
    fn has_byok_conflict(&self) -> bool {
        let says = |rule| self.guardrails.values().any(|one| one.byok == Some(rule));
        says(ByokRule::Required) && says(ByokRule::Forbidden)
    }

    /// All guardrails in the form of one.
    fn flat(&self) -> GuardrailSpec {
        let all = || self.guardrails.values();
        let deny: BTreeSet<&String> = all().filter_map(|one| one.model_deny.as_ref()).flatten().collect();
        let mut patterns: Vec<&ContentPattern> = Vec::new();
        for pattern in all().filter_map(|one| one.content_patterns.as_ref()).flatten() {
            if !patterns.contains(&pattern) {
                patterns.push(pattern);
            }
        }
        GuardrailSpec {
            model_allow: common(all().filter_map(|one| one.model_allow.as_deref())),
            model_deny: (!deny.is_empty()).then(|| deny.into_iter().cloned().collect()),
            max_request_tokens: all().filter_map(|one| one.max_request_tokens).min(),
            // Nothing is said by what allows.
            allow_streaming: all().filter_map(|one| one.allow_streaming).min(),
            byok: byok(all()),
            content_patterns: (!patterns.is_empty()).then(|| patterns.into_iter().cloned().collect()),
        }
    }
}

/// The rule that shows: where one policy requires what another forbids, the prohibition, and [`EffectiveGuardrail::byok_conflict`]
/// beside it; every call is refused then.
fn byok<'a>(all: impl Iterator<Item = &'a GuardrailSpec>) -> Option<ByokRule> {
    let said: BTreeSet<ByokRule> = all.filter_map(|one| one.byok).collect();
    [ByokRule::Forbidden, ByokRule::Required, ByokRule::Optional].into_iter().find(|rule| said.contains(rule))
}

#[cfg(test)]
mod tests;
