//! All that is in force, by what it is bound to; and, for each credential, what that comes to.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Instant,
};

use bitrouter_gateway::content_rules::{ContentRule, ContentRuleError, ContentRules};
use bitrouter_proto::account::{
    CredentialId, NamespaceId, PersonId, PolicyId,
    policy::{ContentAction, Funding, Origin},
};

use crate::{
    limits::{Applicable, BudgetKey, RateKey},
    policy::{Bound, Combined, PrincipalId, Spec, decide::Rules},
    store::{BindingRow, PolicyRow, StoreError},
};

/// So many rulebooks are kept; then all of them are put together anew.
const MOST_KEPT: usize = 4_096;

/// Whose calls: a credential in its namespace, or those without one.
type Holder = (NamespaceId, Option<CredentialId>);

/// All that is in force.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(super) generation: u64,
    /// When calls had begun to go by it.
    pub(super) since: OnceLock<Instant>,
    bound: HashMap<(NamespaceId, PrincipalId), Vec<Arc<Bound>>>,
    rulebooks: RwLock<HashMap<Holder, Option<Arc<Rulebook>>>>,
    /// Compiled rules for content, by the policies that they are of.
    content: RwLock<HashMap<Vec<PolicyId>, Arc<ContentRules>>>,
}

impl Book {
    /// The book of `rows`, which is the one of this number.
    ///
    /// # Errors
    /// Where something is stored that no release has written.
    pub(super) fn new(generation: u64, rows: Vec<(PolicyRow, BindingRow)>) -> Result<Self, StoreError> {
        let mut bound: HashMap<(NamespaceId, PrincipalId), Vec<Arc<Bound>>> = HashMap::new();
        for (policy, binding) in rows {
            let principal = PrincipalId::parse(binding.principal_type, &binding.principal_id)
                .ok_or(StoreError::Unreadable("principal"))?;
            let spec = Spec::stored(policy.kind, &policy.spec).map_err(|_| StoreError::Unreadable("spec"))?;
            let origin = Origin {
                policy_id: policy.id,
                name: policy.name,
                principal_type: binding.principal_type,
                principal_id: binding.principal_id,
            };
            let one = Bound { origin, spec, is_enabled: true };
            bound.entry((binding.namespace, principal)).or_default().push(Arc::new(one));
        }
        Ok(Self { generation, bound, ..Self::default() })
    }

    /// True where nothing is in force.
    pub(crate) fn is_empty(&self) -> bool {
        self.bound.is_empty()
    }

    /// True where something is bound to one of these.
    pub(super) fn binds(&self, namespace: NamespaceId, principals: &[PrincipalId]) -> bool {
        principals.iter().any(|principal| self.bound.contains_key(&(namespace, *principal)))
    }

    /// What all that is bound to `chain` comes to, for `holder`; kept.
    pub(super) fn rulebook(&self, holder: Holder, chain: impl FnOnce() -> Vec<PrincipalId>) -> Option<Arc<Rulebook>> {
        let kept = self.rulebooks.read().unwrap_or_else(PoisonError::into_inner).get(&holder).cloned();
        kept.unwrap_or_else(|| {
            let made = self.rulebook_of(holder.0, &chain());
            let mut kept = self.rulebooks.write().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= MOST_KEPT {
                kept.clear();
            }
            kept.insert(holder, made.clone());
            made
        })
    }

    /// What all that is bound to `chain` comes to; `None` where nothing is.
    pub(crate) fn rulebook_of(&self, namespace: NamespaceId, chain: &[PrincipalId]) -> Option<Arc<Rulebook>> {
        let on = |principal: &PrincipalId| self.bound.get(&(namespace, *principal)).into_iter().flatten();
        let all: Vec<Arc<Bound>> = chain.iter().flat_map(on).map(Arc::clone).collect();
        if all.is_empty() {
            return None;
        }
        let combined = Combined::all(all.iter().map(|bound| &**bound));
        let applicable = self.applicable_of(namespace, chain);
        let content = self.content_rules(&combined).map_err(|error| {
            tracing::error!(%error, "calls that a policy binds are refused");
            error.to_string()
        });
        let rules = Rules::of(&combined);
        let on_nobody = Arc::new(applicable.paid_by(None));
        Some(Arc::new(Rulebook { rules, applicable, on_nobody, on_credit: OnceLock::new(), content, all }))
    }

    /// All that calls of `chain` can go by, whoever pays.
    pub(super) fn applicable_of(&self, namespace: NamespaceId, chain: &[PrincipalId]) -> Applicable {
        let mut applicable = Applicable::default();
        for principal in chain {
            for bound in self.bound.get(&(namespace, *principal)).into_iter().flatten() {
                add_counters(&mut applicable, namespace, *principal, bound);
            }
        }
        applicable
    }

