//! The handle of an open node.

use std::{
    fmt,
    net::Ipv4Addr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use bitrouter_gateway::{
    http::{Caller, CallerBody, Principal, RequestContext, ResponseBody, ResponseFuture},
    ports::{OwnersKey, Run, StoredObject},
};
use bitrouter_proto::{
    account::{CredentialId, NamespaceId, PersonId},
    tasks::Tasks,
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Full};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    Ledger, NodeWarning, api, billing,
    byok::HeldKeys,
    clock::Clock,
    enforcement::Enforcement,
    http::{
        Access, Call, Entrance, Visitor, body,
        endpoints::{self, Found, PrincipalIn},
        error::{ApiError, Code},
        granted::{self, Granted},
        idempotency::Running,
        members::Members,
        query::Query,
    },
    keys::live::LiveKeys,
    leases::Leases,
    oauth::{
        clients::Clients,
        limits::Limits,
        live::{LiveTokens, TokenRefused},
        write_uses,
    },
    opening::NodeLock,
    outbound::Outbound,
    people,
    revocations::RevokedLog,
    roles::Roles,
    secret::{NodeKey, PresentedToken, TokenKind},
    settings::Settings,
    store::{NodeRow, PostgresUrl, Store},
    web,
};

/// What a node is made of.
#[derive(Clone)]
pub struct NodeOptions {
    /// The directory with `node.db`, `node.key`, `revoked.log` and `generation`.
    pub dir: PathBuf,
    /// What the owner is called where the node is new.
    pub owner_name: String,
    /// The PostgreSQL database; without one it is the file `node.db`.
    pub database: Option<PostgresUrl>,
    /// What can be configured.
    pub settings: Arc<ArcSwap<Settings>>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who owns the tasks of requests.
    pub tasks: Tasks,
    /// The way to other servers.
    pub outbound: Arc<dyn Outbound>,
}

/// A change of which nobody knows whether it was made: its task panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node failed on this call")]
pub struct Interrupted;

