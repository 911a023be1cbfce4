//! The decision over a call: rates first, then budgets and credit. It changes nothing.

use std::time::Duration;

use bitrouter_proto::account::MicroUsd;

use super::{
    applicable::{Applicable, Purse, PurseKey},
    budget::{Left, money},
    money::{Offer, offer},
    output::Output,
    refused::{Measure, Numbers, Refused, Why},
    state::State,
    terms::Terms,
    waiting::Ticket,
    window::Fits,
};
use crate::clock::Moment;

/// What a call gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The cap that has to be written into the body: tokens a reply.
    pub cap: Option<u64>,
    /// What all replies together may come to; `None` where nothing bounds it.
    pub output: Option<u64>,
    /// What is reserved of each budget that counts the call, and of the credit.
    pub reserved: MicroUsd,
    /// The tokens that are declared to the rates, all replies together.
    pub declared: u64,
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is admitted.
    Taken(Taken),
    /// It is not.
    Refused(Box<Refused>),
    /// It waits for calls that are open.
    Waits,
}

/// The same, with what is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Takes(Taken),
    Refused(Box<Refused>),
    Waits(Vec<PurseKey>),
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// One that has just come: where it fits it passes those that wait, which do not.
    New,
    /// One that waits, with its place.
    Waiting(Ticket),
    /// One that waits no longer: it takes what there is.
    Last,
}

impl State {
    /// What becomes of a call.
    pub(super) fn decide(&mut self, applicable: &Applicable, terms: &dyn Terms, now: Moment, turn: Turn) -> Decision {
        match self.judge(applicable, terms, now, turn) {
            Ok(decision) => decision,
            Err(refused) => Decision::Refused(refused),
        }
    }

    fn judge(
        &mut self,
        applicable: &Applicable,
        terms: &dyn Terms,
        now: Moment,
        turn: Turn,
    ) -> Result<Decision, Box<Refused>> {
        let output = Output::of(applicable, terms);
        let asked = output.asked();
        self.rates_allow(applicable, output.in_all(asked).unwrap_or(0), now)?;
        output.leaves_room_to_think()?;
        let taken = |cap: Option<u64>, reserved| {
            let in_all = output.in_all(cap);
            Taken { cap: output.spliced(cap), output: in_all, reserved, declared: in_all.unwrap_or(0) }
        };
        let Some(tightest) = self.tightest(applicable, terms, now)? else {
            return Ok(Decision::Takes(taken(asked, MicroUsd::ZERO)));
        };
        match offer(terms, &output, tightest.left, turn == Turn::Last) {
            Offer::Takes { cap, reserved } => {
                let behind: Vec<PurseKey> =
                    applicable.purses().map(Purse::key).filter(|purse| self.is_behind(turn, *purse)).collect();
                let taken = taken(cap, reserved);
                Ok(if behind.is_empty() { Decision::Takes(taken) } else { Decision::Waits(behind) })
            }
            Offer::Waits { needs } => {
                // What lacks, but is not held by open calls, is not waited for.
                let lacks = |left: Left| {
                    left.now < left.at_most && needs.is_none_or(|needs| left.now < i128::from(needs.micros()))
                };
                let waits_for = applicable.purses().filter(|purse| self.left(*purse, now).is_some_and(lacks));
                Ok(Decision::Waits(waits_for.map(Purse::key).collect()))
            }
            Offer::Short { affordable, least, needs } => {
                let retry_after = least.and_then(|least| self.retry_after(applicable, least, now));
                let mut refused = self.short(tightest.purse, needs);
                refused.retry_after = retry_after;
                refused.max_affordable = Some(affordable.unwrap_or(0)).filter(|_| terms.has_output());
                Err(refused.into())
            }
            Offer::NoPrice => {
                Err(Refused::new(Why::PriceUnknown, applicable.budgets().first().map(|one| one.policy)).into())
            }
        }
    }

    /// The refusal of a call for which there is no place to wait.
    pub(super) fn turned_away(&mut self, applicable: &Applicable, terms: &dyn Terms, now: Moment) -> Box<Refused> {
        let tightest = match self.tightest(applicable, terms, now) {
            Ok(Some(tightest)) => tightest,
            Ok(None) => return Refused::new(Why::Stale, None).into(),
            Err(refused) => return refused,
        };
        let needs = Output::of(applicable, terms).asked().and_then(|asked| terms.cost(asked));
        let affordable = if tightest.left.now < 0 { None } else { terms.affordable(money(tightest.left.now)) };
        let mut refused = self.short(tightest.purse, needs);
        refused.max_affordable = Some(affordable.unwrap_or(0)).filter(|_| terms.has_output());
        refused.into()
    }

