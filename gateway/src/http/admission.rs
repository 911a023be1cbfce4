//! A call that rules bind is admitted: it may wait for others to end, and its provider may be asked to count first.

use std::{
    future::{Future as _, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use bitrouter_proto::codes::InferenceCode;
use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, header, request::Parts};
use tokio::time::timeout;

use super::{
    build_call::To,
    context::RequestContext,
    deadline::{WaitError, total, within},
    policies::Draft,
    prepare::{Call, Serving},
    query::upstream_uri,
    surface::Found,
};
use crate::{
    Gateway,
    error::InferenceError,
    live_models::collect,
    meter::{BoundCall, RequestRecorder},
    ports::CallPlan,
    protocol::{Pieces, ReplyFormat, Verb},
    route::Route,
    snapshot::Limits,
};

/// Says that a cap was put into the body, and which.
pub(super) static CAPPED: HeaderName = HeaderName::from_static("x-bitrouter-capped");
/// How long a count is waited for.
const COUNT: Duration = Duration::from_secs(2);
/// No provider takes a greater cap; what buys more is not capped.
const MOST_CAP: u64 = (1 << 31) - 1;
/// The longest answer that is one.
const LONGEST_COUNT: usize = 64 << 10;

/// A call that is to be admitted.
pub(super) struct Admitting<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) limits: &'a Limits,
    pub(super) context: &'a RequestContext,
    pub(super) plan: &'a dyn CallPlan,
    pub(super) found: &'a Found,
    /// The bytes of its body.
    pub(super) body: usize,
}

impl Admitting<'_> {
    /// Admits it; the cap that its replies get. `meter` reckons it anew once its provider has counted.
    pub(super) async fn admit(
        self,
        draft: &mut Option<Box<Draft>>,
        recorder: &mut RequestRecorder,
        meter: impl FnOnce(&Draft, &mut RequestRecorder),
    ) -> Result<Option<u64>, InferenceError> {
        let Self { gateway, limits, context, plan, found, body } = self;
        if let Some(draft) = draft
            && let Some(count) = draft.count.take()
            && let Some(counted) = ask(gateway, limits, context, *count).await
        {
            draft.counted = Some(counted);
            meter(draft, recorder);
        }
        let price_unknown = draft.as_ref().and_then(|draft| draft.price_unknown.as_ref());
        let asked = BoundCall { body: body as u64, price_unknown };
        let surface = found.surface;
        let mut admit = pin!(recorder.admit_bound(plan, context, surface.dialect, surface.verb, asked));
        let stopping = || InferenceError::new(InferenceCode::Unavailable, "the daemon is stopping");
        // Where the daemon ends the calls that others wait for, it lets none of those in by that.
        let admit =
            poll_fn(
                |cx| {
                    if gateway.interrupt.is_set() { Poll::Ready(Err(stopping())) } else { admit.as_mut().poll(cx) }
                },
            );
        let cap = within(admit, &gateway.interrupt, &*context.connection, || total(context.started, limits))
            .await
            .unwrap_or_else(|over| {
                Err(match over {
                    WaitError::ShuttingDown => stopping(),
                    WaitError::Deadline(_) => {
                        let message = "the call took longer than `[timeouts] total`";
                        InferenceError::new(InferenceCode::Unavailable, message)
                    }
                })
            })?;
        Ok(cap.filter(|cap| *cap <= MOST_CAP))
    }
}

/// Says in `headers` that replies were capped.
pub(super) fn tell_cap(headers: &mut HeaderMap, cap: Option<u64>) {
    if let Some(cap) = cap {
        headers.insert(&CAPPED, HeaderValue::from(cap));
    }
}

/// What the provider counts; `None` where it does not in time.
async fn ask(gateway: &Gateway, limits: &Limits, context: &RequestContext, mut call: Call) -> Option<u64> {
    let rules = call.format.dialect.rules();
    let exchange = async {
        let sent = gateway.pool.send(&call.origin, &mut call.request, limits.connect, || ()).await;
        let (parts, body) = sent.map_err(|error| error.to_string())?.into_parts();
        if !parts.status.is_success() {
            return Err(format!("it answered {}", parts.status.as_u16()));
        }
        let reply = collect(body, LONGEST_COUNT).await?;
        rules.counted(&reply).ok_or_else(|| "its answer tells no number".to_owned())
    };
    let answered =
        within(timeout(COUNT, exchange), &gateway.interrupt, &*context.connection, || total(context.started, limits));
    match answered.await {
        Ok(Ok(Ok(counted))) => Some(counted),
        Ok(Ok(Err(reason))) => {
            tracing::debug!(provider = %call.provider, reason, "the provider did not count the tokens of a call");
            None
        }
        Ok(Err(_)) | Err(_) => None,
    }
}

impl Serving<'_> {
    /// The question how many tokens the call has, where its provider answers such questions.
    pub(super) fn count_call(
        self,
        head: &Parts,
        found: &Found,
        body: &Bytes,
        route: &Route<'_>,
        to: To<'_>,
        draft: &Draft,
    ) -> Option<Call> {
        let (dialect, name) = (found.surface.dialect, route.upstream_id());
        let (rules, verb) = (dialect.rules(), Verb::CountTokens);
        if !found.surface.verb.has_output() {
            return None;
        }
        let count = rules.count_body(body, name, &draft.texts)?;
        let uri = match to.target.fixed(verb) {
            Some(fixed) => fixed.clone(),
            None => to.target.below(&rules.path_of(verb, name)?)?,
        };
        let mut parts = head.clone();
        parts.extensions = Extensions::new();
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        parts.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let (pieces, surface) = (Pieces::One(count.into()), found.surface);
        let format = ReplyFormat::of_document(dialect, verb);
        self.build_call(parts, surface, to, upstream_uri(uri, ""), pieces, format).ok()
    }
}
