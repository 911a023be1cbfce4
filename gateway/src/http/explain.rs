//! What would become of a call, without making it: the functions that a call goes through, asked for a model and two numbers in
//! the place of a body.

use bitrouter_proto::account::MicroUsd;

use super::{
    account::account_loop,
    context::{Caller, Principal},
    model_errors::{account_refused, explain},
    payer::would_pay,
    policies::{denied, permitted},
    routes::{may_call_models, missing_scope},
};
use crate::{
    Gateway,
    error::InferenceError,
    meter::{Asked, Metered, NamedTokens, ToolsBound},
    ports::{AccountCredential, CallPlan, Manner, Plan},
    protocol::{Dialect, OutputAsked},
    registry::{Provider, ProviderId},
    route::Route,
    snapshot::Snapshot,
};

/// A call that somebody thinks of: a reply to a conversation, or for a model that makes none, numbers for a text. Its reply is
/// no stream.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Whose call it would be, as far as that says who pays: a caller of its namespace.
    pub caller: Caller,
    /// The model, as a caller names it.
    pub model: &'a str,
    /// What the caller may speak.
    pub dialects: &'a [Dialect],
    /// The most tokens that go in; `None`: as many as the model takes.
    pub input_tokens: Option<u64>,
    /// The cap of the reply, in tokens; `None`: the call states none.
    pub max_tokens: Option<u64>,
}

/// Where a call can go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The provider.
    pub provider: ProviderId,
    /// The model, as the registry calls it.
    pub model: String,
    /// The namespace owner's own key for the provider would pay.
    pub uses_byok: bool,
}

/// What would become of a call.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Where it can go, in the order in which that would be tried; what rules for models deny is left out.
    pub route: Vec<Candidate>,
    /// Why it would not be made.
    pub verdict: Result<(), InferenceError>,
    /// What it can cost at most, with the cap that it would get; `None` without a route, a price or a bound.
    pub worst_case: Option<MicroUsd>,
}

impl Explanation {
    fn refused(error: InferenceError) -> Self {
        Self { route: Vec::new(), verdict: Err(error), worst_case: None }
    }
}

impl Gateway {
    /// Whose call it would be that names `model` and brings no credential, where the account is signed in to the own node and
    /// the name leads there: its calls are its credential's. `None` for any other name.
    ///
    /// # Errors
    /// Where that credential cannot be used now.
    pub async fn own_account_behind(
        &self,
        model: &str,
        dialects: &[Dialect],
    ) -> Option<Result<Principal, InferenceError>> {
        let snapshot = self.snapshot();
        let route = snapshot.resolve(Caller::DAEMON, model, dialects).ok()?;
        if !leads_to_own_node(&snapshot, Caller::DAEMON, &route) {
            return None;
        }
        match self.account.credential().await {
            Ok(AccountCredential::OwnNode(principal)) => {
                let may_call = may_call_models(Caller::Credential(principal));
                Some(if may_call { Ok(principal) } else { Err(missing_scope()) })
            }
            // It is another machine's by now.
            Ok(AccountCredential::Token(_)) => None,
            Err(refused) => Some(Err(account_refused(&snapshot.account, refused))),
        }
    }

    /// What would become of a call of somebody whose calls `plan` binds.
    pub fn explain(&self, question: &Question<'_>, plan: &Plan) -> Explanation {
        explained(&self.snapshot(), question, plan)
    }
}

/// The same, served with `snapshot`.
pub(crate) fn explained(snapshot: &Snapshot, question: &Question<'_>, plan: &Plan) -> Explanation {
    let bound = plan.bound();
    let found = match find(snapshot, question, bound) {
        Ok(found) => found,
        Err(error) => return Explanation::refused(error),
    };
    let Found { asked, route } = found;
    let metered = metered(&route, question);
    let stored = snapshot.keys.owners_key(question.caller, route.provider.id());
    let uses_byok = stored.is_some();
    // A call finds out before its manner is judged.
    let can_pay = stored.map_or(Ok(()), |stored| would_pay(route.provider, question.dialects, &*stored));
    let by_owner = bound.filter(|_| uses_byok).map(CallPlan::paid_by_owners_key);
    let acting = by_owner.as_ref().unwrap_or(plan).bound();
    let judged = can_pay.and_then(|()| acting.map_or(Ok(None), |plan| judge(plan, &metered, question, uses_byok)));
    let worst_case = match &judged {
        Ok(Some(cap)) => metered.bound_at(*cap).cost,
        Ok(None) | Err(_) => metered.bound.cost,
    };
    Explanation { route: candidates(snapshot, question, bound, asked, route), verdict: judged.map(|_| ()), worst_case }
}

