//! A server on real sockets with a trivial router, and a client that speaks raw bytes to it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::{
    Extension, Router,
    body::{Body, Bytes},
    response::Response,
    routing::{get, post},
};
use bitrouter_gateway::{
    InferenceError,
    http::{Caller, CallerBody, RequestContext, ResponseBody, ResponseFuture},
};
use bitrouter_node::http::Visitor;
use bitrouter_proto::{clock, codes::InferenceCode};
use futures_util::StreamExt as _;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    time::timeout,
};

use crate::listener::{
    Access, Audience, Authentication, Authenticator, CallerEvidence, HttpServer, Limits, ListenerSettings, NodeFuture,
    NodeService, PeerLookup, PresentedKey, ProvenPeer, RefusalSink, RequestService, ServerOptions, bind, not_served,
    two_keys,
};

pub(super) const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct RefusalLog(Mutex<Vec<&'static str>>);

impl RefusalSink for RefusalLog {
    fn refused(&self, reason: &'static str) {
        self.0.lock().unwrap().push(reason);
    }

    fn came_through_a_proxy(&self, _: ProvenPeer<'_>) {
        self.0.lock().unwrap().push("proxy");
    }
}

/// Says whom it takes its visitor for.
struct Mirror;

impl NodeService for Mirror {
    fn call(&self, request: http::Request<CallerBody>, context: RequestContext, visitor: Visitor) -> NodeFuture {
        let text = format!("{} {:?} {visitor:?}", request.uri().path(), context.caller);
        Box::pin(async move {
            match request.uri().path() {
                "/login/off" => Err(InferenceError::new(InferenceCode::Unavailable, "the node is off")),
                _ => Ok(Response::new(ResponseBody::from(text))),
            }
        })
    }
}

/// Serves programs of the daemon's own user, and knows no key.
pub(super) struct OwnUserOnly;

impl Authenticator for OwnUserOnly {
    fn authenticate(&self, evidence: CallerEvidence<'_>) -> Authentication {
        let refusal = match evidence.presented {
            PresentedKey::None if evidence.access == Access::Credential => {
                return Authentication::Known(Ok(Caller::Anyone));
            }
            PresentedKey::None => not_served(&evidence),
            PresentedKey::One(_) => Some(InferenceError::new(InferenceCode::InvalidApiKey, "no key is known")),
            PresentedKey::Different => Some(two_keys()),
        };
        Authentication::Known(refusal.map_or(Ok(Caller::Keyless { namespace: None }), Err))
    }
}

pub(super) struct Rig {
    pub(super) server: HttpServer,
    pub(super) addr: SocketAddr,
    /// Where a team's listener is, where there is one.
    pub(super) team: SocketAddr,
    pub(super) settings: Arc<ArcSwap<ListenerSettings>>,
    pub(super) refused: Arc<RefusalLog>,
    pub(super) release: Arc<Notify>,
}

pub(super) fn explode() {
    panic!("on purpose")
}

pub(super) fn router(release: &Arc<Notify>) -> Router {
    let wait = Arc::clone(release);
    let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 32 * 1024])));
    let endless = Arc::new(Mutex::new(Some(endless)));
    Router::new()
        .route("/health", get(|| async { "ok" }))
        .route(
            "/id",
            get(|Extension(context): Extension<RequestContext>| async move {
                assert!(context.started <= clock::monotonic_now());
                context.id.as_str().to_owned()
            }),
        )
        .route(
            "/last",
            get(|Extension(context): Extension<RequestContext>| async move {
                context.connection.close_after_reply();
                "the last"
            }),
        )
        .route("/echo", post(|body: Bytes| async move { body }))
        .route("/deaf", post(|| async { "did not listen" }))
        .route("/panic", get(|| async { explode() }))
        .route(
            "/panic-in-body",
            get(|| async {
                let stream = futures_util::stream::iter(0..2).map(|n| {
                    assert!(n == 0, "on purpose");
                    Ok::<_, std::io::Error>(Bytes::from_static(b"first"))
                });
                Response::new(Body::from_stream(stream))
            }),
        )
        .route(
            "/wait",
            get(move || async move {
                wait.notified().await;
                "waited"
            }),
        )
        .route(
            "/endless",
            get(move || async move {
                let stream = endless.lock().unwrap().take().unwrap();
                Response::new(Body::from_stream(stream))
            }),
        )
}

/// A router as the service of a listener; it finds the context of each request among its extensions.
struct Routed(Router);

impl RequestService for Routed {
    fn call(self: Arc<Self>, request: http::Request<CallerBody>, context: RequestContext) -> ResponseFuture {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(context);
        let mut router = self.0.clone();
        Box::pin(async move {
            match tower_service::Service::call(&mut router, request).await {
                Ok(response) => response.map(ResponseBody::Other),
                Err(never) => match never {},
            }
        })
    }
}

