//! `Idempotency-Key`: a POST that makes something, sent again with the same key, makes nothing more, and is answered as the
//! first one was.
//!
//! Calls with the same key run one after another. The key is claimed in the transaction of what it makes (a unique row), so
//! that of two at once one makes it. Only what succeeded is kept, for a day, by credential and path.

use std::{
    collections::HashMap,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use bitrouter_gateway::http::ResponseBody;
use http::{HeaderValue, Response};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;

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
/// How long a call waits for another one with the same key.
const PATIENCE: Duration = Duration::from_secs(5);

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

impl<T> Made<T> {
    /// The same, told in another way.
    pub(crate) fn map<U>(self, tell: impl FnOnce(T) -> U) -> Made<U> {
        match self {
            Self::New(made) => Made::New(tell(made)),
            Self::Again(made) => Made::Again(tell(made)),
            Self::Replayed(document) => Made::Replayed(document),
        }
    }
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

/// Calls that run with a key: those with the same one run one after another.
#[derive(Debug, Default)]
pub(crate) struct Running(Mutex<HashMap<Named, Weak<Turn>>>);

/// Credential, path, key.
type Named = (String, String, String);
type Turn = tokio::sync::Mutex<()>;

impl Running {
    /// Waits until no other call with the key of `call` runs; `None` where it has none. What is answered is held while the
    /// call runs.
    ///
    /// # Errors
    /// 400 for what is no key, 409 where another call has it for too long.
    pub(crate) async fn turn(&self, call: &Call) -> Result<Option<OwnedMutexGuard<()>>, ApiError> {
        let Some(key) = sent(call)? else { return Ok(None) };
        let named = (call.granted.actor.idempotency_name()?, call.canonical_path(), key.to_owned());
        let turn = self.of(named);
        let turn = tokio::time::timeout(PATIENCE, turn.lock_owned()).await;
        turn.map(Some).map_err(|_| ClaimError::Running.into())
    }

    fn of(&self, named: Named) -> Arc<Turn> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = running.get(&named).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(Turn::default());
        running.insert(named, Arc::downgrade(&turn));
        turn
    }
}

/// The key of `call`, where it has one.
fn sent(call: &Call) -> Result<Option<&str>, ApiError> {
    let mut sent = call.head.headers.get_all(HEADER).iter();
    let Some(key) = sent.next() else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| (1..=LONGEST).contains(&key.len()) && sent.next().is_none());
    let message = format!("`Idempotency-Key` must be one text of 1 to {LONGEST} visible characters");
    key.map(Some).ok_or_else(|| ApiError::new(Code::BadRequest, message).about("Idempotency-Key"))
}

/// What a call's key says, once its caller's right was judged.
#[derive(Debug)]
pub(crate) enum Claim {
    /// There is none, or nobody has used it: [`Claim::keep`] what is made.
    Free(Option<Free>),
    /// It was used with the same body.
    Used(Used),
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// It is another call's.
    #[error("this `Idempotency-Key` was used with another body")]
    OtherBody,
    /// There are as many as there may be.
    #[error("{MOST} values of `Idempotency-Key` were used by this credential within a day")]
    TooMany,
    /// Another call has it.
    #[error("another call with this `Idempotency-Key` is running")]
    Running,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
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
}

impl Claim {
    /// Looks the key of `call` up, in the transaction that makes what is asked for.
    ///
    /// # Errors
    /// 400 for what is no key, 409 where it was used with another body, or where its caller has used too many.
    pub(crate) async fn of(call: &Call, write: &mut Write) -> Result<Self, ApiError> {
        let Some(key) = sent(call)? else { return Ok(Self::Free(None)) };
        let credential = call.granted.actor.idempotency_name()?;
        let body = Members::read(&call.body)?.into_value();
        Ok(Self::look_up(write, credential, call.canonical_path(), key, &body, call.node.clock.wall()).await?)
    }

