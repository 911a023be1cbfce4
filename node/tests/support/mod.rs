//! A node in a directory of its own, with a clock that goes only when it is told to.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a part of each test target, which uses a part of it"
)]

pub mod clients;

use std::{
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use bitrouter_gateway::{http::Caller, ports::BoxFuture};
use bitrouter_node::{
    Node, NodeOptions, OpenError, PostgresUrl, Settings, StripeSettings,
    clock::{ManualClock, Moment},
    http::{Entrance, Visitor},
    oauth::{
        approval::{CodeRefused, Decision},
        sessions::Session,
    },
    outbound::{Outbound, OutboundError},
};
use bitrouter_proto::{
    account::{NamespaceId, PersonId, ScopeSet},
    tasks::Tasks,
};
use bitrouter_test_postgres::{Database, wanted};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tempfile::TempDir;

pub const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A node, and what it stands on.
pub struct TestNode {
    pub node: Arc<Node>,
    pub clock: Arc<ManualClock>,
    pub settings: Arc<ArcSwap<Settings>>,
    tasks: Tasks,
    /// How many run for as long as the node is open.
    idle_tasks: usize,
    clients: Tasks,
    dir: PathBuf,
    places: Places,
}

/// Where a node is.
#[derive(Clone)]
struct Places {
    root: Arc<TempDir>,
    /// Where its database is, unless that is in the directory.
    url: Option<String>,
    /// It goes with the last node on it.
    database: Option<Arc<Database>>,
}

/// A reply, read to its end.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A Stripe that makes whatever session it is asked for.
#[derive(Debug, Default)]
pub struct Till(std::sync::atomic::AtomicU64);

impl Outbound for Till {
    fn send(&self, _: Request<Bytes>, _: Duration) -> BoxFuture<'_, Result<Response<Bytes>, OutboundError>> {
        let id = format!("cs_{}", self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let made = serde_json::json!({"id": id, "url": format!("https://pay.example/{id}"), "livemode": false});
        Box::pin(async move { Ok(Response::new(Bytes::from(made.to_string()))) })
    }
}

/// A pair of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub access: String,
    pub refresh: String,
}

impl TestNode {
    pub async fn new() -> Self {
        let database = wanted();
        Self::in_places(database.as_ref().map(Database::url), database).await.unwrap()
    }

    /// On a database of PostgreSQL.
    pub async fn on_postgres(url: String) -> Result<Self, OpenError> {
        Self::in_places(Some(url), None).await
    }

    async fn in_places(url: Option<String>, database: Option<Database>) -> Result<Self, OpenError> {
        let root = Arc::new(tempfile::tempdir().unwrap());
        let places = Places { root, url, database: database.map(Arc::new) };
        // Some day in 2026.
        let clock = Arc::new(ManualClock::new(Moment::from_millis(1_780_000_000_000)));
        Self::open(places, clock, Arc::default()).await
    }

    async fn open(
        places: Places,
        clock: Arc<ManualClock>,
        settings: Arc<ArcSwap<Settings>>,
    ) -> Result<Self, OpenError> {
        let dir = places.root.path().join("bitrouter");
        let tasks = Tasks::new();
        let options = NodeOptions {
            dir: dir.clone(),
            owner_name: "ada".to_owned(),
            database: places.url.as_ref().map(|url| PostgresUrl::parse(url.clone().into()).unwrap()),
            settings: Arc::clone(&settings),
            clock: clock.clone(),
            tasks: tasks.clone(),
            outbound: Arc::new(Till::default()),
        };
        let node = Node::open(options).await?;
        Ok(Self { node, clock, settings, idle_tasks: tasks.len(), tasks, clients: Tasks::new(), dir, places })
    }

    /// Opens it where a node was closed a moment ago: PostgreSQL lets go of the lock of a connection once it has noticed its end.
    async fn open_again(places: Places, clock: Arc<ManualClock>, settings: Arc<ArcSwap<Settings>>) -> Self {
        let opened = async {
            loop {
                match Self::open(places.clone(), Arc::clone(&clock), Arc::clone(&settings)).await {
                    Ok(node) => return node,
                    Err(OpenError::Postgres { .. }) => tokio::task::yield_now().await,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), opened).await.unwrap()
    }

    /// Closes the node and opens it again on the same directory.
    pub async fn reopened(self) -> Self {
        self.node.close().await;
        let Self { node, clock, settings, places, .. } = self;
        drop(node);
        Self::open_again(places, clock, settings).await
    }

    /// Closes the node, does `change` to its directory, and opens it again.
    pub async fn reopened_after<T>(self, change: impl AsyncFnOnce(&Path, Arc<ManualClock>) -> T) -> (Self, T) {
        self.node.close().await;
        let Self { node, clock, settings, dir, places, .. } = self;
        drop(node);
        let done = change(&dir, Arc::clone(&clock)).await;
        (Self::open_again(places, clock, settings).await, done)
    }

    pub fn dir(&self) -> &PathBuf {
        &self.dir
    }

    /// Its database, where that is one of PostgreSQL made for it.
    pub fn database(&self) -> Option<Arc<Database>> {
        self.places.database.clone()
    }

    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        let mut settings = Settings::clone(&self.settings.load());
        change(&mut settings);
        self.settings.store(Arc::new(settings));
    }

