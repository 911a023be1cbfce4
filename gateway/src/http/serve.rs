//! The journey of a call: prepared, sent, its reply passed on.

use std::sync::Arc;

use bitrouter_proto::codes::InferenceCode;
use http::{Request, Response, Version};

use super::{
    attempt::{Outcome, call_provider},
    caller_body::CallerBody,
    context::RequestContext,
    prepare::{Call, Operation, Prepared, prepare, read_head},
    render_error::render_error,
    request_body::{BodyWait, NotServed, collect},
    response_body::{ResponseBody, UpstreamReply},
    upstream_error::{pass_on, read_error},
};
use crate::{Gateway, error::InferenceError, meter::RequestRecorder, protocol::Dialect};

/// Serves one inference request.
pub(super) async fn serve(
    gateway: Arc<Gateway>,
    request: Request<CallerBody>,
    operation: Operation,
    context: RequestContext,
) -> Response<ResponseBody> {
    let mut recorder = RequestRecorder::start(&gateway.usage, &context);
    let snapshot = gateway.snapshot();
    let (parts, body) = request.into_parts();
    let wait = BodyWait {
        limits: &snapshot.limits,
        started: context.started,
        interrupt: &gateway.interrupt,
        connection: &*context.connection,
        tasks: &gateway.tasks,
    };
    let body = match collect(&parts.headers, body, &wait).await {
        Ok(body) => body,
        Err(NotServed::Refused(error)) => return refuse(recorder, &error, context.dialect),
        // Nobody reads this answer; the record says that the caller went away.
        Err(NotServed::CallerLeft) => return Response::new(ResponseBody::default()),
    };
    let prepared = match read_head(&body).await {
        Ok(head) => prepare(&snapshot, parts, &body, head, operation, &gateway.hop, &mut recorder),
        Err(error) => Err(error),
    };
    let mut call = match prepared {
        Ok(Prepared::Call(call)) => call,
        Ok(Prepared::Demo(answer)) => return answer.into_response(recorder, &context, Arc::clone(&gateway.interrupt)),
        Err(error) => return refuse(recorder, &error, context.dialect),
    };
    let outcome = call_provider(&gateway, &snapshot.limits, &context, &mut call).await;
    let Call { provider, .. } = call;
    match outcome {
        Ok(Outcome::Reply { mut parts, body, first }) => {
            recorder.set_status(parts.status);
            let interrupt = Arc::clone(&gateway.interrupt);
            let headers = &mut parts.headers;
            let reply =
                UpstreamReply::new(headers, body, first, context, &snapshot.limits, interrupt, recorder, provider);
            // The provider's HTTP/1.0 is its own: in it the caller would have no mark of the end.
            parts.version = Version::HTTP_11;
            Response::from_parts(parts, ResponseBody::Upstream(Box::new(reply)))
        }
        Ok(Outcome::Error { parts, body }) => {
            let error = Box::pin(read_error(body, &snapshot.limits, &context, &gateway.interrupt)).await;
            recorder.set_status(parts.status);
            recorder.set_error(InferenceCode::UpstreamError);
            recorder.set_first_byte();
            recorder.complete();
            pass_on(parts, error, &provider, snapshot.keys.key(&provider), context.dialect)
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
