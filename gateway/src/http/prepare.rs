//! From a caller's request to the one that a provider gets: body, name, route, who pays.

use std::sync::Arc;

use bitrouter_proto::codes::InferenceCode;
use bytes::Bytes;
use http::{Request, request::Parts};

use super::{
    account::{Again, Pass, account_loop},
    build_call::To,
    context::Caller,
    model_errors::explain,
    model_in_path::check_model_in_path,
    payer::OwnersCall,
    policies::{Draft, check_body, permitted},
    query::upstream_uri,
    stored::only_candidate,
    surface::{Found, Surface},
};
use crate::{
    Gateway,
    content_rules::ContentRules,
    demo,
    error::InferenceError,
    meter::{Asked, RequestRecorder},
    ports::Plan,
    protocol::{Pieces, ReplyFormat, RequestFields, Rewrite, Rules, Verb, check_request, routing_fields::BodyError},
    registry::{Provider, ProviderId},
    route::Route,
    snapshot::Snapshot,
    stored_responses::Maker,
    upstream::{RequestBody, UpstreamOrigin},
};

/// Reading a body of this size takes so long that other requests of the same worker would feel it.
const BLOCKING_PARSE_MIN: usize = 1 << 20;
/// The same of a body whose texts are searched.
const BLOCKING_JUDGE_MIN: usize = 128 << 10;

/// A request that is ready for its provider.
pub(super) struct Call {
    pub(super) provider: ProviderId,
    pub(super) origin: Arc<UpstreamOrigin>,
    pub(super) request: Option<Request<RequestBody>>,
    pub(super) format: ReplyFormat,
    /// What is sent once more where the account's server refuses its token.
    pub(super) again: Option<Box<Again>>,
    /// How its body is written once its caps are known, where rules bind it.
    pub(super) draft: Option<Box<Draft>>,
    /// What the namespace's owner pays its provider for.
    pub(super) owners: Option<Box<OwnersCall>>,
    /// What binds it then, in place of what binds its caller's other calls.
    pub(super) plan: Option<Plan>,
}

impl Call {
    /// Another body is sent.
    pub(super) fn set_body(&mut self, body: Pieces) {
        if let Some(again) = &mut self.again {
            again.set_body(body.clone());
        }
        if let Some(request) = &mut self.request {
            *request.body_mut() = RequestBody::from(body);
        }
    }
}

/// What a request is served with, and for whom.
#[derive(Clone, Copy)]
pub(super) struct Serving<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) snapshot: &'a Snapshot,
    pub(super) caller: Caller,
    pub(super) pass: Pass<'a>,
    /// What binds the caller's calls.
    pub(super) plan: &'a Plan,
}

/// What becomes of a request once its route is known.
pub(super) enum Prepared {
    Demo(demo::Answer, Option<Box<Draft>>),
    Call(Call),
    /// It is the account's, whose credential is to be asked for first: `model` is its name there.
    Account {
        parts: Parts,
        model: String,
    },
}

/// What the request of `caller`, whose calls `plan` binds, asks for; a long body is read where no other request waits for it.
pub(super) async fn read_fields<'b>(
    caller: Caller,
    plan: &Plan,
    found: &Found,
    body: &'b Bytes,
) -> Result<RequestFields<'b>, InferenceError> {
    if let Some(model) = &found.name {
        check_model_in_path(model)?;
    }
    let (rules, verb) = (found.surface.dialect.rules(), found.surface.verb);
    let content = plan.bound().and_then(|plan| plan.content_rules().cloned());
    let is_long = body.len() > if content.is_some() { BLOCKING_JUDGE_MIN } else { BLOCKING_PARSE_MIN };
    // Where it is read elsewhere, all that anybody could want to know is found out at once.
    let look = Look {
        is_metered: verb.costs() && !matches!(plan, Plan::Off),
        is_judged: plan.bound().is_some(),
        is_long,
        names_are_judged: matches!(caller, Caller::Credential(_)),
    };
    let fields = if is_long {
        let (name, body) = (found.name.clone(), body.clone());
        let content = content.clone();
        let read = move || read_body(rules, verb, name, &body, look, content.as_deref()).map(RequestFields::into_owned);
        // It ends in no other way than a panic of its own, or with the runtime.
        tokio::task::spawn_blocking(read)
            .await
            .map_err(|_| InferenceError::new(InferenceCode::Internal, "the body could not be read"))?
    } else {
        read_body(rules, verb, found.name.clone(), body, look, content.as_deref())
    };
    fields.map_err(|error| bad_body(&error))
}

/// How closely a body is looked at.
#[derive(Clone, Copy)]
struct Look {
    /// A row is kept of it.
    is_metered: bool,
    /// A policy or credit applies.
    is_judged: bool,
    is_long: bool,
    /// What it names of what a provider has stored must be its caller's own.
    names_are_judged: bool,
}

