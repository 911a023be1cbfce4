//! What the rules that are in force make of a request: which of its candidates remain, and which limit it gets; or why it is
//! refused, and by which policy.

use bitrouter_proto::account::{PolicyId, policy::ByokRule};

use super::{
    combine::Combined,
    globs::{Glob, Model},
    verdicts::Verdicts,
};

/// The guardrails in force, ready to be asked.
#[derive(Debug, Default)]
pub struct Rules {
    verdicts: Verdicts,
    allow: Vec<(PolicyId, Vec<Glob>)>,
    deny: Vec<(PolicyId, Vec<Glob>)>,
    /// The smallest one.
    max_request_tokens: Option<(i64, PolicyId)>,
    no_streaming: Option<PolicyId>,
    byok_required: Option<PolicyId>,
    byok_forbidden: Option<PolicyId>,
}

/// One way that a request could go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The model and its provider, as the route resolved them.
    pub model: Model<'a>,
    /// Whether the namespace owner's own key for that provider would pay.
    pub uses_byok: bool,
}

/// What is known of a request.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The ways it could go, the best first.
    pub candidates: &'a [Candidate<'a>],
    /// Whether its reply is to be a stream.
    pub is_streamed: bool,
    /// The tokens that it asks for at most; `None` where it does not say.
    pub max_tokens: Option<i64>,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// No model that it could go to may be called.
    ModelDenied,
    /// Its reply may not be a stream.
    StreamingDenied,
    /// It asks for more tokens than it may.
    MaxRequestTokens,
    /// The namespace owner has no key for where it could go.
    ByokRequired,
    /// The namespace owner's own key would pay.
    ByokForbidden,
    /// One policy requires what another one forbids.
    ByokConflict,
}

impl Refusal {
    /// Its code, as callers are told; each is answered with 403.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ModelDenied => "model_denied",
            Self::StreamingDenied => "streaming_denied",
            Self::MaxRequestTokens => "max_request_tokens",
            Self::ByokRequired => "byok_required",
            Self::ByokForbidden => "byok_forbidden",
            Self::ByokConflict => "byok_conflict",
        }
    }
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may go on.
    Allowed {
        /// The places of the candidates that remain.
        candidates: Vec<usize>,
        /// The tokens that it has to ask for at most, where it does not say.
        cap: Option<i64>,
    },
    /// It may not.
    Refused {
        /// Why.
        code: Refusal,
        /// By which policy.
        policy: PolicyId,
    },
}

impl Rules {
    /// The rules of what is in force.
    pub fn of(combined: &Combined) -> Self {
        let mut rules = Self::default();
        for (policy, guardrail) in combined.guardrails() {
            if let Some(list) = &guardrail.model_allow {
                rules.allow.push((policy, list.iter().map(|text| Glob::new(text)).collect()));
            }
            if let Some(list) = &guardrail.model_deny {
                rules.deny.push((policy, list.iter().map(|text| Glob::denying(text)).collect()));
            }
            let limit = guardrail.max_request_tokens.map(|limit| (limit, policy));
            rules.max_request_tokens = rules.max_request_tokens.into_iter().chain(limit).min();
            if guardrail.allow_streaming == Some(false) {
                rules.no_streaming.get_or_insert(policy);
            }
            match guardrail.byok {
                Some(ByokRule::Required) => _ = rules.byok_required.get_or_insert(policy),
                Some(ByokRule::Forbidden) => _ = rules.byok_forbidden.get_or_insert(policy),
                Some(ByokRule::Optional) | None => {}
            }
        }
        rules
    }

    /// The policy that keeps `model` from being called.
    pub fn refuses(&self, model: Model<'_>) -> Option<PolicyId> {
        self.judges_models()?;
        self.verdicts.on(model, || self.look_at(model))
    }