    /// The same for what `credential` asked for at `path` by another way than REST.
    ///
    /// # Errors
    /// Where it was used with another body, or where its caller has used too many.
    pub(crate) async fn look_up(
        write: &mut Write,
        credential: String,
        path: String,
        key: &str,
        body: &Value,
        now: Moment,
    ) -> Result<Self, ClaimError> {
        let since = now.before(KEPT);
        // Compared as it is understood: spaces and the order of members mean nothing.
        let body_hash = TokenHash::of(body.to_string().as_bytes()).to_hex();
        if let Some(row) = IdempotencyRow::find(write, &credential, &path, key, since).await? {
            if row.body_hash != body_hash {
                return Err(ClaimError::OtherBody);
            }
            let reply = row.reply.as_deref().map(serde_json::from_str).transpose();
            let reply = reply.map_err(|_| StoreError::Unreadable("reply"))?;
            return Ok(Self::Used(Used { resource_id: row.resource_id, reply }));
        }
        if IdempotencyRow::count(write, &credential, since).await? >= MOST {
            return Err(ClaimError::TooMany);
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
}

impl Used {
    /// What was made, as far as it can be read.
    pub(crate) fn resource<T: FromStr>(&self) -> Option<T> {
        self.resource_id.parse().ok()
    }

    /// What was answered, for a handler whose replies hold no secret. `is_there` says whether what was made is as the reply has
    /// it; `gone` what became of it otherwise.
    ///
    /// # Errors
    /// 409 where it is not: nothing is made a second time.
    pub(crate) fn replayed<T>(self, is_there: bool, gone: &str) -> Result<Made<T>, ApiError> {
        let Self { resource_id, reply } = self;
        match reply.filter(|_| is_there) {
            Some(reply) => Ok(Made::Replayed(reply)),
            None => Err(conflict(format!(
                "`{resource_id}` was made with this `Idempotency-Key`, and has been {gone} since; send another key to make another one"
            ))),
        }
    }
}

impl Free {
    /// Keeps what was made, in the same transaction; `reply` only where it holds no secret.
    ///
    /// # Errors
    /// Where another call with the same key was faster.
    pub(crate) async fn keep(
        self,
        write: &mut Write,
        resource_id: &str,
        reply: Option<&impl Serialize>,
    ) -> Result<(), ClaimError> {
        let reply = reply.map(serde_json::to_string).transpose();
        let reply = reply.map_err(|_| StoreError::Unreadable("reply"))?;
        let row = IdempotencyRow { resource_id: resource_id.to_owned(), reply, ..self.row };
        match row.insert(write, self.since).await {
            Err(StoreError::Exists(_)) => Err(ClaimError::Running),
            done => Ok(done?),
        }
    }
}

impl From<ClaimError> for ApiError {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::Store(error) => error.into(),
            ClaimError::OtherBody | ClaimError::TooMany | ClaimError::Running => conflict(error.to_string()),
        }
    }
}

fn conflict(message: impl Into<String>) -> ApiError {
    ApiError::new(Code::Conflict, message)
}

#[cfg(test)]
mod tests {
    use arc_swap::ArcSwap;
    use bitrouter_proto::tasks::Tasks;
    use bytes::Bytes;
    use http::{Request, StatusCode, header};

    use super::*;
    use crate::{Machine, Node, NodeOptions, Settings, clock::ManualClock};

    async fn create(node: &Arc<Node>, key: &str, name: &str) -> StatusCode {
        let request = Request::post("/v1/namespaces").header(header::CONTENT_TYPE, "application/json");
        let body = Bytes::from(format!("{{\"name\":\"{name}\"}}"));
        Arc::clone(node).answer_owner(request.header(HEADER, key).body(body).unwrap()).await.status()
    }

    #[tokio::test(start_paused = true)]
    async fn n49_the_second_of_two_waits_for_the_first_and_not_for_ever() {
        let running = Running::default();
        let named = |key: &str| ("socket".to_owned(), "/v1/namespaces".to_owned(), key.to_owned());
        let take = async |key: &str| tokio::time::timeout(PATIENCE, running.of(named(key)).lock_owned()).await;
        let first = take("a").await.unwrap();
        assert!(take("b").await.is_ok(), "another key");
        assert!(take("a").await.is_err());
        let (second, ()) = tokio::join!(take("a"), async { drop(first) });
        drop(second.unwrap());
        // What nobody waits for is forgotten.
        drop(take("c").await);
        assert!(running.0.lock().unwrap().len() <= 1);
    }

    #[tokio::test]
    async fn a_credential_has_ten_thousand_keys_within_a_day_at_most() {
        let root = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Moment::from_millis(1_800_000_000_000)));
        let options = NodeOptions {
            dir: root.path().join("d"),
            owner_name: "ada".to_owned(),
            database: None,
            settings: Arc::new(ArcSwap::from_pointee(Settings::default())),
            clock: Arc::clone(&clock) as _,
            tasks: Tasks::new(),
            outbound: Arc::new(crate::outbound::NoOutbound),
        };
        let node = Node::open_on(options, Machine::this()).await.unwrap();
        let now = node.clock.wall();
        let mut write = node.store.write().await.unwrap();
        for at in 1..MOST {
            let row = IdempotencyRow {
                credential: "socket".to_owned(),
                path: "/v1/namespaces".to_owned(),
                idempotency_key: format!("k{at}"),
                body_hash: String::new(),
                resource_id: String::new(),
                reply: None,
                created_at: now,
            };
            row.insert(&mut write, now.before(KEPT)).await.unwrap();
        }
        write.commit().await.unwrap();
        assert_eq!(create(&node, "last", "blue").await, StatusCode::OK);
        assert_eq!(create(&node, "one more", "green").await, StatusCode::CONFLICT);
        // What is known is answered all the same, and a day later there is room.
        assert_eq!(create(&node, "last", "blue").await, StatusCode::OK);
        clock.advance(KEPT);
        assert_eq!(create(&node, "one more", "green").await, StatusCode::OK);
        node.close().await;
    }
}
