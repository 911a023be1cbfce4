//! Which counters a call goes by, and the limits on them.

use bitrouter_proto::account::{
    MicroUsd, NamespaceId, PersonId, PolicyId,
    policy::{Funding, Window},
};

use crate::policy::PrincipalId;

/// Which budget counter: what a principal spent in a window is the same for every policy that is bound to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BudgetKey {
    /// In which namespace.
    pub namespace: NamespaceId,
    /// Who spends.
    pub principal: PrincipalId,
    /// In which window.
    pub window: Window,
    /// What counts.
    pub funding: Funding,
}

impl BudgetKey {
    /// What counts in it of what cost that much, and of which credit was charged that much.
    pub(crate) fn counts(self, cost: MicroUsd, charge: MicroUsd) -> MicroUsd {
        match self.funding {
            Funding::Any => cost,
            Funding::Credit => charge,
        }
    }
}

/// Which counter of rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RateKey {
    /// In which namespace.
    pub namespace: NamespaceId,
    /// Who calls.
    pub principal: PrincipalId,
    /// The length of the window.
    pub window_secs: u64,
}

/// A limit on a budget counter: the smallest there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetLimit {
    /// Of which counter.
    pub key: BudgetKey,
    /// How much.
    pub limit: MicroUsd,
    /// Whose limit it is.
    pub policy: PolicyId,
}

/// The limits on a counter of rates: the smallest there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Of which counter.
    pub key: RateKey,
    /// How many requests, and which policy says so.
    pub max_requests: Option<(i64, PolicyId)>,
    /// How many tokens, and which policy says so.
    pub max_tokens: Option<(i64, PolicyId)>,
}

/// All that a call goes by. Each counter is in it once, however many policies have a limit on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applicable {
    budgets: Vec<BudgetLimit>,
    rates: Vec<RateLimit>,
    credit: Option<PersonId>,
    max_request_tokens: Option<(u64, PolicyId)>,
}

/// A counter of money that a call goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purse {
    Budget(BudgetLimit),
    Credit(PersonId),
}

/// Which counter of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum PurseKey {
    Budget(BudgetKey),
    Credit(PersonId),
}

impl Purse {
    pub(super) fn key(self) -> PurseKey {
        match self {
            Self::Budget(limit) => PurseKey::Budget(limit.key),
            Self::Credit(person) => PurseKey::Credit(person),
        }
    }
}

impl Applicable {
    /// A budget: of two on one counter the smaller decides.
    pub fn add_budget(&mut self, key: BudgetKey, limit: MicroUsd, policy: PolicyId) {
        let new = BudgetLimit { key, limit, policy };
        match self.budgets.iter_mut().find(|one| one.key == key) {
            Some(one) if (limit, policy) < (one.limit, one.policy) => *one = new,
            Some(_) => {}
            None => self.budgets.push(new),
        }
    }

    /// A rate limit: of two on one counter the smaller numbers decide.
    pub fn add_rate(&mut self, key: RateKey, max_requests: Option<i64>, max_tokens: Option<i64>, policy: PolicyId) {
        let new = |limit: Option<i64>| limit.map(|limit| (limit, policy));
        let least = |one: Option<(i64, PolicyId)>, new| one.into_iter().chain(new).min();
        match self.rates.iter_mut().find(|one| one.key == key) {
            Some(one) => {
                one.max_requests = least(one.max_requests, new(max_requests));
                one.max_tokens = least(one.max_tokens, new(max_tokens));
            }
            None => {
                self.rates.push(RateLimit { key, max_requests: new(max_requests), max_tokens: new(max_tokens) });
            }
        }
    }

    /// What a guardrail allows a request to ask for: of two the smaller decides.
    pub fn add_max_request_tokens(&mut self, limit: u64, policy: PolicyId) {
        self.max_request_tokens = self.max_request_tokens.into_iter().chain([(limit, policy)]).min();
    }

    /// The same, where the credit of this person pays, or of nobody: budgets that count only what credit pays are in it only then.
    #[must_use]
    pub fn paid_by(&self, credit: Option<PersonId>) -> Self {
        let mut paid = Self { credit, ..self.clone() };
        paid.budgets.retain(|one| one.key.funding == Funding::Any || credit.is_some());
        paid
    }

    /// The budgets that the call counts in.
    pub fn budgets(&self) -> &[BudgetLimit] {
        &self.budgets
    }

    /// The rates.
    pub fn rates(&self) -> &[RateLimit] {
        &self.rates
    }

    /// Whose credit pays.
    pub fn credit(&self) -> Option<PersonId> {
        self.credit
    }

    /// The most tokens that a request may ask for, and which policy says so.
    pub fn max_request_tokens(&self) -> Option<(u64, PolicyId)> {
        self.max_request_tokens
    }

    /// True where nothing is counted and nothing capped.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The counters that none of `known` has.
    #[must_use]
    pub(crate) fn beside(&self, known: &[&Self]) -> Self {
        let is_new = |has: &dyn Fn(&Self) -> bool| !known.iter().any(|known| has(known));
        Self {
            budgets: self.budgets.iter().filter(|one| is_new(&|known| known.has_budget(&one.key))).copied().collect(),
            rates: self.rates.iter().filter(|one| is_new(&|known| known.has_rate(&one.key))).copied().collect(),
            ..Self::default()
        }
    }

    /// True where a budget or credit has a say.
    pub fn limits_money(&self) -> bool {
        self.credit.is_some() || !self.budgets.is_empty()
    }

    /// True where this counter is among them.
    pub fn has_budget(&self, key: &BudgetKey) -> bool {
        self.budgets.iter().any(|one| one.key == *key)
    }

    /// The same of a rate.
    pub fn has_rate(&self, key: &RateKey) -> bool {
        self.rates.iter().any(|one| one.key == *key)
    }

    /// Each counter of money that it goes by.
    pub(super) fn purses(&self) -> impl Iterator<Item = Purse> {
        self.budgets.iter().map(|one| Purse::Budget(*one)).chain(self.credit.map(Purse::Credit))
    }
}
