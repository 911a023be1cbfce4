//! How much output a call asks for, once guardrails and rates have said theirs.

use bitrouter_proto::account::PolicyId;

use super::{
    applicable::Applicable,
    refused::{Measure, Numbers, Refused, Why},
    terms::Terms,
};

/// The output of a call. Numbers of tokens are those of one reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Output {
    /// The cap that the body has.
    pub(super) own: Option<u64>,
    /// The most it can come to without one; `None` where nothing bounds it.
    pub(super) most: Option<u64>,
    model_max: Option<u64>,
    /// The least cap that may be spliced in: above the thinking budget.
    pub(super) least: u64,
    replies: u64,
    /// Which policy keeps it below the model's maximum.
    by: Option<PolicyId>,
}

impl Output {
    /// What comes of the guardrails and of the rates: a call without a cap gets the smallest `max_request_tokens`, and under a limit
    /// on tokens half of it.
    pub(super) fn of(applicable: &Applicable, terms: &dyn Terms) -> Self {
        if !terms.has_output() {
            return Self { own: Some(0), most: None, model_max: None, least: 0, replies: 1, by: None };
        }
        let (own, model_max, replies) = (terms.asked_cap(), terms.model_max(), terms.replies().max(1));
        let least = terms.thinking().map_or(1, |budget| budget.saturating_add(1));
        let mut output = Self { own, most: model_max, model_max, least, replies, by: None };
        if own.is_some() {
            return output;
        }
        if let Some((most, policy)) = applicable.max_request_tokens() {
            output.bound(most, policy);
        }
        if let Some((limit, policy)) = applicable.rates().iter().filter_map(|rate| rate.max_tokens).min() {
            output.bound((u64::try_from(limit).unwrap_or(0) / 2 / replies).max(1), policy);
        }
        output
    }

    fn bound(&mut self, most: u64, policy: PolicyId) {
        if self.most.is_none_or(|known| most < known) {
            (self.most, self.by) = (Some(most), Some(policy));
        }
    }

    /// That the cap which policies have spliced in is above the thinking budget.
    ///
    /// # Errors
    /// Where it is not: a provider would refuse such a call.
    pub(super) fn leaves_room_to_think(&self) -> Result<(), Box<Refused>> {
        match (self.most, self.by) {
            (Some(most), Some(policy)) if most < self.least => {
                let number = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
                let needs = Some(number(self.least));
                let numbers = Some(Numbers { measure: Measure::Tokens, limit: number(most), used: 0, needs });
                Err(Refused { numbers, ..Refused::new(Why::ThinkingBudget, Some(policy)) }.into())
            }
            _ => Ok(()),
        }
    }

    /// What was asked for, as far as it is known.
    pub(super) fn asked(&self) -> Option<u64> {
        self.own.or(self.most)
    }

    /// What has to be written into the body for replies to have that many tokens at most.
    pub(super) fn spliced(&self, cap: Option<u64>) -> Option<u64> {
        match self.own {
            Some(own) => cap.filter(|cap| *cap != own),
            None => cap.filter(|cap| self.model_max.is_none_or(|most| *cap < most)),
        }
    }

    /// What all replies come to where each has that many.
    pub(super) fn in_all(&self, cap: Option<u64>) -> Option<u64> {
        cap.map(|cap| cap.saturating_mul(self.replies))
    }
}
