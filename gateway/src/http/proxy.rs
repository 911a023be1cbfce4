//! One inference call: its request prepared and sent, its reply passed on.

use std::sync::Arc;

use bitrouter_proto::codes::InferenceCode;
use bytes::Bytes;
use http::{Method, Request, Response, Version, header, request::Parts};

use super::{
    account::{self, Pass, Taken, call_account_again},
    admission::{Admitting, tell_cap},
    attempt::{Outcome, call_provider},
    caller_body::CallerBody,
    context::RequestContext,
    payer::BASE_URL,
    policies::Draft,
    prepare::{Call, Prepared, Serving, prepare, read_fields},
    quoted_key::drop_quoting,
    relay_error::{read_error, relay_error},
    render_error::render_error,
    request_body::{BodyReadContext, BodyRejection, collect},
    response_body::{ResponseBody, UpstreamResponseBody, Watch, unreadable},
    run::RefusedWith,
    stored::prepare_stored,
    surface::{Found, Surface},
};
use crate::{
    Gateway,
    content_rules::ContentRules,
    demo,
    error::InferenceError,
    meter::{CallEnd, RequestRecorder},
    ports::Plan,
    protocol::{Dialect, RequestFields, Verb},
    route::Route,
};

/// Serves one inference request.
pub(super) async fn proxy_inference(
    gateway: Arc<Gateway>,
    request: Request<CallerBody>,
    found: Found,
    mut context: RequestContext,
) -> Response<ResponseBody> {
    let mut recorder = RequestRecorder::start(&gateway.usage, &context);
    let mut snapshot = gateway.snapshot();
    let (parts, body) = request.into_parts();
    let wait = BodyReadContext {
        limits: &snapshot.limits,
        started: context.started,
        interrupt: &gateway.interrupt,
        connection: &*context.connection,
    };
    // Only what is posted has a body that matters.
    let body = if parts.method == Method::POST { body } else { CallerBody::Empty };
    let body = match collect(&parts.headers, body, &wait).await {
        Ok(body) => body,
        Err(BodyRejection::Refused(error)) => return refuse(recorder, &error, context.dialect),
        // Most likely nobody reads this answer; the record says that the caller went away.
        Err(BodyRejection::CallerLeft(error)) => return render_error(&error, context.dialect),
    };
    let mut plan = gateway.admission.plan(context.caller);
    let mut asked = if found.surface.verb.is_of_a_stored_response() {
        Asked::Stored
    } else {
        match read_fields(context.caller, &plan, &found, &body).await {
            Ok(fields) => Asked::Model(fields),
            Err(error) => return refuse(recorder, &error, context.dialect),
        }
    };
    let caller = context.caller;
    let serving = Serving { gateway: &gateway, snapshot: &snapshot, caller, pass: Pass::Unasked, plan: &plan };
    let mut prepared = asked.prepare(serving, parts, &body, &found, &mut recorder);
    if let Ok(Prepared::Account { parts, model }) = prepared {
        let taken = Box::pin(account::take(&gateway, &mut snapshot, &mut context)).await;
        // The own node asks for whom its credential calls what binds it, and how closely its body is to be looked at.
        if matches!(taken, Ok(Taken::OwnNode)) {
            plan = gateway.admission.plan(context.caller);
            if matches!(asked, Asked::Model(_))
                && let Ok(fields) = Box::pin(read_fields(context.caller, &plan, &found, &body)).await
            {
                asked = Asked::Model(fields);
            }
        }
        prepared = taken.and_then(|taken| {
            let pass = taken.pass(&model);
            let caller = context.caller;
            let serving = Serving { gateway: &gateway, snapshot: &snapshot, caller, pass, plan: &plan };
            asked.prepare(serving, parts, &body, &found, &mut recorder)
        });
    }
    let (ready, mut draft) = match prepared {
        Ok(Prepared::Call(mut call)) => {
            let draft = call.draft.take();
            if let Some(own) = call.plan.take() {
                plan = own;
            }
            (Ready::Call(call), draft)
        }
        Ok(Prepared::Demo(answer, draft)) => (Ready::Demo(answer), draft),
        // The credential was taken above; who wants it again goes in a circle.
        Ok(Prepared::Account { .. }) => return refuse(recorder, &account::account_loop(), context.dialect),
        Err(error) => return refuse(recorder, &error, context.dialect),
    };
    if gateway.interrupt.is_set() {
        let error = InferenceError::new(InferenceCode::Unavailable, "the daemon is stopping");
        return refuse(recorder, &error, context.dialect);
    }
    let Surface { dialect, verb, .. } = *found.surface;
    let (caller, pass) = (context.caller, Pass::Unasked);
    let serving = Serving { gateway: &gateway, snapshot: &snapshot, caller, pass, plan: &plan };
    let admitted = match plan.bound() {
        None => recorder.admit(&*gateway.admission, &context, dialect, verb).map(|()| (ready, None)),
        Some(bound) => {
            let limits = &snapshot.limits;
            let admitting = Admitting {
                gateway: &gateway,
                limits,
                context: &context,
                plan: bound,
                found: &found,
                body: body.len(),
            };
            Box::pin(admit(serving, admitting, &asked, &body, ready, &mut draft, &mut recorder)).await
        }
    };
    let (ready, cap) = match admitted {
        Ok(admitted) => admitted,
        Err(error) => return refuse(recorder, &error, context.dialect),
    };
    // What is sent holds its own references; the rest is not kept while the provider thinks.
    let judged_model = draft.take().map(|draft| draft.model).unwrap_or_default();
    drop((asked, draft));
    drop(body);
    let mut call = match ready {
        Ready::Call(call) => call,
        Ready::Demo(answer) => {
            recorder.set_sent(Some(context.started));
            let rules = plan.bound().and_then(|plan| plan.content_rules().cloned());
            let mut response = answer.into_response(recorder, &context, Arc::clone(&gateway.interrupt), rules);
            tell_cap(response.headers_mut(), cap);
            return response;
        }
    };
    let (limits, sent) = (&snapshot.limits, &mut recorder);
    let mut outcome = call_provider(&gateway, limits, &context, &mut call, sent).await;
    if call.again.is_some() {
        outcome = Box::pin(call_account_again(&gateway, limits, &context, &mut call, sent, outcome)).await;
    }
    let Call { provider, format, again, owners, .. } = call;
    if let Some(owners) = &owners {
        owners.note(&outcome);
    }
    let rules: Option<Arc<ContentRules>> = plan.bound().and_then(|plan| plan.content_rules().cloned());
    match outcome {
        Ok(Outcome::Reply { meta, .. }) if rules.is_some() && !meta.is_identity => {
            let error = unreadable("is compressed, so that content rules cannot judge it");
            recorder.set_status(error.status());
            recorder.set_error(error.code());
            recorder.end(CallEnd::Failed);
            render_error(&error, context.dialect)
        }
        Ok(Outcome::Reply { mut parts, meta, body, first }) => {
            let dialect = context.dialect;
            recorder.set_status(parts.status);
            if let (Verb::Delete, Some(id)) = (found.surface.verb, &found.name) {
                for gone in gateway.stored_responses.forget(id) {
                    gateway.admission.forget_object(&gone);
                }
            }
            if let Some(key) = owners.as_ref().and_then(|owners| owners.quotable()) {
                drop_quoting(&mut parts.headers, key);
            }
            let watch = match plan {
                Plan::Bound(plan) => Some(Watch::new(plan, Arc::clone(&snapshot), judged_model)),
                Plan::Off | Plan::Plain => None,
            };
            let mut reply = UpstreamResponseBody::new(
                gateway,
                &snapshot.limits,
                &mut parts.headers,
                meta,
                body,
                first,
                context,
                recorder,
                provider,
                format,
                watch,
            );
            if let Some(owners) = owners {
                reply.is_paid_with(owners);
            }
            if let (true, Some(id)) = (found.surface.verb.is_of_a_stored_response(), &found.name) {
                reply.is_of_response(id);
            }
            tell_cap(&mut parts.headers, cap);
            // HTTP/1.0 has no chunks: in it the caller could not tell the end of a reply from a break.
            parts.version = Version::HTTP_11;
            if reply.is_judged() {
                return match Box::pin(reply.judge(rules, format.dialect)).await {
                    Ok(document) => {
                        parts.headers.remove(header::CONTENT_LENGTH);
                        Response::from_parts(parts, ResponseBody::from(document))
                    }
                    Err(error) => render_error(&error, dialect),
                };
            }
            Response::from_parts(parts, ResponseBody::Upstream(reply))
        }
        Ok(Outcome::Error { mut parts, body }) => {
            tell_cap(&mut parts.headers, cap);
            recorder.set_error(InferenceCode::UpstreamError);
            recorder.settle(CallEnd::Refused);
            let error = Box::pin(read_error(body, &snapshot.limits, &context, &gateway.interrupt)).await;
            recorder.set_status(parts.status);
            recorder.set_first_byte();
            recorder.complete();
            let used = owners.as_ref().map(|owners| owners.key()).or(again.as_ref().map(|again| again.token()));
            let key = used.or_else(|| snapshot.keys.key(caller, &provider));
            if error.is_quick() {
                return relay_error(parts, error, &provider, key, context.dialect, rules.as_deref());
            }
            let (key, dialect) = (key.cloned(), context.dialect);
            let relay = move || relay_error(parts, error, &provider, key.as_ref(), dialect, rules.as_deref());
            tokio::task::spawn_blocking(relay).await.unwrap_or_else(|_| {
                let error = InferenceError::new(InferenceCode::Internal, "the provider's error could not be read");
                render_error(&error, dialect)
            })
        }
        Err(error) => {
            tracing::debug!(%provider, ?error, retryable = error.retryable(), "a call got no reply");
            let end = error.end();
            let setting = owners.as_ref().map_or(BASE_URL, |owners| owners.address_setting());
            let error = error.explain(&provider, setting);
            recorder.set_status(error.status());
            recorder.set_error(error.code());
            recorder.end(end);
            let mut response = render_error(&error, context.dialect);
            tell_cap(response.headers_mut(), cap);
            response
        }
    }
}