pub(super) fn start(limits: Limits, settings: ListenerSettings) -> Rig {
    start_with(limits, settings, Arc::new(OwnUserOnly))
}

/// A key that [`SlowKeys`] finds valid.
pub(super) const GOOD_KEY: &str = "brk_good";

/// Knows one key, and looks it up for a while.
pub(super) struct SlowKeys;

impl Authenticator for SlowKeys {
    fn authenticate(&self, evidence: CallerEvidence<'_>) -> Authentication {
        let PresentedKey::One(key) = evidence.presented else { return OwnUserOnly.authenticate(evidence) };
        let known = **key == *GOOD_KEY.as_bytes();
        Authentication::Asking(Box::pin(async move {
            tokio::task::yield_now().await;
            known
                .then_some(Caller::Keyless { namespace: None })
                .ok_or_else(|| InferenceError::new(InferenceCode::InvalidApiKey, "not known"))
        }))
    }
}

pub(super) fn start_with(limits: Limits, settings: ListenerSettings, authenticator: Arc<dyn Authenticator>) -> Rig {
    build(limits, settings, authenticator, false)
}

/// With a team's listener besides.
pub(super) fn start_for_a_team(limits: Limits, settings: ListenerSettings) -> Rig {
    build(limits, settings, Arc::new(SlowKeys), true)
}

fn build(limits: Limits, settings: ListenerSettings, authenticator: Arc<dyn Authenticator>, has_team: bool) -> Rig {
    let both = ["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
    let here = bind(&both, 0).unwrap().into_iter().map(|listener| (Audience::ThisMachine, listener));
    let team = has_team.then(|| bind(&both[..1], 0).unwrap()).into_iter().flatten();
    let team = team.map(|listener| (Audience::Team, listener));
    let settings = Arc::new(ArcSwap::from_pointee(settings));
    let refused = Arc::new(RefusalLog::default());
    let release = Arc::new(Notify::new());
    let options = ServerOptions {
        activity: crate::activity::Activity::default(),
        service: Arc::new(Routed(router(&release))),
        node: Arc::new(Mirror),
        settings: Arc::clone(&settings),
        peers: Arc::new(PeerLookup::new()),
        authenticator,
        refusals: Arc::clone(&refused) as _,
        metrics: Arc::new(|| "metrics here\n# EOF\n".to_owned()),
        limits,
    };
    let server = HttpServer::start(here.chain(team), options).unwrap();
    let addresses = server.addresses();
    let (addr, team) = (addresses[0], addresses[addresses.len() - 1]);
    Rig { server, addr, team, settings, refused, release }
}

pub(super) fn usual() -> Rig {
    start(Limits::default(), ListenerSettings::default())
}

impl Rig {
    pub(super) async fn connect(&self) -> TcpStream {
        timeout(PATIENCE, TcpStream::connect(self.addr)).await.unwrap().unwrap()
    }

    /// Fills in the port, sends, and reads until the server closes.
    pub(super) async fn exchange(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        let sent = stream.write_all(request.as_ref()).await;
        let reply = read_all(&mut stream).await;
        assert!(sent.is_ok() || !reply.is_empty());
        reply
    }

    pub(super) fn request(&self, line: &str, headers: &str) -> String {
        format!("{line} HTTP/1.1\r\nHost: {}\r\n{headers}", self.addr)
    }

    pub(super) fn reasons(&self) -> Vec<&'static str> {
        self.refused.0.lock().unwrap().clone()
    }
}

pub(super) async fn read_all(stream: &mut TcpStream) -> String {
    let mut reply = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut reply)).await.expect("the server closes").ok();
    String::from_utf8_lossy(&reply).into_owned()
}

/// Reads one reply whose body is `ending`.
pub(super) async fn read_reply(stream: &mut TcpStream, ending: &str) -> String {
    let mut reply = Vec::new();
    while !reply.ends_with(ending.as_bytes()) {
        let mut chunk = [0; 4096];
        let n = timeout(PATIENCE, stream.read(&mut chunk)).await.unwrap().unwrap();
        assert_ne!(n, 0, "closed after {:?}", String::from_utf8_lossy(&reply));
        reply.extend_from_slice(&chunk[..n]);
    }
    String::from_utf8(reply).unwrap()
}

pub(super) async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = clock::monotonic_now() + PATIENCE;
    while !condition() {
        assert!(clock::monotonic_now() < deadline, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(super) fn status(reply: &str) -> &str {
    reply.split(' ').nth(1).unwrap_or(reply)
}

pub(super) fn header<'a>(reply: &'a str, name: &str) -> Option<&'a str> {
    let head = reply.split("\r\n\r\n").next()?;
    head.lines().filter_map(|line| line.split_once(": ")).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
}

pub(super) fn code(reply: &str) -> String {
    let body = reply.split_once("\r\n\r\n").unwrap().1;
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("not JSON: {reply}"));
    json["error"]["code"].as_str().unwrap().to_owned()
}
