//! What the rules that bind a caller make of a request, before it is admitted: is its body plain enough to be judged, which of
//! its candidates remain, and how its body is written anew. What in it nobody can price, [`super::cost_bound`] knows.

use std::ops::Range;

use bitrouter_proto::codes::InferenceCode;
use http::request::Parts;

use super::{context::Caller, cost_bound::unbounded, prepare::Serving, response_body::blocked, surface::Surface};
use crate::{
    error::InferenceError,
    meter::ToolsBound,
    ports::{CallPlan, Manner},
    protocol::{Dialect, Judged, RequestFields, Rewrite, Verb, Verdict},
    registry::{OutputCap, Provider, ProviderId},
    route::Route,
    snapshot::Snapshot,
};

/// So many colons in a name may stand behind providers; more are never meant.
const MOST_SLASHES: usize = 8;

/// How the body of a call that rules bind is written for its provider, once it is known what it gets.
#[derive(Default)]
pub(super) struct Draft {
    /// Where it goes.
    pub(super) provider: Option<ProviderId>,
    /// The model that was judged.
    pub(super) model: String,
    /// How it is called there.
    upstream_id: String,
    /// What of the caller's query goes there, for the demo.
    pub(super) query: String,
    asks_usage: bool,
    output_cap: OutputCap,
    pub(super) max_tool_calls: Option<u64>,
    /// Texts that are redacted.
    pub(super) texts: Vec<(Range<usize>, String)>,
    /// What tools of the provider's can bring.
    pub(super) tools: ToolsBound,
    /// More may come in than that.
    pub(super) is_open: bool,
    /// Why nobody can say what it may cost.
    pub(super) price_unknown: Option<InferenceError>,
    /// The question how many tokens it has, where that may let it fit.
    pub(super) count: Option<Box<super::prepare::Call>>,
    /// What was answered.
    pub(super) counted: Option<u64>,
}

impl Draft {
    /// Of a call that speaks of what `model` has made, and has no body of ours.
    pub(super) fn made_by(model: String) -> Self {
        Self { model, ..Self::default() }
    }

    /// The changes that make of the caller's body the provider's, where its replies get `cap`.
    pub(super) fn rewrite(&self, verb: Verb, cap: Option<u64>) -> Rewrite<'_> {
        Rewrite {
            verb,
            model: &self.upstream_id,
            asks_usage: self.asks_usage,
            cap,
            max_tool_calls: self.max_tool_calls,
            output_cap: self.output_cap,
            texts: &self.texts,
        }
    }

    /// By how much redaction lengthens the body.
    pub(super) fn longer(&self) -> usize {
        let (before, after) =
            self.texts.iter().fold((0, 0), |(before, after), (at, with)| (before + at.len(), after + with.len()));
        after.saturating_sub(before)
    }

    /// True where the body differs from the caller's by more than its caps.
    pub(super) fn changes(&self) -> bool {
        self.max_tool_calls.is_some() || !self.texts.is_empty()
    }
}

/// Refuses a body whose members can be read in more than one way. A cap that is none matters only to a call that is bounded: one
/// of a model that costs nothing and that is not limited in tokens is not.
pub(super) fn check_body(
    plan: &dyn CallPlan,
    fields: &RequestFields<'_>,
    route: Option<&Route<'_>>,
) -> Result<(), InferenceError> {
    let Some(judged) = &fields.judged else { return Ok(()) };
    if let Some(name) = &judged.repeated {
        return Err(invalid(format!("`{name}` is given twice; say it once")));
    }
    if judged.is_stream_unclear {
        return Err(invalid("`stream` must be true or false".to_owned()).with_param("stream"));
    }
    let is_free = || route.is_some_and(|route| is_free(route));
    match judged.bad_number {
        Some(name) if plan.limits_tokens() || !is_free() => {
            Err(invalid(format!("`{name}` must be a whole number from 1 to 2147483647")).with_param(name))
        }
        _ => Ok(()),
    }
}

fn is_free(route: &Route<'_>) -> bool {
    route.provider.price(route.listed).is_some_and(|price| price.is_free())
}

/// The policy that keeps `model` of `provider` from being called, by whatever name the provider knows it.
pub(crate) fn denied(
    plan: &dyn CallPlan,
    provider: &Provider,
    model: &str,
) -> Option<bitrouter_proto::account::PolicyId> {
    plan.judges_models()?;
    let id = provider.id().as_str();
    let of_account = || {
        let mut names = provider.is_account().then(|| with_slashes(model)).into_iter().flatten();
        names.find_map(|name| plan.denies_model(id, &name))
    };
    let of_listed = || {
        let mut listed = provider.models().iter().filter(|listed| {
            listed.id != model && listed.upstream_id() != listed.id && is_called(listed.upstream_id(), model)
        });
        listed.find_map(|listed| plan.denies_model(id, &listed.id))
    };
    plan.denies_model(id, model).or_else(of_account).or_else(of_listed)
}