    /// Whether rates allow one more request that declares that many tokens.
    fn rates_allow(&mut self, applicable: &Applicable, declared: u64, now: Moment) -> Result<(), Box<Refused>> {
        let mut worst: Option<(Fits, Refused)> = None;
        for limit in applicable.rates() {
            let Some(rate) = self.rates.get_mut(&limit.key) else {
                let policy = limit.max_requests.or(limit.max_tokens).map(|(_, policy)| policy);
                return Err(Refused::new(Why::Stale, policy).into());
            };
            rate.expire(now);
            let requests = limit.max_requests.map(|(most, policy)| {
                (rate.request_fits_at(now, most), policy, Measure::Requests, most, i128::from(rate.requests()), 1)
            });
            let tokens = limit.max_tokens.map(|(most, policy)| {
                let fits = rate.tokens_fit_at(now, declared, most);
                (fits, policy, Measure::Tokens, most, rate.tokens(), i128::from(declared))
            });
            for (fits, policy, measure, limit, used, needs) in requests.into_iter().chain(tokens) {
                if worst.is_none_or(|(worst, _)| fits > worst) && fits != Fits::Now {
                    let (used, needs) = (money(used).micros(), Some(money(needs).micros()));
                    let numbers = Some(Numbers { measure, limit, used, needs });
                    let refused = match fits {
                        Fits::After(wait) => Refused {
                            retry_after: Some(wait),
                            resets_at: rate.resets_at(),
                            ..Refused::new(Why::RateLimited, Some(policy))
                        },
                        Fits::Never | Fits::Now => Refused::new(Why::ExceedsLimit, Some(policy)),
                    };
                    worst = Some((fits, Refused { numbers, ..refused }));
                }
            }
        }
        worst.map_or(Ok(()), |(_, refused)| Err(refused.into()))
    }

    /// What is left of the counter of money that has the least; `None` where money has no say.
    fn tightest(
        &mut self,
        applicable: &Applicable,
        terms: &dyn Terms,
        now: Moment,
    ) -> Result<Option<Tightest>, Box<Refused>> {
        if terms.is_free() {
            return Ok(None);
        }
        let mut tightest: Option<Tightest> = None;
        for purse in applicable.purses() {
            let Some(left) = self.left(purse, now) else {
                let policy = match purse {
                    Purse::Budget(limit) => Some(limit.policy),
                    Purse::Credit(_) => None,
                };
                return Err(Refused::new(Why::Stale, policy).into());
            };
            tightest = Some(match tightest {
                None => Tightest { purse, left },
                Some(other) => {
                    let at_most = left.at_most.min(other.left.at_most);
                    let (purse, now) =
                        if left.now < other.left.now { (purse, left.now) } else { (other.purse, other.left.now) };
                    Tightest { purse, left: Left { now, at_most } }
                }
            });
        }
        Ok(tightest)
    }

    fn is_behind(&self, turn: Turn, purse: PurseKey) -> bool {
        match turn {
            Turn::New | Turn::Last => false,
            Turn::Waiting(place) => self.first_in(purse).is_some_and(|first| first < place),
        }
    }

    /// How long it is until that much fits everywhere, at the latest.
    fn retry_after(&mut self, applicable: &Applicable, amount: MicroUsd, now: Moment) -> Option<Duration> {
        let amount = i128::from(amount.micros());
        let mut wait = Fits::Now;
        for purse in applicable.purses() {
            let fits = match purse {
                Purse::Budget(limit) => self.budgets.get(&limit.key)?.fits_at(now, amount, limit.limit),
                Purse::Credit(person) => {
                    let left = self.credits.get(&person).map_or(0, |credit| credit.left().now);
                    if amount <= left { Fits::Now } else { Fits::Never }
                }
            };
            wait = wait.max(fits);
        }
        match wait {
            Fits::After(wait) => Some(wait),
            Fits::Now | Fits::Never => None,
        }
    }

    fn short(&self, purse: Purse, needs: Option<MicroUsd>) -> Refused {
        let numbers = |limit: MicroUsd, used| {
            let (limit, used, needs) = (limit.micros(), money(used).micros(), needs.map(MicroUsd::micros));
            Some(Numbers { measure: Measure::Money, limit, used, needs })
        };
        match purse {
            Purse::Budget(limit) => {
                let refused = Refused::new(Why::BudgetExceeded, Some(limit.policy));
                self.budgets.get(&limit.key).map_or(refused, |budget| Refused {
                    resets_at: budget.resets_at(),
                    reserved: money(budget.reserved()),
                    is_held: budget.held.reserved > 0,
                    numbers: numbers(limit.limit, budget.spent()),
                    ..refused
                })
            }
            Purse::Credit(person) => {
                let refused = Refused::new(Why::InsufficientCredit, None);
                self.credits.get(&person).map_or(refused, |credit| Refused {
                    reserved: money(credit.held.reserved),
                    is_held: credit.held.reserved > 0,
                    numbers: numbers(credit.balance, 0),
                    ..refused
                })
            }
        }
    }
}

/// A counter of money, and what is left of all of them together.
struct Tightest {
    purse: Purse,
    left: Left,
}
