//! Calls that belong to a run end with it: one that waits is refused, and the reply of one that has begun is cut.

use std::{future::Future as _, pin::Pin, sync::Arc, task::Context};

use bitrouter_proto::codes::InferenceCode;
use http::{Request, Response};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    caller_body::CallerBody, context::RequestContext, proxy::proxy_inference, render_error::render_error,
    response_body::ResponseBody, surface::Found,
};
use crate::{Gateway, error::InferenceError, ports::Run};

/// The code of a refusal, on its way to whoever counts those of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefusedWith(pub(super) InferenceCode);

/// The end of the run that a reply belongs to; it never comes for one that belongs to none.
#[derive(Debug, Default)]
pub(super) struct RunEnd(Option<Pin<Box<WaitForCancellationFutureOwned>>>);

impl RunEnd {
    /// That of `run`.
    pub(super) fn of(run: &dyn Run) -> Self {
        Self(Some(Box::pin(run.ended().clone().cancelled_owned())))
    }

    /// True once it has come; whoever polls is woken then.
    pub(super) fn has_come(&mut self, cx: &mut Context<'_>) -> bool {
        self.0.as_mut().is_some_and(|ended| ended.as_mut().poll(cx).is_ready())
    }
}

/// What the callers of a run that has ended are told.
pub(super) fn run_has_ended() -> InferenceError {
    InferenceError::new(
        InferenceCode::InvalidApiKey,
        "the run that this API key was for has ended, and the key with it",
    )
}

/// Serves one inference request as long as its run goes on.
pub(super) async fn proxy_within_run(
    gateway: Arc<Gateway>,
    request: Request<CallerBody>,
    found: Found,
    context: RequestContext,
    run: Arc<dyn Run>,
) -> Response<ResponseBody> {
    let dialect = context.dialect;
    // Dropped, a call ends as if its caller had left: its row is settled, its provider's connection closed.
    let served = tokio::select! {
        biased;
        () = run.ended().cancelled() => None,
        response = proxy_inference(gateway, request, found, context) => Some(response),
    };
    let Some(mut response) = served else {
        let error = run_has_ended();
        run.refused(error.code().as_str());
        return render_error(&error, dialect);
    };
    if let Some(RefusedWith(code)) = response.extensions().get() {
        run.refused(code.as_str());
    }
    if let ResponseBody::Upstream(reply) = response.body_mut() {
        reply.ends_with(&*run);
    }
    response
}
