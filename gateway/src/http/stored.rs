//! Calls that speak of a response that a provider has stored: they go back to the provider that made it, where the model that made it
//! may be called.

use bitrouter_proto::codes::InferenceCode;
use bytes::Bytes;
use http::request::Parts;

use super::{
    account::Pass,
    build_call::To,
    context::Caller,
    model_errors::no_credential,
    policies::{Draft, denied},
    prepare::{Prepared, Serving},
    query::upstream_uri,
    surface::Found,
};
use crate::{
    error::InferenceError,
    meter::RequestRecorder,
    percent::percent_decoded,
    ports::Manner,
    protocol::{Pieces, ReplyFormat, Verb},
    registry::{Kind, Provider},
    snapshot::Snapshot,
    stored_responses::Maker,
};

/// Makes of a caller's request the one that the response's provider gets.
pub(super) fn prepare_stored(
    serving: Serving<'_>,
    parts: Parts,
    body: Bytes,
    found: &Found,
    recorder: &mut RequestRecorder,
) -> Result<Prepared, InferenceError> {
    let (surface, snapshot) = (found.surface, serving.snapshot);
    let id = found.name.as_deref().ok_or_else(not_found)?;
    let (dialect, rules) = (surface.dialect, surface.dialect.rules());
    let provider = match serving.gateway.stored_responses.maker_of_response(id, serving.caller) {
        Maker::Known(provider) => snapshot.catalog.get(&provider).filter(|provider| provider.enabled()),
        Maker::Unknown => only_candidate(serving.caller, snapshot, found),
        // What a caller without a credential had the account make by its own node, is that credential's.
        Maker::OfAnother if serving.may_be_own_nodes() => {
            return Ok(Prepared::Account { parts, model: String::new() });
        }
        Maker::OfAnother => None,
    };
    if let Some(provider) = provider
        && snapshot.uses_session(serving.caller, provider)
        && snapshot.account.is_signed_in()
    {
        match serving.pass {
            Pass::Unasked => return Ok(Prepared::Account { parts, model: String::new() }),
            Pass::Token(_) => {}
            // It was made elsewhere, by an account that is no longer signed in.
            Pass::OwnNode(_) => return Err(not_found()),
        }
    }
    let provider = provider.filter(|provider| provider.target(dialect).is_some()).ok_or_else(not_found)?;
    if !snapshot.usable(serving.caller, provider) {
        let what = format!("no key for `{}`, which has stored this response", provider.id());
        return Err(no_credential(serving.caller, snapshot, provider, &what));
    }
    let (paid, own_plan) = serving.payer(provider).opened(provider, dialect)?;
    let plan = own_plan.as_ref().unwrap_or(serving.plan).bound();
    let target = paid.target(provider, dialect).ok_or_else(not_found)?;
    if paid.is_owner() {
        recorder.set_paid_by_owners_key();
    } else if serving.gateway.stored_responses.is_on_owners_key(id) {
        return Err(not_found());
    }
    let (verb, query) = (surface.verb, rules.query(parts.uri.query().unwrap_or_default())?);
    let mut draft = None;
    if let Some(plan) = plan {
        let known =
            plan.judges_models().and_then(|_| serving.gateway.stored_responses.model_of_response(id, serving.caller));
        if let Some(policy) = known.as_deref().and_then(|model| denied(plan, provider, model)) {
            return Err(plan.model_denied(policy));
        }
        let is_streamed = verb == Verb::Retrieve && asks_stream(&query);
        plan.judge(Manner { is_streamed, asked: None, uses_byok: paid.is_owner() })?;
        draft = known.map(|model| Box::new(Draft::made_by(model)));
    }
    let path = rules.path_of(verb, id);
    let uri = path.and_then(|path| target.below(&path)).ok_or_else(not_found)?;
    let uri = upstream_uri(uri, &query);
    let names_model = plan.is_some();
    let format = ReplyFormat { names_model, costs: verb.costs(), ..ReplyFormat::of_document(dialect, verb) };
    let to = To { provider, target, paid: &paid };
    let mut call = serving.build_call(parts, surface, to, uri, Pieces::One(body), format)?;
    call.owners = paid.owners_call();
    call.plan = own_plan;
    call.draft = draft;
    recorder.set_route(provider.id(), "", false);
    Ok(Prepared::Call(call))
}

impl Serving<'_> {
    /// True where the credential of the own node has not been asked for yet, and may say who the caller is.
    fn may_be_own_nodes(&self) -> bool {
        matches!((self.pass, self.caller), (Pass::Unasked, Caller::Keyless { .. }))
            && self.snapshot.own_node(self.caller).is_some()
    }
}

/// The one provider that can have stored a response that is not remembered; none where there are several.
pub(super) fn only_candidate<'s>(caller: Caller, snapshot: &'s Snapshot, found: &Found) -> Option<&'s Provider> {
    let dialects = [found.surface.dialect];
    // A server on this machine that nobody configured may not be there.
    let may_be_there = |provider: &&Provider| provider.kind() != Kind::Local || provider.configured();
    let candidates = snapshot.catalog.providers().filter(|p| p.speaks(&dialects) && snapshot.usable(caller, p));
    let candidates = candidates.filter(|provider| !provider.is_demo()).filter(may_be_there);
    // The account serves who names it; for others it is there only where nobody else is.
    let (mut account, mut others): (Vec<_>, Vec<_>) = candidates.partition(|provider| provider.is_account());
    let there = if others.is_empty() { &mut account } else { &mut others };
    there.pop().filter(|_| there.is_empty())
}

/// True where a query asks for a response as a stream: by anything that is not plainly a no. OpenAI API reference, "Get a model
/// response".
fn asks_stream(query: &str) -> bool {
    query.split('&').any(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        *percent_decoded(name) == *b"stream" && !matches!(&*percent_decoded(value), b"" | b"0" | b"false")
    })
}

fn not_found() -> InferenceError {
    InferenceError::new(InferenceCode::NotFound, "no response with this id is known here").with_param("response_id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_asks_for_a_stream_or_does_not() {
        for (query, asks) in [
            ("", false),
            ("stream", false),
            ("stream=false&include=x", false),
            ("streams=true", false),
            ("include=x&stream=true", true),
            ("stream=false&stream=True", true),
            ("%73tream=1", true),
        ] {
            assert_eq!(asks_stream(query), asks, "{query}");
        }
    }
}