/// A request that lacks nothing but to be admitted.
enum Ready {
    Demo(demo::Answer),
    Call(Call),
}

/// Admits a call that rules bind, and writes into its body what it got; the cap of its replies, where it has one.
async fn admit(
    serving: Serving<'_>,
    admitting: Admitting<'_>,
    asked: &Asked<'_>,
    body: &Bytes,
    mut ready: Ready,
    draft: &mut Option<Box<Draft>>,
    recorder: &mut RequestRecorder,
) -> Result<(Ready, Option<u64>), InferenceError> {
    let found = admitting.found;
    let Asked::Model(fields) = asked else {
        let cap = admitting.admit(draft, recorder, |_, _| ()).await?;
        return Ok((ready, cap));
    };
    let surface = found.surface;
    let meter = |draft: &Draft, recorder: &mut RequestRecorder| {
        let provider = draft.provider.as_ref().and_then(|id| serving.snapshot.catalog.get(id));
        if let Some(provider) = provider {
            let route = Route { provider, model: &draft.model, listed: provider.model(&draft.model) };
            serving.meter(fields, body, &route, surface, Some(draft), recorder);
        }
    };
    let cap = admitting.admit(draft, recorder, meter).await?;
    let Some(draft) = draft.as_ref().filter(|draft| cap.is_some() || draft.changes()) else {
        return Ok((ready, cap));
    };
    let rules = surface.dialect.rules();
    let (pieces, _) = rules.rewrite(fields, body, &draft.rewrite(surface.verb, cap));
    match &mut ready {
        Ready::Call(call) => call.set_body(pieces),
        Ready::Demo(answer) => {
            let written = pieces.to_bytes();
            *answer = demo::answer(&demo::Asked {
                dialect: surface.dialect,
                verb: surface.verb,
                model: &draft.model,
                query: &draft.query,
                body: &written,
            })?;
        }
    }
    Ok((ready, cap))
}

/// What a request asks for.
enum Asked<'b> {
    /// That a model works.
    Model(RequestFields<'b>),
    /// Something of a response that is stored.
    Stored,
}

impl Asked<'_> {
    /// Makes of the request the one that a provider gets.
    fn prepare(
        &self,
        serving: Serving<'_>,
        parts: Parts,
        body: &Bytes,
        found: &Found,
        recorder: &mut RequestRecorder,
    ) -> Result<Prepared, InferenceError> {
        match self {
            Self::Model(fields) => prepare(serving, parts, body, fields, found, recorder),
            Self::Stored => prepare_stored(serving, parts, body.clone(), found, recorder),
        }
    }
}

/// A request that reached no provider.
fn refuse(mut recorder: RequestRecorder, error: &InferenceError, dialect: Dialect) -> Response<ResponseBody> {
    recorder.set_refused(error.code(), error.status());
    recorder.complete();
    let mut response = render_error(error, dialect);
    response.extensions_mut().insert(RefusedWith(error.code()));
    response
}
