//! The call of `ExplainService`.

use super::{Client, ClientError, calls::origin, distrust, policies::PrincipalRef};
use crate::{
    explanation::{Explanation, PolicyInForce, RouteCandidate},
    wire::{self, explain_service_client::ExplainServiceClient},
};

/// A call that somebody thinks of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The model, as a caller names it.
    pub model: String,
    /// Whose call it would be; `None`: one without a credential.
    pub principal: Option<PrincipalRef>,
    /// The cap of the reply, in tokens; `None`: the call states none.
    pub max_tokens: Option<u64>,
    /// The most tokens that go in; `None`: as many as the model takes.
    pub input_tokens: Option<u64>,
}

impl Client {
    /// What would become of a call, which is not made.
    pub async fn explain(&self, question: &Question) -> Result<Explanation, ClientError> {
        self.same_protocol()?;
        let Question { model, principal, max_tokens, input_tokens } = question.clone();
        let principal =
            principal.map(|PrincipalRef { kind, id }| wire::PrincipalRef { r#type: kind.as_str().to_owned(), id });
        let request = wire::ExplainRequest { model, principal, max_tokens, input_tokens };
        let mut service = ExplainServiceClient::with_origin(self.channel.clone(), origin());
        let told = self.bounded(service.explain(request)).await?;
        Ok(shown(told.into()))
    }
}

/// The same as a terminal can show it.
fn shown(told: Explanation) -> Explanation {
    let line = distrust::line;
    Explanation {
        model: line(told.model),
        route: told.route.into_iter().map(shown_candidate).collect(),
        policies: told.policies.into_iter().map(shown_policy).collect(),
        verdict: line(told.verdict),
        worst_case_micro_usd: told.worst_case_micro_usd,
        message: told.message.map(line),
        policy_id: told.policy_id.map(line),
    }
}

fn shown_candidate(told: RouteCandidate) -> RouteCandidate {
    let line = distrust::line;
    RouteCandidate { provider: line(told.provider), model: line(told.model), key_source: told.key_source.map(line) }
}

fn shown_policy(told: PolicyInForce) -> PolicyInForce {
    let line = distrust::line;
    PolicyInForce {
        policy_id: line(told.policy_id),
        name: line(told.name),
        kind: line(told.kind),
        principal_type: line(told.principal_type),
        principal_id: line(told.principal_id),
        refuses: told.refuses,
        refuses_streams: told.refuses_streams,
        judges_content: told.judges_content,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_told_writes_over_a_terminal() {
        let bad = || "a\u{1b}[2Jb\nc".to_owned();
        let told = Explanation {
            model: bad(),
            route: vec![RouteCandidate { provider: bad(), model: bad(), key_source: Some(bad()) }],
            policies: vec![PolicyInForce {
                policy_id: bad(),
                name: bad(),
                kind: bad(),
                principal_type: bad(),
                principal_id: bad(),
                refuses: true,
                refuses_streams: false,
                judges_content: false,
            }],
            verdict: bad(),
            worst_case_micro_usd: None,
            message: Some(bad()),
            policy_id: Some(bad()),
        };
        let Explanation { model, route, policies, verdict, message, policy_id, .. } = shown(told);
        let mut texts = vec![model, verdict];
        texts.extend(message.into_iter().chain(policy_id));
        texts.extend(route.into_iter().flat_map(|one| [Some(one.provider), Some(one.model), one.key_source]).flatten());
        texts.extend(
            policies
                .into_iter()
                .flat_map(|one| [one.policy_id, one.name, one.kind, one.principal_type, one.principal_id]),
        );
        assert_eq!(texts.len(), 12);
        assert!(texts.iter().all(|text| !text.contains(char::is_control)), "{texts:?}");
    }
}