    /// Has the node sell credit.
    pub fn sell(&self) {
        self.set(|settings| {
            settings.stripe = Some(StripeSettings {
                secret_key: "sk_test_1".into(),
                webhook_secret: "whsec_1".into(),
                api_base: "https://stripe.example".to_owned(),
            });
        });
    }

    /// These providers take keys of others.
    pub fn take_keys(&self) {
        self.set(|settings| settings.byok.providers = ["anthropic", "groq", "openai"].map(str::to_owned).into());
    }

    /// What the node's clock says, in milliseconds since 1970.
    pub fn clock_millis(&self) -> i64 {
        use bitrouter_node::clock::Clock as _;
        self.clock.wall().millis()
    }

    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    pub async fn send(&self, request: Request<Bytes>, visitor: Visitor) -> Reply {
        let response = Arc::clone(&self.node).answer_whole(request, Caller::Anyone, visitor).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply { status: head.status, headers: head.headers, body }
    }

    /// Sends what the owner asks for at the control socket, below the first namespace.
    pub async fn ask_as_owner(&self, method: &Method, below: &str, body: &str) -> Reply {
        let path = format!("/v1/namespaces/{}{below}", self.node.first_namespace());
        self.ask_as_owner_at(method, &path, body).await
    }

    /// The same at any path.
    pub async fn ask_as_owner_at(&self, method: &Method, path: &str, body: &str) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        let (head, body) = Arc::clone(&self.node).answer_owner(request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply { status: head.status, headers: head.headers, body }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Request::builder().uri(path).body(Bytes::new()).unwrap(), neighbour()).await
    }

    /// Sends a form as `visitor` does.
    pub async fn post_as(&self, visitor: Visitor, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.send(form(path, &encoded(fields)), visitor).await
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.post_as(neighbour(), path, fields).await
    }

    /// Asks for a device code.
    pub async fn start(&self, scope: Option<&str>) -> Value {
        self.start_as(neighbour(), scope).await.ok()
    }

    pub async fn start_as(&self, asker: Visitor, scope: Option<&str>) -> Reply {
        let mut fields = vec![("client_id", "bitrouter-cli")];
        fields.extend(scope.map(|scope| ("scope", scope)));
        self.post_as(asker, "/oauth/device_authorization", &fields).await
    }

    pub async fn poll(&self, code: &Value) -> Reply {
        let device_code = code["device_code"].as_str().unwrap();
        let fields = [("client_id", "bitrouter-cli"), ("grant_type", DEVICE_GRANT), ("device_code", device_code)];
        self.post("/oauth/token", &fields).await
    }

    /// The owner approves all that was asked for, into the first namespace.
    pub async fn approve(&self, code: &Value) -> ScopeSet {
        self.approve_with(code, ScopeSet::GRANTABLE).await.unwrap()
    }

    pub async fn approve_with(&self, code: &Value, ticked: ScopeSet) -> Result<ScopeSet, CodeRefused> {
        let namespace = self.node.first_namespace();
        let decision = Decision { namespace, scopes: ticked, own_device: false };
        self.node.approve_code(user_code(code), self.node.owner(), &neighbour(), decision).await
    }

    /// Signs a device in, whole.
    pub async fn sign_in(&self, scope: Option<&str>) -> Pair {
        let code = self.start(scope).await;
        self.approve(&code).await;
        self.poll(&code).await.pair()
    }

    /// Signs a device in for `person`, who approves all into `namespace`.
    pub async fn sign_in_as(&self, person: PersonId, namespace: NamespaceId) -> Pair {
        let code = self.start(None).await;
        let decision = Decision { namespace, scopes: ScopeSet::GRANTABLE, own_device: false };
        self.node.approve_code(user_code(&code), person, &neighbour(), decision).await.unwrap();
        self.poll(&code).await.pair()
    }

    pub async fn refresh(&self, refresh_token: &str) -> Reply {
        self.refresh_as("bitrouter-cli", refresh_token, None).await
    }

    pub async fn refresh_as(&self, client: &str, refresh_token: &str, scope: Option<&str>) -> Reply {
        let mut fields = vec![("client_id", client), ("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        fields.extend(scope.map(|scope| ("scope", scope)));
        self.post("/oauth/token", &fields).await
    }

    pub async fn revoke(&self, token: &str) -> Reply {
        self.post("/oauth/revoke", &[("client_id", "bitrouter-cli"), ("token", token)]).await
    }

    /// Refreshes in a task of its own.
    pub fn spawn_refresh(self: &Arc<Self>, refresh_token: &str) -> tokio::sync::oneshot::Receiver<Reply> {
        let (node, refresh_token) = (Arc::clone(self), refresh_token.to_owned());
        let (done, reply) = tokio::sync::oneshot::channel();
        self.clients.spawn("client", async move {
            let _ = done.send(node.refresh(&refresh_token).await);
        });
        reply
    }

    /// The sessions of the first namespace.
    pub async fn sessions(&self) -> Vec<Session> {
        self.node.sessions(self.node.first_namespace()).await.unwrap()
    }

    /// Waits until no request runs.
    pub async fn quiet(&self) {
        while self.tasks.len() > self.idle_tasks {
            tokio::task::yield_now().await;
        }
    }

    /// What changes with every transaction that writes a device code.
    pub fn database_changes(&self) -> Vec<String> {
        if let Some(database) = &self.places.database {
            return vec![database.ask("SELECT xmin, xmax, device_hash FROM device_codes ORDER BY device_hash")];
        }
        let modified =
            |name: &str| format!("{:?}", self.dir.join(name).metadata().and_then(|data| data.modified()).ok());
        ["node.db", "node.db-wal"].into_iter().map(modified).collect()
    }

    /// Closes the node, lets `change` try to open it, and opens it.
    pub async fn reopened_with<T>(
        self,
        change: impl AsyncFnOnce(&dyn Fn() -> Pin<Box<dyn Future<Output = Result<Self, OpenError>>>>) -> T,
    ) -> (Self, T) {
        self.node.close().await;
        let Self { node, clock, settings, places, .. } = self;
        drop(node);
        let reopen = || -> Pin<Box<dyn Future<Output = Result<Self, OpenError>>>> {
            Box::pin(Self::open(places.clone(), Arc::clone(&clock), Arc::clone(&settings)))
        };
        let done = change(&reopen).await;
        (reopen().await.unwrap(), done)
    }

    /// True where the access token opens something.
    pub fn opens(&self, access_token: &str) -> bool {
        self.node.judge(access_token.as_bytes()).is_ok()
    }
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The document of a reply that must be 200.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{:?}", self.body);
        self.json()
    }

    /// The status and code of a refusal, whatever its shape.
    pub fn refusal(&self) -> (u16, String) {
        let document = self.json();
        if let Some(error) = document["error"].as_object() {
            let code = match error["type"].as_str().unwrap() {
                "authentication_error" => "unauthorized",
                "permission_error" => "forbidden",
                "not_found_error" => "not_found",
                "conflict_error" => "conflict",
                "service_unavailable" => "unavailable",
                "invalid_request_error" => "bad_request",
                other => other,
            };
            assert_eq!((error.len(), error["code"].as_u64()), (3, Some(self.status.as_u16().into())), "{document}");
            return (self.status.as_u16(), code.to_owned());
        }
        assert!(document["error_description"].is_string(), "{document}");
        (self.status.as_u16(), document["error"].as_str().unwrap_or_default().to_owned())
    }

    /// What a refusal says, whatever its shape.
    pub fn words(&self) -> String {
        let document = self.json();
        let words = document["error_description"].as_str().or_else(|| document["error"]["message"].as_str());
        words.unwrap_or_else(|| panic!("no refusal: {document}")).to_owned()
    }

    pub fn pair(&self) -> Pair {
        let document = self.ok();
        let text = |name: &str| document[name].as_str().unwrap().to_owned();
        Pair { access: text("access_token"), refresh: text("refresh_token") }
    }

    pub fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// The user code of a reply to a device.
pub fn user_code(code: &Value) -> &str {
    code["user_code"].as_str().unwrap()
}

/// A program of the daemon's own user.
pub fn neighbour() -> Visitor {
    visitor(Some(1_000), "127.0.0.1")
}

pub fn visitor(uid: Option<u32>, address: &str) -> Visitor {
    Visitor {
        uid,
        is_own_user: uid == Some(1_000),
        address: address.parse().unwrap(),
        entrance: Entrance::Loopback { authority: "127.0.0.1:4356".to_owned() },
    }
}

pub fn form(path: &str, body: &str) -> Request<Bytes> {
    Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .unwrap()
}

pub fn encoded(fields: &[(&str, &str)]) -> String {
    let escaped = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
                other => format!("%{other:02X}"),
            })
            .collect()
    };
    let pairs: Vec<_> = fields.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    pairs.join("&")
}
