//! The handle of an open node.

use std::{fmt, path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use bitrouter_gateway::http::{Caller, CallerBody, Principal, RequestContext, ResponseBody, ResponseFuture};
use bitrouter_proto::{
    account::{NamespaceId, PersonId},
    tasks::Tasks,
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    NodeWarning,
    clock::Clock,
    http::{
        Call, Endpoint, Kind, Visitor, body,
        endpoints::{self, Found},
        error::{ApiError, Code},
    },
    oauth::{
        limits::Limits,
        live::{LiveTokens, TokenRefused},
        write_uses,
    },
    opening::NodeLock,
    people,
    revocations::RevokedLog,
    secret::NodeKey,
    settings::Settings,
    store::{NodeRow, Store},
    web,
};

/// What a node is made of.
#[derive(Clone)]
pub struct NodeOptions {
    /// The directory with `node.db`, `node.key`, `revoked.log` and `generation`.
    pub dir: PathBuf,
    /// What the owner is called where the node is new.
    pub owner_name: String,
    /// What can be configured.
    pub settings: Arc<ArcSwap<Settings>>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who owns the tasks of requests.
    pub tasks: Tasks,
}

/// A change of which nobody knows whether it was made: its task panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node failed on this call")]
pub struct Interrupted;

/// An open node.
pub struct Node {
    pub(crate) store: Store,
    pub(crate) key: NodeKey,
    pub(crate) settings: Arc<ArcSwap<Settings>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) live: Arc<LiveTokens>,
    pub(crate) limits: Limits,
    pub(crate) row: NodeRow,
    pub(crate) tasks: Tasks,
    pub(crate) people: people::State,
    pub(crate) web: web::State,
    pub(crate) revoked_log: Arc<RevokedLog>,
    pub(crate) warnings: watch::Sender<Vec<NodeWarning>>,
    /// No other process has the database.
    pub(crate) lock: NodeLock,
    /// What waits for nobody stops.
    pub(crate) ending: CancellationToken,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("node_id", &self.row.node_id).finish_non_exhaustive()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.live.close();
    }
}

impl Node {
    /// Whom an access token stands for: from memory.
    ///
    /// # Errors
    /// Where it opens nothing.
    pub fn judge(&self, token: &[u8]) -> Result<Principal, TokenRefused> {
        self.live.judge(token)
    }

    /// The namespace in which keyless calls are made.
    pub fn first_namespace(&self) -> NamespaceId {
        self.row.first_namespace
    }

    /// Ends the node: what was begun is finished, then the database is closed.
    pub async fn close(&self) {
        self.live.close();
        self.ending.cancel();
        self.tasks.wait().await;
        write_uses(&self.live, &self.store).await;
        self.store.close().await;
        self.lock.release();
    }

    /// Who owns the node.
    pub fn owner(&self) -> PersonId {
        self.row.owner
    }

    /// Where people find their namespaces and sessions.
    pub fn console_url(&self) -> String {
        format!("{}/console", self.settings.load().issuer)
    }

    /// Runs `change` to its end, in a task of its own, also where whoever asked for it goes away half-way.
    ///
    /// # Errors
    /// Where the change panicked.
    pub async fn to_end<T: Send + 'static>(
        &self,
        change: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Interrupted> {
        let (done, ended) = oneshot::channel();
        self.tasks.spawn("node change", async move {
            // Whoever asked may be gone.
            let _ = done.send(change.await);
        });
        ended.await.map_err(|_| Interrupted)
    }

    /// Answers a request. It runs in a task of its own: a caller that hangs up stops no change half-way.
    pub fn answer(
        self: Arc<Self>,
        request: Request<CallerBody>,
        context: RequestContext,
        visitor: Visitor,
    ) -> ResponseFuture {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let (endpoint, params) = match found(&head) {
                Ok(found) => found,
                Err(refused) => return refused,
            };
            let body = match body::read(&head.headers, body, endpoint.kind).await {
                Ok(body) => body,
                Err(error) => return error.into_response(endpoint.kind),
            };
            let node = Arc::clone(&self);
            self.run(Call { node, head, body, caller: context.caller, visitor, params, endpoint }).await
        })
    }

    /// Answers a request whose body was read.
    pub async fn answer_whole(
        self: Arc<Self>,
        request: Request<Bytes>,
        caller: Caller,
        visitor: Visitor,
    ) -> Response<ResponseBody> {
        let (head, body) = request.into_parts();
        match found(&head) {
            Ok((endpoint, params)) => {
                let node = Arc::clone(&self);
                self.run(Call { node, head, body, caller, visitor, params, endpoint }).await
            }
            Err(refused) => refused,
        }
    }

    async fn run(&self, call: Call) -> Response<ResponseBody> {
        let endpoint = call.endpoint;
        let (done, answered) = oneshot::channel();
        self.tasks.spawn("node request", async move {
            // Whoever asked may be gone.
            let _ = done.send((endpoint.handler)(call).await);
        });
        answered.await.unwrap_or_else(|_| {
            let message = "the node failed on this request; `bitrouter logs` says more";
            ApiError::new(Code::Internal, message).into_response(endpoint.kind)
        })
    }
}

/// What answers a request, or the reply where nothing does.
fn found(head: &http::request::Parts) -> Result<(&'static Endpoint, Vec<String>), Response<ResponseBody>> {
    match endpoints::find(&head.method, head.uri.path()) {
        Found::Endpoint(endpoint, params) => Ok((endpoint, params)),
        Found::OtherMethods(kind, methods) => Err(wrong_method(kind, &methods)),
        Found::Nothing => {
            let message = format!("there is nothing at `{}`", head.uri.path());
            Err(ApiError::new(Code::NotFound, message).into_response(Kind::Rest))
        }
    }
}

/// 405 with the methods that there are (RFC 9110 §15.5.6).
fn wrong_method(kind: Kind, methods: &[&http::Method]) -> Response<ResponseBody> {
    let mut names: Vec<&str> = methods.iter().map(|method| method.as_str()).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    let names = names.join(", ");
    let error = ApiError::new(Code::BadRequest, format!("this path takes {names}"));
    let allow = HeaderValue::from_str(&names).unwrap_or(HeaderValue::from_static("GET"));
    error.with_status(StatusCode::METHOD_NOT_ALLOWED).with_header(header::ALLOW, allow).into_response(kind)
}
