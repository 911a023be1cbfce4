//! `ExplainService`: what would become of a call, by the functions that calls go through.

use std::sync::Arc;

use bitrouter_gateway::{
    Gateway, InferenceError,
    http::{Caller, Candidate, Explanation as Explained, Question, missing_scope},
    ports::Plan,
    protocol::{Dialect, routing_fields::LONGEST_MODEL},
};
use bitrouter_node::{InForce, InForceError, PolicyInForce as Acting};
use bitrouter_proto::{
    account::policy::PrincipalType,
    codes::{InferenceCode, Reason},
    explanation::{ALLOW, Explanation, PolicyInForce, RouteCandidate},
    wire::{ExplainRequest, ExplainResponse, PrincipalRef, explain_service_server::ExplainService},
};
use tonic::{Request, Response, Status};

use super::{error, node_call::node};
use crate::{
    agent::Agent,
    node_host::{NodeHost, NodeState},
    status::{BYOK, StatusReader},
};

/// The largest number of tokens that somebody can ask about.
const MOST: u64 = (1 << 31) - 1;

pub(super) struct Service {
    gateway: Arc<Gateway>,
    host: NodeHost,
    status: StatusReader,
}

/// Whose call it would be, and what becomes of it for that alone.
struct Calls {
    in_force: InForce,
    /// Why none of theirs is served, whatever it asks for: asked first.
    served: Result<(), InferenceError>,
    /// Why no row of it could be kept: asked last.
    writable: Result<(), InferenceError>,
}

impl Service {
    pub(super) fn new(agent: &Agent) -> Self {
        Self { gateway: Arc::clone(&agent.gateway), host: agent.node.clone(), status: agent.status.clone() }
    }

    /// What is in force for calls of `principal`.
    async fn of_principal(&self, principal: &PrincipalRef) -> Result<Calls, Status> {
        let kind = PrincipalType::parse(&principal.r#type).ok_or_else(|| unknown_type(&principal.r#type))?;
        let node = node(&self.host).await?;
        let in_force = node.in_force(kind, &principal.id).await.map_err(|refused| absent(&refused))?;
        let served = if in_force.may_call { Ok(()) } else { Err(missing_scope()) };
        Ok(Calls { in_force, served, writable: node.ledger().is_writable() })
    }

    /// The same of calls without a credential; of `model` where that leads to the account of the own node.
    async fn of_nobody(&self, model: &str) -> Calls {
        self.host.opened().await;
        let unbound = InForce { plan: Plan::Off, caller: Caller::DAEMON, policies: Vec::new(), may_call: true };
        if let Err(refused) = self.host.keyless() {
            return Calls { in_force: unbound, served: Err(refused), writable: Ok(()) };
        }
        let NodeState::On(node) = NodeState::clone(&self.host.state()) else {
            return Calls { in_force: unbound, served: Ok(()), writable: Ok(()) };
        };
        let (in_force, served) = match self.gateway.own_account_behind(model, &Dialect::ALL).await {
            Some(Ok(principal)) => (node.in_force_for(principal), Ok(())),
            Some(Err(refused)) => (node.in_force_keyless(), Err(refused)),
            None => (node.in_force_keyless(), Ok(())),
        };
        Calls { in_force, served, writable: node.ledger().is_writable() }
    }

    fn shown(&self, model: String, explained: Explained, policies: Vec<Acting>) -> Explanation {
        let Explained { route, verdict, worst_case } = explained;
        let refused = verdict.err();
        let policy_id = refused.as_ref().and_then(policy_of);
        let in_force = |Acting { origin, kind, refuses_streams, judges_content }: Acting| PolicyInForce {
            refuses: policy_id.as_ref() == Some(&origin.policy_id.to_string()),
            policy_id: origin.policy_id.to_string(),
            name: origin.name,
            kind: kind.to_string(),
            principal_type: origin.principal_type.to_string(),
            principal_id: origin.principal_id,
            refuses_streams,
            judges_content,
        };
        let candidate = |one: Candidate| RouteCandidate {
            key_source: if one.uses_byok { Some(BYOK.to_owned()) } else { self.status.key_source(&one.provider) },
            provider: one.provider.to_string(),
            model: one.model,
        };
        Explanation {
            model,
            route: route.into_iter().map(candidate).collect(),
            policies: policies.into_iter().map(in_force).collect(),
            verdict: refused.as_ref().map_or(ALLOW, |error| error.code().as_str()).to_owned(),
            worst_case_micro_usd: worst_case,
            message: refused.as_ref().map(|error| error.message().to_owned()),
            policy_id,
        }
    }
}

#[tonic::async_trait]
impl ExplainService for Service {
    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        let ExplainRequest { model, principal, max_tokens, input_tokens } = request.into_inner();
        if model.is_empty() || model.len() > LONGEST_MODEL {
            return Err(wrong("model", format!("the name of a model has 1 to {LONGEST_MODEL} bytes")));
        }
        if max_tokens.is_some_and(|most| !(1..=MOST).contains(&most)) {
            return Err(wrong("max_tokens", format!("a cap is a whole number from 1 to {MOST}")));
        }
        if input_tokens.is_some_and(|most| most > MOST) {
            return Err(wrong("input_tokens", format!("at most {MOST} tokens can be asked about")));
        }
        let Calls { in_force, served, writable } = match &principal {
            Some(principal) => self.of_principal(principal).await?,
            None => self.of_nobody(&model).await,
        };
        let caller = in_force.caller;
        let question = Question { caller, model: &model, dialects: &Dialect::ALL, input_tokens, max_tokens };
        let mut explained = self.gateway.explain(&question, &in_force.plan);
        if let Err(refused) = &explained.verdict
            && refused.code() == InferenceCode::ModelNotFound
        {
            return Err(no_model(refused));
        }
        explained.verdict = served.and(explained.verdict).and(writable);
        let shown = self.shown(model, explained, in_force.policies);
        Ok(Response::new(shown.into()))
    }
}

/// The policy that an error names.
fn policy_of(error: &InferenceError) -> Option<String> {
    let named = error.extra().iter().find(|(name, _)| *name == "policy_id");
    named.and_then(|(_, id)| id.as_str()).map(str::to_owned)
}

fn wrong(field: &'static str, message: String) -> Status {
    error::status_with(Reason::InvalidArgument, message, [("field", field.to_owned())])
}

fn unknown_type(told: &str) -> Status {
    let words: Vec<String> = PrincipalType::ALL.iter().map(|kind| format!("`{kind}`")).collect();
    let shown: String = told.chars().take(64).collect();
    wrong("principal", format!("`{shown}` is no type of principal; there are {}", words.join(", ")))
}

fn absent(refused: &InForceError) -> Status {
    match refused {
        InForceError::Absent(..) => error::status(Reason::NotFound, refused.to_string(), None),
        InForceError::Store(_) => error::status(Reason::Internal, refused.to_string(), None),
    }
}

/// Nothing serves the model: in the words and with the code that its caller would get.
fn no_model(refused: &InferenceError) -> Status {
    let hint = refused.extra().iter().find(|(name, _)| *name == "hint");
    let command = hint.and_then(|(_, command)| command.as_str()).map(|command| ("command", command.to_owned()));
    let code = Some(("code", refused.code().as_str().to_owned()));
    error::status_with(Reason::NotFound, refused.message(), command.into_iter().chain(code))
}