/// Where a name leads.
struct Found<'a> {
    /// The name that was resolved.
    asked: &'a str,
    route: Route<'a>,
}

fn find<'a>(
    snapshot: &'a Snapshot,
    question: &Question<'a>,
    plan: Option<&dyn CallPlan>,
) -> Result<Found<'a>, InferenceError> {
    let (dialects, caller) = (question.dialects, question.caller);
    let resolve = |name: &'a str| {
        snapshot.resolve(caller, name, dialects).map_err(|refusal| explain(caller, name, refusal, snapshot, dialects))
    };
    let (mut asked, mut route) = (question.model, resolve(question.model)?);
    if leads_to_own_node(snapshot, caller, &route) {
        asked = route.model;
        route = resolve(asked)?;
        if snapshot.uses_session(caller, route.provider) {
            return Err(account_loop());
        }
    }
    if let Some(plan) = plan {
        route = permitted(caller, snapshot, plan, route, None, asked, dialects)?;
    }
    Ok(Found { asked, route })
}

fn leads_to_own_node(snapshot: &Snapshot, caller: Caller, route: &Route<'_>) -> bool {
    snapshot.account.is_own_node() && snapshot.uses_session(caller, route.provider)
}

/// `first`, and whatever the name leads to once all before it are left out.
fn candidates<'a>(
    snapshot: &'a Snapshot,
    question: &Question<'_>,
    plan: Option<&dyn CallPlan>,
    asked: &'a str,
    first: Route<'a>,
) -> Vec<Candidate> {
    let uses_byok = |provider: &Provider| snapshot.keys.has_owners_key(question.caller, provider.id());
    let mut found: Vec<Candidate> = Vec::new();
    let mut next = Some(first);
    while let Some(Route { provider, model, .. }) = next {
        let (id, model) = (provider.id().clone(), model.to_owned());
        found.push(Candidate { provider: id, model, uses_byok: uses_byok(provider) });
        let may_pay = |plan: &dyn CallPlan, provider: &Provider| plan.judge_payer(uses_byok(provider)).is_ok();
        let may_call = |provider: &Provider, model: &str| {
            plan.is_none_or(|plan| denied(plan, provider, model).is_none() && may_pay(plan, provider))
                && !found.iter().any(|one| one.provider == *provider.id())
        };
        next = snapshot.resolve_among(question.caller, None, asked, question.dialects, &may_call);
    }
    found
}

/// What its charge would be reckoned from.
fn metered(route: &Route<'_>, question: &Question<'_>) -> Metered {
    let (provider, model) = (route.provider, route.listed);
    let has_output = !model.is_some_and(|model| model.can("embeddings"));
    let asked = Asked {
        body: 0,
        parts: None,
        named: NamedTokens::default(),
        output: has_output.then_some(OutputAsked { cap: question.max_tokens, choices: 1 }),
        is_open: false,
        may_write_cache: provider.caches_unasked(),
        model,
        price: provider.price(model),
        thinking: None,
        counted: None,
        tools: ToolsBound::default(),
    };
    asked.metered_at(question.input_tokens.or(model.and_then(|model| model.max_input_tokens)))
}

/// The cap that its replies would get.
fn judge(
    plan: &dyn CallPlan,
    metered: &Metered,
    question: &Question<'_>,
    uses_byok: bool,
) -> Result<Option<u64>, InferenceError> {
    let asked = question.max_tokens.filter(|_| metered.terms.has_output);
    plan.judge(Manner { is_streamed: false, asked, uses_byok })?;
    plan.would_admit(metered)
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