/// An open node.
pub struct Node {
    /// The directory that it is in.
    pub(crate) dir: PathBuf,
    pub(crate) store: Store,
    pub(crate) key: NodeKey,
    pub(crate) settings: Arc<ArcSwap<Settings>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) live: Arc<LiveTokens>,
    pub(crate) keys: Arc<LiveKeys>,
    /// Keys for one run of a program.
    pub(crate) leases: Arc<Leases>,
    /// Provider keys that people have stored.
    pub(crate) byok: Arc<HeldKeys>,
    /// Who is what in which namespace.
    pub(crate) roles: Arc<Roles>,
    /// Who may ask for tokens.
    pub(crate) clients: Clients,
    pub(crate) limits: Limits,
    /// Calls that must not run twice at once.
    pub(crate) running: Running,
    /// What policies make of calls.
    pub(crate) enforcement: Arc<Enforcement>,
    pub(crate) row: NodeRow,
    pub(crate) tasks: Tasks,
    pub(crate) people: people::State,
    pub(crate) ledger: Arc<Ledger>,
    /// Until somebody takes them.
    pub(crate) stored_objects: Mutex<Vec<StoredObject>>,
    pub(crate) web: web::State,
    pub(crate) outbound: Arc<dyn Outbound>,
    /// Purchases that are being made.
    pub(crate) billing: billing::Running,
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
    /// Whom a credential stands for, and what it may do now: what was issued, as far as the role of the person behind it still
    /// allows it. From memory.
    ///
    /// # Errors
    /// Where it opens nothing.
    pub fn judge(&self, credential: &[u8]) -> Result<Caller, TokenRefused> {
        if !credential.starts_with(TokenKind::Key.prefix().as_bytes()) {
            return self.judge_token(credential).map(Caller::Credential);
        }
        let presented = PresentedToken::parse(credential).ok_or(TokenRefused::Key)?;
        self.keys.judge(&presented, &self.roles)
    }

    /// The same of an access token.
    ///
    /// # Errors
    /// Where it opens nothing.
    pub fn judge_token(&self, token: &[u8]) -> Result<Principal, TokenRefused> {
        self.present(self.live.judge(token)?)
    }

    /// What a credential may do now, of what was issued.
    fn present(&self, issued: Principal) -> Result<Principal, TokenRefused> {
        let role = self.roles.of(issued.person, issued.namespace).ok_or(TokenRefused::Invalid)?;
        Ok(Principal { scopes: issued.scopes.intersection(role.scopes()), ..issued })
    }

    /// The run that calls of `caller` belong to, where they belong to one. From memory.
    pub fn run_of(&self, caller: Caller) -> Option<Arc<dyn Run>> {
        match caller {
            Caller::Credential(Principal { credential: CredentialId::Key(id), .. }) => self.keys.run_of(id),
            _ => None,
        }
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
        self.ledger.close().await;
        self.keep_refusals().await;
        write_uses(&self.live, &self.keys, &self.byok, &self.store).await;
        self.store.close().await;
        self.lock.release();
    }

    /// The rows of calls.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// What providers had stored when the node was opened, for whom, the newest last; once.
    pub fn take_stored_objects(&self) -> Vec<StoredObject> {
        std::mem::take(&mut *self.stored_objects.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The key for `provider` that the owner of `caller`'s namespace has stored, sealed. From memory.
    pub fn owners_key(&self, caller: Caller, provider: &str) -> Option<Arc<dyn OwnersKey>> {
        self.byok.owners_key(self.payer_of(caller)?, provider)
    }

    /// True where [`Self::owners_key`] has one.
    pub fn has_owners_key(&self, caller: Caller, provider: &str) -> bool {
        self.payer_of(caller).is_some_and(|owner| self.byok.has(owner, provider))
    }

    /// True where anybody has stored a provider's key.
    pub fn has_stored_keys(&self) -> bool {
        !self.byok.is_empty()
    }

    /// Whose stored keys pay for the calls of `caller`, where anybody has any.
    fn payer_of(&self, caller: Caller) -> Option<PersonId> {
        if self.byok.is_empty() {
            return None;
        }
        self.roles.owner(caller.namespace()?)
    }

    /// Which node this is.
    pub fn id(&self) -> &str {
        &self.row.node_id
    }

    /// Who owns the node.
    pub fn owner(&self) -> PersonId {
        self.row.owner
    }

    /// True where the node's owner owns `namespace`.
    pub fn is_owners(&self, namespace: NamespaceId) -> bool {
        self.roles.owner(namespace) == Some(self.row.owner)
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
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the listener makes a context for each request and gives it away"
    )]
    pub fn answer(
        self: Arc<Self>,
        request: Request<CallerBody>,
        context: RequestContext,
        visitor: Visitor,
    ) -> ResponseFuture {
        let (head, body) = request.into_parts();
        Box::pin(async move { self.serve(head, body, context.caller, visitor).await })
    }

    /// Answers a request whose body was read.
    pub async fn answer_whole(
        self: Arc<Self>,
        request: Request<Bytes>,
        caller: Caller,
        visitor: Visitor,
    ) -> Response<ResponseBody> {
        let (head, body) = request.into_parts();
        self.serve(head, Full::new(body), caller, visitor).await
    }

    /// Answers a request of the node's owner, who asks by the control socket.
    pub async fn answer_owner(self: Arc<Self>, mut request: Request<Bytes>) -> Response<ResponseBody> {
        request.extensions_mut().insert(granted::AsOwner);
        let visitor = Visitor {
            uid: None,
            is_own_user: true,
            address: Ipv4Addr::LOCALHOST.into(),
            entrance: Entrance::Loopback { authority: Ipv4Addr::LOCALHOST.to_string() },
        };
        self.answer_whole(request, Caller::Anyone, visitor).await
    }

    async fn serve<B>(self: Arc<Self>, head: Parts, body: B, caller: Caller, visitor: Visitor) -> Response<ResponseBody>
    where
        B: BodyExt<Data = Bytes> + Unpin,
    {
        let (endpoint, params, instead) = match endpoints::find(&head.method, head.uri.path()) {
            Found::Endpoint(endpoint, params) => (endpoint, params, None),
            Found::OtherMethods(endpoint, methods) => (endpoint, Vec::new(), Some(wrong_method(&methods))),
            Found::Nothing => {
                let path = head.uri.path();
                let absent = match path {
                    path if web::is_page(path) => &web::ABSENT,
                    path if api::tokenroute::is_below(path) => &api::tokenroute::ABSENT,
                    _ => &api::ABSENT,
                };
                (absent, Vec::new(), Some(nothing(path)))
            }
        };
        let (node, granted) = (Arc::clone(&self), Granted::OPEN);
        let call = Call { node, head, body: Bytes::new(), caller, visitor, params, endpoint, granted, turn: None };
        let answered = match instead {
            Some(instead) => self.absent(call, instead).await,
            None => match self.ready(call, body).await {
                Ok(call) => self.to_end(async move { (endpoint.handler)(call).await }).await.map_err(ApiError::from),
                Err(error) => Err(error),
            },
        };
        answered.unwrap_or_else(|error| {
            if let Some(run) = self.run_of(caller) {
                run.refused(error.code());
            }
            error.into_response(endpoint.kind)
        })
    }

    /// What is said where no endpoint answers. Nobody learns what is there by asking without a credential.
    async fn absent(&self, call: Call, instead: ApiError) -> Result<Response<ResponseBody>, ApiError> {
        if api::is_management(call.head.uri.path()) {
            self.to_end(async move { granted::actor(&call).await }).await??;
        }
        Err(instead)
    }

    /// Why a call is refused that may not be made: what it names and is not there comes first.
    async fn refused<B>(&self, mut call: Call, body: B, why: ApiError) -> ApiError
    where
        B: BodyExt<Data = Bytes> + Unpin,
    {
        match call.endpoint.principal_in {
            None => return why,
            Some(PrincipalIn::Query) => {}
            // A body that cannot be read names nothing.
            Some(PrincipalIn::Body) => {
                call.body = body::read(&call.head.headers, body, call.endpoint.kind).await.unwrap_or_default();
            }
        }
        let absent = self.to_end(async move { granted::absent_principal(&call).await }).await;
        absent.map_or_else(ApiError::from, |absent| absent.unwrap_or(why))
    }

    /// Judges a call, then reads its body.
    async fn ready<B>(&self, mut call: Call, body: B) -> Result<Call, ApiError>
    where
        B: BodyExt<Data = Bytes> + Unpin,
    {
        let endpoint = call.endpoint;
        let is_judged = endpoint.access != Access::Open;
        if is_judged {
            let judged = async move { (granted::judge(&call).await, call) };
            let (granted, judged) = self.to_end(judged).await?;
            call = judged;
            call.granted = granted?;
            if let Err(refused) = granted::may(endpoint, &call.granted) {
                return Err(self.refused(call, body, refused).await);
            }
        }
        if is_judged && endpoint.kind.is_rest() {
            body::json_or_nothing(&call.head)?;
        }
        call.body = body::read(&call.head.headers, body, endpoint.kind).await?;
        if endpoint.kind.is_rest() {
            Query::read(call.head.uri.query(), endpoint.parameters)?;
        }
        if is_judged && endpoint.kind.is_rest() {
            if body::takes_none(&endpoint.method) {
                Members::read(&call.body)?.end()?;
            }
            if endpoint.method == Method::POST {
                call.turn = self.running.turn(&call).await?;
            }
        }
        Ok(call)
    }
}

impl From<Interrupted> for ApiError {
    fn from(error: Interrupted) -> Self {
        Self::new(Code::Internal, format!("{error}; `bitrouter logs` says more"))
    }
}

/// 404 with the path.
fn nothing(path: &str) -> ApiError {
    ApiError::new(Code::NotFound, format!("there is nothing at `{path}`"))
}

/// 405 with the methods that there are (RFC 9110 §15.5.6).
fn wrong_method(methods: &[&Method]) -> ApiError {
    let mut names: Vec<&str> = methods.iter().map(|method| method.as_str()).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    let names = names.join(", ");
    let error = ApiError::new(Code::BadRequest, format!("this path takes {names}"));
    let allow = HeaderValue::from_str(&names).unwrap_or(HeaderValue::from_static("GET"));
    error.with_status(StatusCode::METHOD_NOT_ALLOWED).with_header(header::ALLOW, allow)
}
