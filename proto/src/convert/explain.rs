//! `explain.proto`: what would become of a call.

use super::daemon::present;
use crate::{
    account::MicroUsd,
    explanation::{Explanation, PolicyInForce, RouteCandidate},
    wire,
};

impl From<Explanation> for wire::ExplainResponse {
    fn from(explained: Explanation) -> Self {
        Self {
            model: explained.model,
            route: explained.route.into_iter().map(Into::into).collect(),
            policies: explained.policies.into_iter().map(Into::into).collect(),
            verdict: explained.verdict,
            worst_case_micro_usd: explained.worst_case_micro_usd.map(MicroUsd::micros),
            message: explained.message.unwrap_or_default(),
            policy_id: explained.policy_id.unwrap_or_default(),
        }
    }
}

impl From<wire::ExplainResponse> for Explanation {
    fn from(message: wire::ExplainResponse) -> Self {
        Self {
            model: message.model,
            route: message.route.into_iter().map(Into::into).collect(),
            policies: message.policies.into_iter().map(Into::into).collect(),
            verdict: message.verdict,
            worst_case_micro_usd: message.worst_case_micro_usd.map(MicroUsd::new),
            message: present(message.message),
            policy_id: present(message.policy_id),
        }
    }
}

impl From<RouteCandidate> for wire::RouteCandidate {
    fn from(candidate: RouteCandidate) -> Self {
        let RouteCandidate { provider, model, key_source } = candidate;
        Self { provider, model, key_source: key_source.unwrap_or_default() }
    }
}

impl From<wire::RouteCandidate> for RouteCandidate {
    fn from(message: wire::RouteCandidate) -> Self {
        let wire::RouteCandidate { provider, model, key_source } = message;
        Self { provider, model, key_source: present(key_source) }
    }
}

impl From<PolicyInForce> for wire::PolicyInForce {
    fn from(policy: PolicyInForce) -> Self {
        let PolicyInForce { policy_id, name, kind, principal_type, principal_id, .. } = policy;
        let PolicyInForce { refuses, refuses_streams, judges_content, .. } = policy;
        let principal = Some(wire::PrincipalRef { r#type: principal_type, id: principal_id });
        Self { policy_id, name, kind, principal, refuses, refuses_streams, judges_content }
    }
}

impl From<wire::PolicyInForce> for PolicyInForce {
    fn from(message: wire::PolicyInForce) -> Self {
        let wire::PolicyInForce { policy_id, name, kind, principal, refuses, refuses_streams, judges_content } =
            message;
        let wire::PrincipalRef { r#type: principal_type, id: principal_id } = principal.unwrap_or_default();
        Self { policy_id, name, kind, principal_type, principal_id, refuses, refuses_streams, judges_content }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_survives_the_wire() {
        let text = |text: &str| text.to_owned();
        let key_source = Some(text("pushed"));
        let explained = Explanation {
            model: text("m"),
            route: vec![
                RouteCandidate { provider: text("p"), model: text("m"), key_source },
                RouteCandidate { provider: text("q"), model: text("m"), key_source: None },
            ],
            policies: vec![PolicyInForce {
                policy_id: text("pol_1"),
                name: text("n"),
                kind: text("budget"),
                principal_type: text("namespace"),
                principal_id: text("ns_1"),
                refuses: true,
                refuses_streams: false,
                judges_content: true,
            }],
            verdict: text("budget_exceeded"),
            worst_case_micro_usd: Some(MicroUsd::ZERO),
            message: Some(text("why")),
            policy_id: Some(text("pol_1")),
        };
        let there = wire::ExplainResponse::from(explained.clone());
        assert_eq!(Explanation::from(there), explained);
        let allowed = Explanation { message: None, policy_id: None, worst_case_micro_usd: None, ..explained };
        assert_eq!(Explanation::from(wire::ExplainResponse::from(allowed.clone())), allowed);
    }
}