impl Look {
    /// True where all of the body is walked through.
    fn is_whole(self, fields: &RequestFields<'_>, body: &[u8]) -> bool {
        self.is_judged
            || (self.is_metered && (fields.marks.says_more() || self.is_long))
            || (self.names_are_judged && fields.marks.may_name_objects(body))
    }
}

fn read_body<'b>(
    rules: &dyn Rules,
    verb: Verb,
    name: Option<String>,
    body: &'b [u8],
    look: Look,
    content: Option<&ContentRules>,
) -> Result<RequestFields<'b>, BodyError> {
    let mut fields = rules.read(verb, name, body)?;
    if look.is_whole(&fields, body) {
        fields.parts = std::str::from_utf8(body).ok().map(|text| Box::new(rules.parts(text)));
    }
    if look.is_judged {
        fields.judged = std::str::from_utf8(body).ok().map(|text| Box::new(rules.judge(text)));
    }
    if let Some(content) = content {
        let text = std::str::from_utf8(body).unwrap_or_default();
        fields.texts = Some(Box::new(check_request(content, rules.texts(), text)));
    }
    Ok(fields)
}

/// Makes of a caller's request the one that a provider gets, or says why it is not served.
pub(super) fn prepare(
    serving: Serving<'_>,
    parts: Parts,
    body: &Bytes,
    fields: &RequestFields<'_>,
    found: &Found,
    recorder: &mut RequestRecorder,
) -> Result<Prepared, InferenceError> {
    let (surface, snapshot) = (found.surface, serving.snapshot);
    let (dialect, rules) = (surface.dialect, surface.dialect.rules());
    recorder.set_model(&fields.model, fields.stream);
    let query = rules.query(parts.uri.query().unwrap_or_default())?;
    let asked = serving.asked(fields);
    let maker = serving.maker(fields);
    let route = snapshot.resolve_after(serving.caller, maker.as_ref().ok().and_then(Option::as_ref), asked, &[dialect]);
    if let Ok(route) = &route
        && snapshot.uses_session(serving.caller, route.provider)
    {
        match serving.pass {
            // For whom it is looked up who made the response that it goes on from, is known with the credential.
            Pass::Unasked => return Ok(Prepared::Account { parts, model: route.model.to_owned() }),
            Pass::Token(_) => {}
            Pass::OwnNode(_) => return Err(account_loop()),
        }
    }
    let first = route.as_ref().ok().map(|route| serving.payer(route.provider));
    if let Some(plan) = serving.plan_of(first.as_ref()).bound() {
        check_body(plan, fields, route.as_ref().ok())?;
    }
    let maker = maker?;
    let mut route = route.map_err(|refusal| explain(serving.caller, asked, refusal, snapshot, &[dialect]))?;
    if let Some(plan) = serving.plan.bound() {
        route = permitted(serving.caller, snapshot, plan, route, maker.as_ref(), asked, &[dialect])?;
    }
    let provider = route.provider;
    let payer = first.filter(|first| first.is_for(provider)).unwrap_or_else(|| serving.payer(provider));
    let (paid, own_plan) = payer.opened(provider, dialect)?;
    let plan = own_plan.as_ref().unwrap_or(serving.plan).bound();
    let mut draft = None;
    if let Some(plan) = plan {
        draft = Some(Box::new(Serving::judge(plan, &parts, fields, &route, surface, paid.is_owner())?));
    }
    serving.check_previous(maker.as_ref(), provider, fields, found)?;
    if paid.is_owner() {
        recorder.set_paid_by_owners_key();
    } else {
        serving.check_objects(fields, body, provider, dialect)?;
    }
    if provider.is_demo() {
        let asked = demo::Asked { dialect, verb: surface.verb, model: route.model, query: &query, body };
        let answer = demo::answer(&asked)?;
        recorder.set_route(provider.id(), route.model, route.listed.is_some());
        serving.meter(fields, body, &route, surface, draft.as_deref(), recorder);
        if let Some(draft) = &mut draft {
            draft.query = query.into_owned();
        }
        return Ok(Prepared::Demo(answer, draft));
    }
    // The route is to a provider that speaks the dialect, and its addresses were read when the registry was.
    let (target, name) = (paid.target(provider, dialect), route.upstream_id());
    let uri = target.and_then(|target| match target.fixed(surface.verb) {
        Some(fixed) => Some(fixed.clone()),
        None => target.below(&rules.path_of(surface.verb, name)?),
    });
    let (target, uri) = target.zip(uri).ok_or_else(|| no_place(provider, surface))?;
    let uri = upstream_uri(uri, &query);
    let verb = surface.verb;
    let rewrite = match &draft {
        None => Rewrite::plain(verb, name, provider.manifest().stream_usage),
        Some(draft) => draft.rewrite(verb, None),
    };
    let (pieces, hides_usage) = rules.rewrite(fields, body, &rewrite);
    // A provider that is asked for its usage is asked by us where the caller did not.
    let asks_usage = !hides_usage && (provider.manifest().stream_usage || rules.asks_usage(fields, body));
    let names_model = plan.is_some();
    let (stream, costs) = (fields.stream, verb.costs());
    let format = ReplyFormat { dialect, verb, stream, hides_usage, asks_usage, names_model, costs };
    serving.meter(fields, body, &route, surface, draft.as_deref(), recorder);
    // Where nobody can say what it costs, no count makes it fit.
    if let (Some(plan), Some(draft), Some(metered)) = (plan, &mut draft, recorder.metered())
        && draft.price_unknown.is_none()
        && !plan.has_room_for_input(metered)
    {
        draft.count =
            serving.count_call(&parts, found, body, &route, To { provider, target, paid: &paid }, draft).map(Box::new);
    }
    let mut call = serving.build_call(parts, surface, To { provider, target, paid: &paid }, uri, pieces, format)?;
    call.draft = draft;
    call.owners = paid.owners_call();
    call.plan = own_plan;
    recorder.set_route(provider.id(), route.model, route.listed.is_some());
    Ok(Prepared::Call(call))
}

