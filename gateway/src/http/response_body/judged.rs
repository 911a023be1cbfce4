//! A provider's reply that is no stream, held whole until content rules have judged it: nothing was sent, so that a refusal
//! still has its status.

use std::{future::poll_fn, sync::Arc};

use bitrouter_proto::codes::InferenceCode;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use tokio::task::spawn_blocking;

use super::upstream::{Reply, UpstreamResponseBody};
use crate::{
    content_rules::{Blocked, ContentRules},
    error::InferenceError,
    meter::CallEnd,
    protocol::{Dialect, Verdict, check_reply, with_raw},
};

/// The largest document that is held, in bytes.
const LARGEST: usize = 32 << 20;
/// Documents up to this size are judged in no time.
const QUICK: usize = 256 << 10;

/// What a rule that blocks says.
pub(crate) fn blocked(blocked: &Blocked) -> InferenceError {
    InferenceError::new(InferenceCode::ContentBlocked, format!("the content rule `{}` blocks this text", blocked.rule))
        .with("policy_id", blocked.policy.to_string())
}

/// Removes what speaks of the bytes as the provider sent them.
pub(crate) fn remove_digests(headers: &mut HeaderMap) {
    for name in ["etag", "content-md5", "digest", "content-digest", "repr-digest"] {
        headers.remove(name);
    }
}

impl UpstreamResponseBody {
    /// Reads the reply to its end and judges it; its call is settled then.
    ///
    /// # Errors
    /// Why there is nothing to send: it is blocked, cannot be judged, or did not come to its end.
    pub(in crate::http) async fn judge(
        mut self,
        rules: Option<Arc<ContentRules>>,
        dialect: Dialect,
    ) -> Result<Bytes, InferenceError> {
        let Some(reply) = self.reply() else { return Ok(Bytes::new()) };
        let read = read(reply).await;
        let end = if read.is_ok() { CallEnd::Withheld } else { CallEnd::Failed };
        let judged = match read {
            Ok(document) => match rules {
                None => Ok(document),
                Some(rules) if document.len() > QUICK => {
                    let judging = spawn_blocking(move || judge_document(document, &rules, dialect));
                    judging.await.unwrap_or_else(|_| Err(unreadable("could not be judged")))
                }
                Some(rules) => judge_document(document, &rules, dialect),
            },
            Err(error) => Err(error),
        };
        match &judged {
            Ok(_) => reply.recorder.end(CallEnd::Whole),
            Err(error) => {
                reply.recorder.set_error(error.code());
                reply.recorder.set_status(error.status());
                reply.recorder.end(end);
            }
        }
        judged
    }
}

async fn read(reply: &mut Reply) -> Result<Bytes, InferenceError> {
    let mut document = BytesMut::new();
    loop {
        match poll_fn(|cx| reply.poll_piece(cx)).await {
            None => return Ok(document.freeze()),
            Some(Ok(frame)) => document.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Some(Err(_)) => return Err(reply.take_failure()),
        }
        if document.len() > LARGEST {
            return Err(unreadable("is too large to be judged by the policies that bind its caller"));
        }
    }
}

fn judge_document(document: Bytes, rules: &ContentRules, dialect: Dialect) -> Result<Bytes, InferenceError> {
    let Ok(text) = std::str::from_utf8(&document) else {
        return Err(unreadable("is no text, so that content rules cannot judge it"));
    };
    match check_reply(rules, dialect, text) {
        Verdict::Clear => Ok(document),
        Verdict::Redacted(edits) => Ok(with_raw(&document, &edits)),
        Verdict::Blocked(rule) => Err(blocked(&rule)),
    }
}

/// A reply that no rule can judge.
pub(crate) fn unreadable(what: &str) -> InferenceError {
    InferenceError::new(InferenceCode::UpstreamError, format!("the reply of the provider {what}"))
        .with_status(StatusCode::BAD_GATEWAY)
}
