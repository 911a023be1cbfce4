//! One inference call: its request prepared and sent, its reply passed on.

use std::sync::Arc;

use bitrouter_proto::codes::InferenceCode;
use bytes::Bytes;
use http::{Method, Request, Response, Version, request::Parts};

use super::{
    account::{self, Pass, Taken, call_account_again},
    attempt::{Outcome, call_provider},
    caller_body::CallerBody,
    context::RequestContext,
    prepare::{Call, Prepared, Serving, prepare, read_fields},
    relay_error::{read_error, relay_error},
    render_error::render_error,
    request_body::{BodyReadContext, BodyRejection, collect},
    response_body::{ResponseBody, UpstreamResponseBody},
    stored::prepare_stored,
    surface::{Found, Surface},
};
use crate::{
    Gateway,
    error::InferenceError,
    meter::{CallEnd, RequestRecorder},
    protocol::{Dialect, ReplyFormat, RequestFields, Verb},
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
    let mut asked = if found.surface.verb.is_of_a_stored_response() {
        Asked::Stored
    } else {
        match read_fields(&gateway, context.caller, &found, &body).await {
            Ok(fields) => Asked::Model(fields),
            Err(error) => return refuse(recorder, &error, context.dialect),
        }
    };
    let serving = Serving { gateway: &gateway, snapshot: &snapshot, caller: context.caller, pass: Pass::Unasked };
    let mut prepared = asked.prepare(serving, parts, &body, &found, &mut recorder);
    if let Ok(Prepared::Account { parts, model }) = prepared {
        let taken = Box::pin(account::take(&gateway, &mut snapshot, &mut context)).await;
        // The own node asks for whom its credential calls how closely its body is to be looked at.
        let again = match (&taken, &asked) {
            (Ok(Taken::OwnNode), Asked::Model(_)) => {
                Some(Box::pin(read_fields(&gateway, context.caller, &found, &body)).await)
            }
            _ => None,
        };
        if let Some(Ok(fields)) = again {
            asked = Asked::Model(fields);
        }
        prepared = taken.and_then(|taken| {
            let pass = taken.pass(&model);
            let serving = Serving { gateway: &gateway, snapshot: &snapshot, caller: context.caller, pass };
            asked.prepare(serving, parts, &body, &found, &mut recorder)
        });
    }
    let mut call = match prepared {
        Ok(Prepared::Call(call)) => call,
        Ok(Prepared::Demo(answer)) => {
            let Surface { dialect, verb, .. } = *found.surface;
            return match recorder.admit(&*gateway.admission, &context, dialect, verb) {
                Ok(()) => {
                    recorder.set_sent(Some(context.started));
                    answer.into_response(recorder, &context, Arc::clone(&gateway.interrupt))
                }
                Err(error) => refuse(recorder, &error, context.dialect),
            };
        }
        // The credential was taken above; who wants it again goes in a circle.
        Ok(Prepared::Account { .. }) => return refuse(recorder, &account::account_loop(), context.dialect),
        Err(error) => return refuse(recorder, &error, context.dialect),
    };
    drop(asked);
    // What is sent holds its own references; the rest is not kept while the provider thinks.
    drop(body);
    if gateway.interrupt.is_set() {
        let error = InferenceError::new(InferenceCode::Unavailable, "the daemon is stopping");
        return refuse(recorder, &error, context.dialect);
    }
    let ReplyFormat { dialect, verb, .. } = call.format;
    if let Err(error) = recorder.admit(&*gateway.admission, &context, dialect, verb) {
        return refuse(recorder, &error, context.dialect);
    }
    let (limits, sent) = (&snapshot.limits, &mut recorder);
    let mut outcome = call_provider(&gateway, limits, &context, &mut call, sent).await;
    if call.again.is_some() {
        outcome = Box::pin(call_account_again(&gateway, limits, &context, &mut call, sent, outcome)).await;
    }
    let Call { provider, format, again, .. } = call;
    match outcome {
        Ok(Outcome::Reply { mut parts, meta, body, first }) => {
            recorder.set_status(parts.status);
            if let (Verb::Delete, Some(id)) = (found.surface.verb, &found.name) {
                for gone in gateway.stored_responses.forget(id) {
                    gateway.admission.forget_object(&gone);
                }
            }
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
            );
            if let (true, Some(id)) = (found.surface.verb.is_of_a_stored_response(), &found.name) {
                reply.is_of_response(id);
            }
            // HTTP/1.0 has no chunks: in it the caller could not tell the end of a reply from a break.
            parts.version = Version::HTTP_11;
            Response::from_parts(parts, ResponseBody::Upstream(reply))
        }
        Ok(Outcome::Error { parts, body }) => {
            recorder.set_error(InferenceCode::UpstreamError);
            recorder.settle(CallEnd::Refused);
            let error = Box::pin(read_error(body, &snapshot.limits, &context, &gateway.interrupt)).await;
            recorder.set_status(parts.status);
            recorder.set_first_byte();
            recorder.complete();
            let key = again.as_ref().map(|again| again.token()).or_else(|| snapshot.keys.key(&provider));
            if error.is_quick() {
                return relay_error(parts, error, &provider, key, context.dialect);
            }
            let (key, dialect) = (key.cloned(), context.dialect);
            let relay = move || relay_error(parts, error, &provider, key.as_ref(), dialect);
            tokio::task::spawn_blocking(relay).await.unwrap_or_else(|_| {
                let error = InferenceError::new(InferenceCode::Internal, "the provider's error could not be read");
                render_error(&error, dialect)
            })
        }
        Err(error) => {
            tracing::debug!(%provider, ?error, retryable = error.retryable(), "a call got no reply");
            let end = error.end();
            let error = error.explain(&provider);
            recorder.set_status(error.status());
            recorder.set_error(error.code());
            recorder.end(end);
            render_error(&error, context.dialect)
        }
    }
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
    render_error(error, dialect)
}
