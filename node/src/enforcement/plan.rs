//! The gateway's port to what binds a call.

use std::sync::Arc;

use bitrouter_gateway::{
    InferenceError,
    content_rules::ContentRules,
    http::Caller,
    meter::Metered,
    ports::{AdmissionRequest, Admitted, BoxFuture, CallPlan, Manner, Plan},
};
use bitrouter_proto::{
    account::{PersonId, PolicyId},
    codes::InferenceCode,
};

use super::{CallTerms, Rulebook, refusal::of_guardrail};
use crate::{
    Ledger,
    limits::{Applicable, Came, Hold, Terms as _, Verdict, Why},
    policy::{decide::Refusal, globs::Model},
};

/// What binds the calls of one caller, as it was when one of them came.
#[derive(Debug)]
pub(crate) struct BoundPlan {
    pub(crate) ledger: Arc<Ledger>,
    /// `None` where credit alone applies.
    pub(crate) rulebook: Option<Arc<Rulebook>>,
    /// Whose credit pays.
    pub(crate) payer: Option<PersonId>,
    pub(crate) applicable: Arc<Applicable>,
    pub(crate) generation: u64,
}

impl CallPlan for BoundPlan {
    fn limits_money(&self) -> bool {
        self.applicable.limits_money()
    }

    fn limits_tokens(&self) -> bool {
        self.applicable.max_request_tokens().is_some()
            || self.applicable.rates().iter().any(|rate| rate.max_tokens.is_some())
    }

    fn denies_model(&self, provider: &str, model: &str) -> Option<PolicyId> {
        self.rulebook.as_ref()?.rules.refuses(Model { provider, id: model })
    }

    fn judges_models(&self) -> Option<PolicyId> {
        self.rulebook.as_ref()?.rules.judges_models()
    }

    fn model_denied(&self, policy: PolicyId) -> InferenceError {
        of_guardrail(Refusal::ModelDenied, policy)
    }

    fn judge(&self, manner: Manner) -> Result<(), InferenceError> {
        let Some(book) = &self.rulebook else { return Ok(()) };
        if let Err(reason) = &book.content {
            return Err(InferenceError::new(InferenceCode::Unavailable, reason.clone()));
        }
        let asked = manner.asked.map(|asked| i64::try_from(asked).unwrap_or(i64::MAX));
        book.rules
            .judge(manner.is_streamed, asked, manner.uses_byok)
            .map_err(|(refusal, policy)| of_guardrail(refusal, policy))
    }

    fn judge_payer(&self, uses_byok: bool) -> Result<(), InferenceError> {
        let Some(book) = &self.rulebook else { return Ok(()) };
        book.rules.judge_payer(uses_byok).map_err(|(refusal, policy)| of_guardrail(refusal, policy))
    }

    fn paid_by_owners_key(&self) -> Plan {
        let Some(book) = &self.rulebook else { return Plan::Plain };
        Plan::Bound(Arc::new(Self {
            ledger: Arc::clone(&self.ledger),
            rulebook: Some(Arc::clone(book)),
            payer: None,
            applicable: book.applicable(None),
            generation: self.generation,
        }))
    }

    fn content_rules(&self) -> Option<&Arc<ContentRules>> {
        self.rulebook.as_ref()?.content.as_ref().ok()?.as_ref()
    }

    fn has_room_for_input(&self, metered: &Metered) -> bool {
        let terms = CallTerms::plain(metered.terms);
        terms.is_free() || self.ledger.enforcement().limits.has_room_for_input(&self.applicable, &terms, self.now())
    }

    fn would_admit(&self, metered: &Metered) -> Result<Option<u64>, InferenceError> {
        let (enforcement, terms) = (self.ledger.enforcement(), CallTerms::plain(metered.terms));
        match enforcement.limits.would(&self.applicable, &terms, self.now()) {
            Verdict::Taken(taken) => Ok(taken.cap),
            Verdict::Waits => Ok(None),
            Verdict::Refused(refused) => Err(enforcement.explain(&refused, self.payer, None)),
        }
    }

    fn admit<'a>(&'a self, request: AdmissionRequest<'a>) -> BoxFuture<'a, Result<Admitted, InferenceError>> {
        Box::pin(self.admit_call(request))
    }
}

impl BoundPlan {
    fn now(&self) -> crate::clock::Moment {
        self.ledger.enforcement().now()
    }

    async fn admit_call(&self, request: AdmissionRequest<'_>) -> Result<Admitted, InferenceError> {
        // A namespace that is gone pays for nothing.
        self.ledger.check_payer(request.context.caller)?;
        let terms = CallTerms::of(&request);
        let (hold, generation) = self.take(&terms, &request).await?;
        let taken = hold.taken();
        if !request.costs {
            // It counts as a request, and that is all.
            hold.settle(&self.ledger.enforcement().limits, &Came::default(), self.now());
            return Ok(Admitted { permit: None, cap: None });
        }
        let permit = self.ledger.open_row(&request, hold, generation)?;
        Ok(Admitted { permit: Some(permit), cap: taken.cap })
    }

    /// Takes what the call needs, by what is in force when it is admitted: policies may change while its body comes, or while it waits.
    async fn take(&self, terms: &CallTerms, request: &AdmissionRequest<'_>) -> Result<(Hold, u64), InferenceError> {
        let enforcement = self.ledger.enforcement();
        let mut applicable = Arc::clone(&self.applicable);
        let mut generation = self.generation;
        let mut again = 0;
        loop {
            let taken = enforcement.limits.take(&applicable, terms, || enforcement.now()).await;
            let is_stale = match &taken {
                Ok(_) => generation != enforcement.generation(),
                Err(refused) => refused.why == Why::Stale,
            };
            if !is_stale || again == 3 {
                return match taken {
                    Ok(hold) => Ok((hold, generation)),
                    Err(refused) => Err(enforcement.explain(&refused, self.payer, request.price_unknown)),
                };
            }
            again += 1;
            let now = self.applicable_now(request.context.caller);
            match taken {
                Ok(hold) if now.0 == applicable => return Ok((hold, generation)),
                Ok(hold) => hold.undo(&enforcement.limits, enforcement.now()),
                Err(_) => {}
            }
            (applicable, generation) = now;
        }
    }

    fn applicable_now(&self, caller: Caller) -> (Arc<Applicable>, u64) {
        let enforcement = self.ledger.enforcement();
        let generation = enforcement.generation();
        let book = caller.namespace().and_then(|namespace| enforcement.rulebook(caller, namespace));
        let applicable = match book {
            Some(book) => book.applicable(self.payer),
            None => Arc::new(Applicable::default().paid_by(self.payer)),
        };
        (applicable, generation)
    }
}
