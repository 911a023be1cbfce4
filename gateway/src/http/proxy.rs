//! One inference call: its request prepared and sent, its reply passed on.

use std::sync::Arc;

use bitrouter_proto::codes::InferenceCode;
use http::{Method, Request, Response, Version};

use super::{
    attempt::{Outcome, call_provider},
    caller_body::CallerBody,
    context::RequestContext,
    prepare::{Call, Prepared, Serving, prepare, read_fields},
    relay_error::{read_error, relay_error},
    render_error::render_error,
    request_body::{BodyReadContext, BodyRejection, collect},
    response_body::{ResponseBody, UpstreamResponseBody},
    stored::prepare_stored,
    surface::Found,
};
use crate::{
    Gateway,
    error::InferenceError,
    meter::RequestRecorder,
    protocol::{Dialect, Verb},
};

/// Serves one inference request.
pub(super) async fn proxy_inference(
    gateway: Arc<Gateway>,
    request: Request<CallerBody>,
    found: Found,
    context: RequestContext,
) -> Response<ResponseBody> {
    let mut recorder = RequestRecorder::start(&gateway.usage, &context);
    let snapshot = gateway.snapshot();
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
    let serving = Serving { gateway: &gateway, snapshot: &snapshot, caller: context.caller };
    let prepared = if found.surface.verb.is_of_a_stored_response() {
        prepare_stored(serving, parts, body.clone(), &found, &mut recorder).map(Prepared::Call)
    } else {
        match read_fields(&found, &body).await {
            Ok(fields) => prepare(serving, parts, &body, &fields, &found, &mut recorder),
            Err(error) => Err(error),
        }
    };
    let mut call = match prepared {
        Ok(Prepared::Call(call)) => call,
        Ok(Prepared::Demo(answer)) => return answer.into_response(recorder, &context, Arc::clone(&gateway.interrupt)),
        Err(error) => return refuse(recorder, &error, context.dialect),
    };
    // What is sent holds its own references; the rest is not kept while the provider thinks.
    drop(body);
    if gateway.interrupt.is_set() {
        let error = InferenceError::new(InferenceCode::Unavailable, "the daemon is stopping");
        return refuse(recorder, &error, context.dialect);
    }
    let outcome = call_provider(&gateway, &snapshot.limits, &context, &mut call).await;
    let Call { provider, format, .. } = call;
    match outcome {
        Ok(Outcome::Reply { mut parts, meta, body, first }) => {
            recorder.set_status(parts.status);
            if let (Verb::Delete, Some(id)) = (found.surface.verb, &found.name) {
                gateway.stored_responses.forget(id);
            }
            let mut reply = UpstreamResponseBody::new(
                &gateway,
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
            Response::from_parts(parts, ResponseBody::Upstream(Box::new(reply)))
        }
        Ok(Outcome::Error { parts, body }) => {
            let error = Box::pin(read_error(body, &snapshot.limits, &context, &gateway.interrupt)).await;
            recorder.set_status(parts.status);
            recorder.set_error(InferenceCode::UpstreamError);
            recorder.set_first_byte();
            recorder.complete();
            let key = snapshot.keys.key(&provider);
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
            let error = error.explain(&provider);
            recorder.set_status(error.status());
            recorder.set_error(error.code());
            recorder.complete();
            render_error(&error, context.dialect)
        }
    }
}

/// A request that reached no provider.
fn refuse(mut recorder: RequestRecorder, error: &InferenceError, dialect: Dialect) -> Response<ResponseBody> {
    recorder.set_refused(error.code(), error.status());
    recorder.complete();
    render_error(error, dialect)
}
