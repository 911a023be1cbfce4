//! `Idempotency-Key`: a POST that makes something, sent again with the same key, makes nothing more, and is answered as the
//! first one was.
//!
//! The key is claimed in the transaction of what it makes (a unique row), so that of two at once one makes it. Only what
//! succeeded is kept, for a day, by credential and path.

use std::time::Duration;

use bitrouter_gateway::http::ResponseBody;
use http::{HeaderValue, Response};
use serde::Serialize;
use serde_json::Value;

use super::{
    Call,
    error::{ApiError, Code},
    members::Members,
    reply,
};
use crate::{
    clock::Moment,
    secret::TokenHash,
    store::{IdempotencyRow, StoreError, Write},
};

/// How long a key is kept.
pub(crate) const KEPT: Duration = Duration::from_hours(24);
/// The most keys of a credential within that time.
const MOST: i64 = 10_000;
/// The longest key, characters.
const LONGEST: usize = 255;

const HEADER: &str = "idempotency-key";
const REPLAYED: &str = "idempotency-replayed";

/// What is answered where something was made: now, or by an earlier call with the same key.
#[derive(Debug)]
pub(crate) enum Made<T> {
    /// Now.
    New(T),
    /// What an earlier call has made, as it was answered then.
    Replayed(Value),
    /// What an earlier call has made, said anew: its answer had held a secret.
    Again(T),
}

impl<T: Serialize> Made<T> {
    /// The reply.
    pub(crate) fn into_response(self) -> Response<ResponseBody> {
        let (mut response, is_replay) = match self {
            Self::New(made) => (reply::json(&made), false),
            Self::Again(made) => (reply::json(&made), true),
            Self::Replayed(document) => (reply::json(&document), true),
        };
        if is_replay {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

/// What a call's key says, once its caller's right was judged.
#[derive(Debug)]
pub(crate) enum Claim {
    /// There is none, or nobody has used it: [`Claim::keep`] what is made.
    Free(Option<Free>),
    /// It was used with the same body.
    Used(Used),
}

/// A key that nobody has used.
#[derive(Debug)]
pub(crate) struct Free {
    row: IdempotencyRow,
    since: Moment,
}

/// A key that was used.
#[derive(Debug)]
pub(crate) struct Used {
    /// What was made.
    pub(crate) resource_id: String,
    /// What was answered; none where it held a secret.
    pub(crate) reply: Option<Value>,
    /// When.
    pub(crate) at: Moment,
}

impl Claim {
    /// Looks the key of `call` up, in the transaction that makes what is asked for.
    ///
    /// # Errors
    /// 400 for what is no key, 409 where it was used with another body, or where its caller has used too many.
    pub(crate) async fn of(call: &Call, write: &mut Write) -> Result<Self, ApiError> {
        let mut sent = call.head.headers.get_all(HEADER).iter();
        let Some(key) = sent.next() else { return Ok(Self::Free(None)) };
        let key = key.to_str().ok().filter(|key| (1..=LONGEST).contains(&key.len()) && sent.next().is_none());
        let Some(key) = key else {
            let message = format!("`Idempotency-Key` must be one text of 1 to {LONGEST} visible characters");
            return Err(ApiError::new(Code::BadRequest, message).about("Idempotency-Key"));
        };
        let now = call.node.clock.wall();
        let since = now.before(KEPT);
        let credential = call.granted.actor.idempotency_name()?;
        let path = call.canonical_path();
        // Compared as it is understood: spaces and the order of members mean nothing.
        let body = Members::read(&call.body)?.into_value().to_string();
        let body_hash = TokenHash::of(body.as_bytes()).to_hex();
        if let Some(row) = IdempotencyRow::find(write, &credential, &path, key, since).await? {
            if row.body_hash != body_hash {
                return Err(conflict("this `Idempotency-Key` was used with another body"));
            }
            let reply = row.reply.as_deref().map(serde_json::from_str).transpose();
            let reply = reply.map_err(|_| StoreError::Unreadable("reply"))?;
            return Ok(Self::Used(Used { resource_id: row.resource_id, reply, at: row.created_at }));
        }
        if IdempotencyRow::count(write, &credential, since).await? >= MOST {
            let message = format!("{MOST} values of `Idempotency-Key` were used by this credential within a day");
            return Err(conflict(message));
        }
        let row = IdempotencyRow {
            credential,
            path,
            idempotency_key: key.to_owned(),
            body_hash,
            resource_id: String::new(),
            reply: None,
            created_at: now,
        };
        Ok(Self::Free(Some(Free { row, since })))
    }

    /// The same for a handler whose replies hold no secret: what was answered, where the key was used.
    ///
    /// # Errors
    /// As [`Claim::of`].
    pub(crate) async fn or_replay(call: &Call, write: &mut Write) -> Result<Result<Option<Free>, Value>, ApiError> {
        match Self::of(call, write).await? {
            Self::Free(free) => Ok(Ok(free)),
            Self::Used(Used { reply: Some(reply), .. }) => Ok(Err(reply)),
            Self::Used(Used { resource_id, .. }) => {
                Err(conflict(format!("`{resource_id}` was made with this `Idempotency-Key`")))
            }
        }
    }
}

impl Free {
    /// Keeps what was made, in the same transaction; `reply` only where it holds no secret.
    ///
    /// # Errors
    /// 409 where another call with the same key was faster.
    pub(crate) async fn keep(
        self,
        write: &mut Write,
        resource_id: &str,
        reply: Option<&impl Serialize>,
    ) -> Result<(), ApiError> {
        let reply = reply.map(serde_json::to_string).transpose();
        let reply = reply.map_err(|_| ApiError::new(Code::Internal, "the reply cannot be written"))?;
        let row = IdempotencyRow { resource_id: resource_id.to_owned(), reply, ..self.row };
        match row.insert(write, self.since).await {
            Err(StoreError::Exists(_)) => Err(conflict("another call with this `Idempotency-Key` is running")),
            done => Ok(done?),
        }
    }
}

fn conflict(message: impl Into<String>) -> ApiError {
    ApiError::new(Code::Conflict, message)
}