    /// Looks at every pattern.
    fn look_at(&self, model: Model<'_>) -> Option<PolicyId> {
        let denies = |(_, globs): &&(PolicyId, Vec<Glob>)| globs.iter().any(|glob| glob.denies(model));
        let forgets = |(_, globs): &&(PolicyId, Vec<Glob>)| !globs.iter().any(|glob| glob.allows(model));
        self.deny.iter().find(denies).or_else(|| self.allow.iter().find(forgets)).map(|(policy, _)| *policy)
    }

    /// A policy that has rules for models.
    pub fn judges_models(&self) -> Option<PolicyId> {
        self.deny.first().or(self.allow.first()).map(|(policy, _)| *policy)
    }

    /// Judges a request whose model may be called: `max_tokens` is what it asks for at most.
    ///
    /// # Errors
    /// Why it is refused, and by which policy.
    pub fn judge(
        &self,
        is_streamed: bool,
        max_tokens: Option<i64>,
        uses_byok: bool,
    ) -> Result<(), (Refusal, PolicyId)> {
        self.judge_payer(uses_byok)?;
        self.judge_manner(is_streamed, max_tokens)
    }

    /// Judges who pays the provider: the namespace's owner with a key of their own, or somebody else.
    ///
    /// # Errors
    /// Why that is refused, and by which policy.
    pub fn judge_payer(&self, uses_byok: bool) -> Result<(), (Refusal, PolicyId)> {
        if let (Some(_), Some(policy)) = (self.byok_required, self.byok_forbidden) {
            return Err((Refusal::ByokConflict, policy));
        }
        let refused = if uses_byok {
            self.byok_forbidden.map(|policy| (Refusal::ByokForbidden, policy))
        } else {
            self.byok_required.map(|policy| (Refusal::ByokRequired, policy))
        };
        refused.map_or(Ok(()), Err)
    }

    fn judge_manner(&self, is_streamed: bool, max_tokens: Option<i64>) -> Result<(), (Refusal, PolicyId)> {
        if let (true, Some(policy)) = (is_streamed, self.no_streaming) {
            return Err((Refusal::StreamingDenied, policy));
        }
        match (self.max_request_tokens, max_tokens) {
            (Some((most, policy)), Some(asked)) if asked > most => Err((Refusal::MaxRequestTokens, policy)),
            _ => Ok(()),
        }
    }

    /// What becomes of a request.
    pub fn decide(&self, facts: Facts<'_>) -> Decision {
        let refused = |code, policy| Decision::Refused { code, policy };
        if let (Some(_), Some(policy)) = (self.byok_required, self.byok_forbidden) {
            return refused(Refusal::ByokConflict, policy);
        }
        let (mut candidates, mut by_model, mut by_payer) = (Vec::new(), None, None);
        for (place, candidate) in facts.candidates.iter().enumerate() {
            let payer = if candidate.uses_byok {
                self.byok_forbidden.map(|policy| (Refusal::ByokForbidden, policy))
            } else {
                self.byok_required.map(|policy| (Refusal::ByokRequired, policy))
            };
            match (self.refuses(candidate.model), payer) {
                (Some(policy), _) => by_model = by_model.or(Some(policy)),
                (None, Some(payer)) => by_payer = by_payer.or(Some(payer)),
                (None, None) => candidates.push(place),
            }
        }
        if candidates.is_empty() {
            // What could be called under another key is told first: that is nearer.
            if let Some((code, policy)) = by_payer {
                return refused(code, policy);
            }
            if let Some(policy) = by_model {
                return refused(Refusal::ModelDenied, policy);
            }
        }
        match self.judge_manner(facts.is_streamed, facts.max_tokens) {
            Err((code, policy)) => refused(code, policy),
            Ok(()) => {
                let limit = self.max_request_tokens.filter(|_| facts.max_tokens.is_none());
                Decision::Allowed { candidates, cap: limit.map(|(most, _)| most) }
            }
        }
    }
}

#[cfg(test)]
mod tests;