impl Serving<'_> {
    /// The model's name that is resolved: what the caller wrote, or what stands behind the account's id in it.
    fn asked<'f>(&'f self, fields: &'f RequestFields<'_>) -> &'f str {
        match self.pass {
            Pass::OwnNode(model) => model,
            Pass::Unasked | Pass::Token(_) => &fields.model,
        }
    }

    /// The provider that made the response from which the request goes on.
    fn maker(self, fields: &RequestFields<'_>) -> Result<Option<ProviderId>, InferenceError> {
        let Some(id) = fields.previous_response.as_deref() else { return Ok(None) };
        match self.gateway.stored_responses.maker_of_response(id, self.caller) {
            Maker::Known(provider) => Ok(Some(provider)),
            Maker::Unknown => Ok(None),
            Maker::OfAnother => Err(no_previous("there is no response with this `previous_response_id`")),
        }
    }

    /// Has a row kept of what costs, where the caller's calls are metered.
    pub(super) fn meter(
        self,
        fields: &RequestFields<'_>,
        body: &Bytes,
        route: &Route<'_>,
        surface: &Surface,
        draft: Option<&Draft>,
        recorder: &mut RequestRecorder,
    ) {
        if !surface.verb.costs() || matches!(self.plan, Plan::Off) {
            return;
        }
        let provider = route.provider;
        let asks_cache = fields.parts.as_ref().map_or_else(|| fields.marks.asks_cache(), |parts| parts.asks_cache);
        let asked = Asked {
            body: (body.len() + draft.map_or(0, Draft::longer)) as u64,
            parts: fields.parts.as_deref(),
            named: self.named_tokens(fields, body, provider.target(surface.dialect)),
            output: surface.verb.has_output().then_some(fields.asked),
            is_open: draft.map_or_else(|| fields.brings_more(), |draft| draft.is_open),
            may_write_cache: asks_cache || provider.caches_unasked(),
            model: route.listed,
            price: provider.price(route.listed),
            thinking: fields.judged.as_ref().and_then(|judged| judged.thinking),
            counted: draft.and_then(|draft| draft.counted),
            tools: draft.map(|draft| draft.tools).unwrap_or_default(),
        };
        recorder.set_metered(asked.metered());
    }

    /// A request goes on only from what its own provider has stored. Who made a response that is not remembered is known
    /// where the model's name says its provider, or where one alone can have made it.
    fn check_previous(
        self,
        maker: Option<&ProviderId>,
        provider: &Provider,
        fields: &RequestFields<'_>,
        found: &Found,
    ) -> Result<(), InferenceError> {
        if fields.previous_response.is_none() || provider.is_demo() {
            return Ok(());
        }
        match maker {
            Some(maker) if maker != provider.id() => Err(no_previous(&format!(
                "the response of this `previous_response_id` was made by `{maker}`, and the model's name leads to `{}`",
                provider.id()
            ))),
            None if !self.snapshot.names_provider(self.asked(fields))
                && only_candidate(self.caller, self.snapshot, found).is_none() =>
            {
                Err(no_previous(
                    "which provider made the response of this `previous_response_id` is not remembered; name it, as \
                     `provider:model`",
                ))
            }
            _ => Ok(()),
        }
    }
}

fn no_previous(message: &str) -> InferenceError {
    InferenceError::new(InferenceCode::NotFound, message).with_param("previous_response_id")
}

fn bad_body(error: &BodyError) -> InferenceError {
    let refusal = InferenceError::new(InferenceCode::InvalidRequest, error.to_string());
    error.param().into_iter().fold(refusal, InferenceError::with_param)
}

/// The provider speaks the dialect, but there is no address at it for what is asked.
fn no_place(provider: &Provider, surface: &Surface) -> InferenceError {
    let id = provider.id();
    let message = format!("`{id}` has no place for this call in {}", surface.dialect);
    InferenceError::new(InferenceCode::ProtocolNotSupported, message).with("provider", id.as_str())
}
