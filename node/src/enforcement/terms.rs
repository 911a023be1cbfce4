//! A call as its limits see it: the gateway's own reckoning, and what else is known.

use bitrouter_gateway::{meter::Terms as Reckoned, ports::AdmissionRequest};
use bitrouter_proto::account::MicroUsd;

use crate::limits::Terms;

/// A call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallTerms {
    reckoned: Reckoned,
    is_stream: bool,
    body: u64,
    /// A provider takes money for it.
    costs: bool,
    /// Nobody can say what it may cost.
    is_unknown: bool,
}

impl CallTerms {
    /// The call of a request.
    pub(crate) fn of(request: &AdmissionRequest<'_>) -> Self {
        Self {
            reckoned: request.metered.terms,
            is_stream: request.stream,
            body: request.body,
            costs: request.costs,
            is_unknown: request.price_unknown.is_some(),
        }
    }

    /// A call of which no more is known than what it may cost.
    pub(crate) fn plain(reckoned: Reckoned) -> Self {
        Self { reckoned, is_stream: false, body: 0, costs: true, is_unknown: false }
    }
}

impl Terms for CallTerms {
    fn has_output(&self) -> bool {
        self.costs && self.reckoned.has_output
    }

    fn asked_cap(&self) -> Option<u64> {
        self.reckoned.asked
    }

    fn model_max(&self) -> Option<u64> {
        self.reckoned.model_max
    }

    fn replies(&self) -> u64 {
        // What nobody can count fits nowhere.
        self.reckoned.replies.unwrap_or(u64::MAX).max(1)
    }

    fn thinking(&self) -> Option<u64> {
        self.reckoned.thinking
    }

    fn is_stream(&self) -> bool {
        self.is_stream
    }

    fn is_free(&self) -> bool {
        // Of a model that costs nothing it may become more than that.
        !self.costs || (!self.is_unknown && self.reckoned.is_free())
    }

    fn cost(&self, cap: u64) -> Option<MicroUsd> {
        if self.is_unknown { None } else { self.reckoned.cost(cap) }
    }

    fn input_cost(&self) -> Option<MicroUsd> {
        if self.is_unknown { None } else { self.reckoned.input_cost() }
    }

    fn affordable(&self, left: MicroUsd) -> Option<u64> {
        self.reckoned.affordable(left)
    }

    fn body_len(&self) -> u64 {
        self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_become_something_else_is_not_free() {
        let free = CallTerms::plain(Reckoned::of_input(MicroUsd::ZERO));
        assert!(free.is_free() && free.input_cost() == Some(MicroUsd::ZERO));
        let unknown = CallTerms { is_unknown: true, ..free };
        assert!(!unknown.is_free() && unknown.input_cost().is_none());
        // A verb that no provider takes money for costs nothing, whatever it says.
        assert!(CallTerms { costs: false, ..unknown }.is_free());
    }
}
