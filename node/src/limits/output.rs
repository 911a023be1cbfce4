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
}

impl Output {
    /// What comes of the guardrails and of the rates: a call without a cap gets the smallest `max_request_tokens`, and under a limit
    /// on tokens half of it.
    ///
    /// # Errors
    /// Where such a cap is at or below the thinking budget.
    pub(super) fn of(applicable: &Applicable, terms: &dyn Terms) -> Result<Self, Box<Refused>> {
        if !terms.has_output() {
            return Ok(Self { own: Some(0), most: None, model_max: None, least: 0, replies: 1 });
        }
        let (own, model_max, replies) = (terms.asked_cap(), terms.model_max(), terms.replies().max(1));
        let least = terms.thinking().map_or(1, |budget| budget.saturating_add(1));
        let mut output = Self { own, most: model_max, model_max, least, replies };
        if own.is_some() {
            return Ok(output);
        }
        if let Some((most, policy)) = applicable.max_request_tokens() {
            output.bound(most, Why::MaxRequestTokens, policy, most)?;
        }
        if let Some((limit, policy)) = applicable.rates().iter().filter_map(|rate| rate.max_tokens).min() {
            let limit = u64::try_from(limit).unwrap_or(0);
            output.bound((limit / 2 / replies).max(1), Why::ExceedsLimit, policy, limit)?;
        }
        Ok(output)
    }

    fn bound(&mut self, most: u64, why: Why, policy: PolicyId, limit: u64) -> Result<(), Box<Refused>> {
        if self.most.is_none_or(|known| most < known) {
            self.most = Some(most);
            if most < self.least {
                let number = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
                let needs = Some(number(self.least));
                let numbers = Numbers { measure: Measure::Tokens, limit: number(limit), used: 0, needs };
                return Err(Refused { numbers: Some(numbers), ..Refused::new(why, Some(policy)) }.into());
            }
        }
        Ok(())
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