/// `name` with its first colon as a slash, then with the second one too, and so on: the account's server takes
/// `provider:model` for `provider/model`, behind which denials look for the model.
fn with_slashes(name: &str) -> impl Iterator<Item = String> {
    let colons = name.bytes().filter(|byte| *byte == b':').count();
    (1..=colons.min(MOST_SLASHES)).map(|count| name.replacen(':', "/", count))
}

/// `route`, or, where rules for models or for who pays deny that, the next candidate.
///
/// # Errors
/// Where they deny all of them.
pub(super) fn permitted<'s>(
    caller: Caller,
    snapshot: &'s Snapshot,
    plan: &dyn CallPlan,
    route: Route<'s>,
    maker: Option<&ProviderId>,
    asked: &'s str,
    dialects: &[Dialect],
) -> Result<Route<'s>, InferenceError> {
    let pays = |provider: &Provider| plan.judge_payer(snapshot.keys.has_owners_key(caller, provider.id()));
    let judge = |provider: &Provider, model: &str| match denied(plan, provider, model) {
        Some(policy) => Err(plan.model_denied(policy)),
        None => pays(provider),
    };
    let Err(refused) = judge(route.provider, route.model) else { return Ok(route) };
    let may_call = |provider: &Provider, model: &str| judge(provider, model).is_ok();
    snapshot.resolve_among(caller, maker, asked, dialects, &may_call).ok_or(refused)
}

/// True where `name` calls the model that its provider knows as `upstream_id`: read as denials are, in any case, and with
/// whatever tags stand behind it.
fn is_called(upstream_id: &str, name: &str) -> bool {
    let Some((begin, rest)) = name.split_at_checked(upstream_id.len()) else { return false };
    begin.eq_ignore_ascii_case(upstream_id) && (rest.is_empty() || rest.starts_with([':', '@']))
}

impl Serving<'_> {
    /// Judges a request whose model may be called, and says how its body is to be written.
    pub(super) fn judge(
        plan: &dyn CallPlan,
        head: &Parts,
        fields: &RequestFields<'_>,
        route: &Route<'_>,
        surface: &Surface,
        uses_byok: bool,
    ) -> Result<Draft, InferenceError> {
        let (verb, provider) = (surface.verb, route.provider);
        let nothing = Judged::default();
        let judged = fields.judged.as_deref().unwrap_or(&nothing);
        if let (Some(choosing), Some(policy)) = (&judged.choosing, plan.judges_models()) {
            let words = format!("`{choosing}` chooses another model, tier, payer or place than the one that is judged");
            let error = InferenceError::new(InferenceCode::ModelDenied, format!("{words}; leave it out"));
            return Err(error.with("member", choosing.as_str()).with("policy_id", policy.to_string()));
        }
        plan.judge(Manner {
            is_streamed: fields.stream,
            asked: fields.asked.cap.filter(|_| verb.has_output()),
            uses_byok,
        })?;
        let limits_money = plan.limits_money() && verb.costs();
        if judged.background && !limits_money {
            return Err(invalid(
                "`background` is not possible where policies apply: nobody would see the reply".to_owned(),
            )
            .with_param("background"));
        }
        let mut draft = Draft {
            provider: Some(provider.id().clone()),
            model: route.model.to_owned(),
            upstream_id: route.upstream_id().to_owned(),
            asks_usage: provider.manifest().stream_usage,
            output_cap: provider.output_cap(route.listed),
            ..Draft::default()
        };
        match fields.texts.as_deref() {
            None | Some(Verdict::Clear) => {}
            Some(Verdict::Redacted(texts)) => draft.texts.clone_from(texts),
            Some(Verdict::Blocked(rule)) => return Err(blocked(rule)),
        }
        if limits_money {
            let name = draft.bound_cost(judged, route, surface);
            draft.price_unknown = name.map(|name| unbounded(name, head));
        } else {
            draft.is_open = judged.brings_more();
        }
        Ok(draft)
    }
}

fn invalid(message: String) -> InferenceError {
    InferenceError::new(InferenceCode::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_at_the_account_is_read_with_slashes_too() {
        let names = |name: &str| with_slashes(name).collect::<Vec<_>>();
        assert_eq!(names("openai:gpt:free"), ["openai/gpt:free", "openai/gpt/free"]);
        assert_eq!(names("openai/gpt"), [""; 0]);
        assert_eq!(names(&":".repeat(500)).len(), MOST_SLASHES);
    }

    #[test]
    fn a_provider_knows_a_model_in_any_case_and_with_tags() {
        for (upstream_id, name, is) in [
            ("internal-9", "internal-9", true),
            ("internal-9", "INTERNAL-9", true),
            ("internal-9", "internal-9:nitro", true),
            ("internal-9", "Internal-9@2026:free", true),
            ("internal-9", "internal-90", false),
            ("internal-9", "internal", false),
            ("internal-9", "internal-\u{130}", false),
            ("", "m", false),
        ] {
            assert_eq!(is_called(upstream_id, name), is, "{name}");
        }
    }
}