    /// The counters that calls of `chain` go by, each once or more.
    pub(super) fn counters<'b>(
        &'b self,
        namespace: NamespaceId,
        chain: &'b [PrincipalId],
    ) -> impl Iterator<Item = (Option<BudgetKey>, Option<RateKey>)> + 'b {
        let on = move |principal: &'b PrincipalId| {
            let bound = self.bound.get(&(namespace, *principal)).into_iter().flatten();
            bound.map(move |bound| keys_of(namespace, *principal, bound))
        };
        chain.iter().flat_map(on)
    }

    /// All counters.
    pub(super) fn all_counters(&self) -> (HashSet<BudgetKey>, HashSet<RateKey>) {
        let (mut budgets, mut rates) = (HashSet::new(), HashSet::new());
        for ((namespace, principal), bound) in &self.bound {
            for (budget, rate) in bound.iter().map(|bound| keys_of(*namespace, *principal, bound)) {
                budgets.extend(budget);
                rates.extend(rate);
            }
        }
        (budgets, rates)
    }

    /// The rules for content of what is in force, compiled once for all who have the same.
    fn content_rules(&self, combined: &Combined) -> Result<Option<Arc<ContentRules>>, ContentRuleError> {
        let mut policies = Vec::new();
        let mut rules = Vec::new();
        for (policy, guardrail) in combined.guardrails() {
            for pattern in guardrail.content_patterns.iter().flatten() {
                rules.push(ContentRule {
                    policy,
                    name: pattern.name.clone(),
                    pattern: pattern.pattern.clone(),
                    action: pattern.action.unwrap_or(ContentAction::Block),
                    max_length: pattern.max_length.and_then(|length| usize::try_from(length).ok()),
                });
                if policies.last() != Some(&policy) {
                    policies.push(policy);
                }
            }
        }
        if rules.is_empty() {
            return Ok(None);
        }
        let kept = self.content.read().unwrap_or_else(PoisonError::into_inner).get(&policies).cloned();
        if kept.is_some() {
            return Ok(kept);
        }
        let made = Arc::new(ContentRules::new(rules)?);
        self.content.write().unwrap_or_else(PoisonError::into_inner).insert(policies, Arc::clone(&made));
        Ok(Some(made))
    }
}

fn keys_of(namespace: NamespaceId, principal: PrincipalId, bound: &Bound) -> (Option<BudgetKey>, Option<RateKey>) {
    let clauses = bound.spec.clauses();
    let budget = clauses.budget.map(|budget| BudgetKey {
        namespace,
        principal,
        window: budget.window,
        funding: budget.funding.unwrap_or(Funding::Any),
    });
    let rate = clauses.rate_limit.map(|rate| RateKey {
        namespace,
        principal,
        window_secs: u64::try_from(rate.window_secs).unwrap_or(1),
    });
    (budget, rate)
}

fn add_counters(applicable: &mut Applicable, namespace: NamespaceId, principal: PrincipalId, bound: &Bound) {
    let (clauses, policy) = (bound.spec.clauses(), bound.origin.policy_id);
    let (budget_key, rate_key) = keys_of(namespace, principal, bound);
    if let (Some(key), Some(budget)) = (budget_key, &clauses.budget) {
        applicable.add_budget(key, budget.limit_micro_usd, policy);
    }
    if let (Some(key), Some(rate)) = (rate_key, &clauses.rate_limit) {
        applicable.add_rate(key, rate.max_requests, rate.max_tokens, policy);
    }
    let most = clauses.guardrail.as_ref().and_then(|guardrail| guardrail.max_request_tokens);
    if let Some(most) = most.and_then(|most| u64::try_from(most).ok()) {
        applicable.add_max_request_tokens(most, policy);
    }
}

/// What binds the calls of one credential.
#[derive(Debug)]
pub(crate) struct Rulebook {
    pub(super) rules: Rules,
    /// All that calls can go by, whoever pays.
    applicable: Applicable,
    /// The same where nobody's credit pays.
    on_nobody: Arc<Applicable>,
    /// The same where a person's does.
    on_credit: OnceLock<(PersonId, Arc<Applicable>)>,
    /// The rules for content; why there are none where one of them cannot be used.
    pub(super) content: Result<Option<Arc<ContentRules>>, String>,
    /// The policies, each as often as it is bound, the namespace's first.
    pub(super) all: Vec<Arc<Bound>>,
}

impl Rulebook {
    /// The counters that calls go by, where the credit of `payer` pays, or of nobody.
    pub(crate) fn applicable(&self, payer: Option<PersonId>) -> Arc<Applicable> {
        let Some(payer) = payer else { return Arc::clone(&self.on_nobody) };
        let paid = || Arc::new(self.applicable.paid_by(Some(payer)));
        match self.on_credit.get_or_init(|| (payer, paid())) {
            (kept, applicable) if *kept == payer => Arc::clone(applicable),
            _ => paid(),
        }
    }
}
