//! A gateway on a real socket, a provider that does exactly what a test says, and a caller that sees every byte.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::{Future as _, poll_fn},
    net::SocketAddr,
    path::Path,
    pin::pin,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::account::ScriptedAccount;
use bitrouter_gateway::{
    Gateway, GatewayOptions, Limits, ProxySettings, Snapshot,
    account::Account,
    http::{Caller, CallerBody, CallerConnection, RequestContext, RequestId, dialect_of},
    ports::{AccountSource, Admission, KeySource, NoLedger, RequestRecord, UsageSink},
    registry::{Catalog, Manifest, ProviderId, ProviderOverride, shipped},
};
use bitrouter_proto::{clock, tasks::Tasks};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use secrecy::SecretString;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Nothing in a test takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// The key that must show up nowhere but in the provider's request.
pub(crate) const KEY: &str = "sk-canary-7f3a";

struct Keys(SecretString);

impl KeySource for Keys {
    fn key(&self, _: Caller, provider: &ProviderId) -> Option<&SecretString> {
        matches!(provider.as_str(), "acme" | "every").then_some(&self.0)
    }
}

#[derive(Default)]
pub(crate) struct Sink {
    started: Mutex<usize>,
    records: Mutex<Vec<RequestRecord>>,
    refused: Mutex<Vec<&'static str>>,
}

impl UsageSink for Sink {
    fn started(&self) {
        *self.started.lock().unwrap() += 1;
    }

    fn finished(&self, record: &RequestRecord) {
        self.records.lock().unwrap().push(record.clone());
    }

    fn refused(&self, reason: &'static str) {
        self.refused.lock().unwrap().push(reason);
    }
}

pub(crate) struct World {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) sink: Arc<Sink>,
    pub(crate) account: Arc<ScriptedAccount>,
    pub(crate) tasks: Tasks,
    provider: TcpListener,
    address: SocketAddr,
}

const ACME: &str = r#"
id = "acme"
kind = "first_party"
endpoint = "https://acme.invalid/v1"
protocol = "chat_completions"
[auth]
env = ["ACME_KEY"]
[[models]]
id = "big"
provider_model_id = "big-2026"
[[models]]
id = "same"
"#;

/// It speaks everything.
const EVERY: &str = r#"
id = "every"
kind = "gateway"
endpoint = "https://every.invalid/v1"
protocol = ["chat_completions", "responses", "messages", "generate_content"]
[auth]
env = ["EVERY_KEY"]
[[models]]
id = "m"
provider_model_id = "m-2026"
max_output_tokens = 1000
[models.pricing.input_tokens]
no_cache = 1
[models.pricing.output_tokens]
text = 2
"#;

/// Nothing listens there.
const GONE: &str = r#"
id = "gone"
kind = "local"
endpoint = "http://127.0.0.1:1/v1"
protocol = "chat_completions"
"#;

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        Self::under(limits, Arc::new(NoLedger)).await
    }

    /// Calls are admitted and settled by `admission`.
    pub(crate) async fn under(limits: Limits, admission: Arc<dyn Admission>) -> Self {
        let provider = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/base/v1", provider.local_addr().unwrap());
        let over = || ProviderOverride { base_url: Some(base_url.clone()), ..Default::default() };
        let overrides = ["acme", "every"].map(|id| (ProviderId::parse(id).unwrap(), over())).into();
        let foreign =
            ACME.replace("acme", "foreign").replace("chat_completions", "messages").replace("ACME", "FOREIGN");
        let foreign = foreign.replace("first_party", "local");
        let user = [ACME.to_owned(), foreign, EVERY.to_owned(), GONE.to_owned()];
        let user = user.iter().map(|text| Manifest::parse(text, Path::new("test.toml")).unwrap()).collect();
        let catalog = Catalog::build(shipped().unwrap(), user, overrides, true).unwrap();
        let snapshot = Snapshot {
            catalog: Arc::new(catalog),
            aliases: BTreeMap::from([("fast".to_owned(), "acme:unlisted".to_owned())]),
            prefer: vec![],
            keys: Arc::new(Keys(SecretString::from(KEY))),
            account: Account::default(),
            limits,
        };
        let (sink, tasks) = (Arc::new(Sink::default()), Tasks::new());
        let usage = Arc::clone(&sink) as Arc<dyn UsageSink>;
        let account = Arc::new(ScriptedAccount::default());
        let source = Arc::clone(&account) as Arc<dyn AccountSource>;
        let options =
            GatewayOptions { usage, admission, account: source, proxy: ProxySettings::default(), tasks: tasks.clone() };
        let gateway = Gateway::new(options, snapshot);
        let address = serve(&gateway, &tasks, CancellationToken::new()).await;
        Self { gateway, sink, account, tasks, provider, address }
    }

    /// Another entrance, with a token that is cancelled when the connection must end.
    pub(crate) async fn with_close_token(&self, token: CancellationToken) -> SocketAddr {
        serve(&self.gateway, &self.tasks, token).await
    }

    /// What `caller` is answered to a request without a body.
    pub(crate) async fn answer(&self, caller: Caller, method: &str, path: &str) -> (u16, String) {
        let connection: Arc<dyn CallerConnection> = Arc::new(Connection(CancellationToken::new()));
        let request = http::Request::builder().method(method).uri(path).body(CallerBody::Empty).unwrap();
        let dialect = dialect_of(path, request.headers());
        let id = RequestId::from_text("req_test");
        let context = RequestContext { id, started: clock::monotonic_now(), caller, dialect, connection };
        let answer = timeout(PATIENCE, Arc::clone(&self.gateway).answer(request, context)).await.expect("an answer");
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    pub(crate) async fn caller(&self) -> Wire {
        Wire::to(self.address).await
    }

    /// Where the provider of these tests listens.
    pub(crate) fn provider_address(&self) -> SocketAddr {
        self.provider.local_addr().unwrap()
    }

    /// The next connection that the gateway makes.
    pub(crate) async fn accept(&self) -> Wire {
        let (stream, _) = timeout(PATIENCE, self.provider.accept()).await.expect("no connection").unwrap();
        Wire(stream)
    }

    /// The records, once there are `count` of them.
    pub(crate) async fn records(&self, count: usize) -> Vec<RequestRecord> {
        let wait = async {
            loop {
                let records = self.sink.records.lock().unwrap().clone();
                if records.len() >= count {
                    assert_eq!((records.len(), *self.sink.started.lock().unwrap()), (count, count));
                    return records;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, wait).await.expect("records")
    }

    pub(crate) fn refused(&self) -> Vec<&'static str> {
        self.sink.refused.lock().unwrap().clone()
    }
}

/// What a gateway may ask of a connection here: it is looked at every few milliseconds anyway.
#[derive(Debug)]
struct Connection(CancellationToken);

impl CallerConnection for Connection {
    fn close_after_reply(&self) {
        self.0.cancel();
    }

    fn wake_at(&self, _at: Option<Instant>) {}
}

/// A listener that does no more than drive the gateway.
async fn serve(gateway: &Arc<Gateway>, tasks: &Tasks, close: CancellationToken) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (gateway, serving) = (Arc::clone(gateway), tasks.clone());
    tasks.spawn("serve", async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (gateway, close) = (Arc::clone(&gateway), close.clone());
            let service = service_fn(move |request: http::Request<Incoming>| {
                let connection: Arc<dyn CallerConnection> = Arc::new(Connection(close.clone()));
                let context = RequestContext {
                    id: RequestId::from_text("req_test"),
                    started: clock::monotonic_now(),
                    caller: Caller::Keyless { namespace: None },
                    dialect: dialect_of(request.uri().path(), request.headers()),
                    connection: Arc::clone(&connection),
                };
                let request = request.map(|body| CallerBody::received(body, connection));
                let gateway = Arc::clone(&gateway);
                async move { Ok::<_, Infallible>(gateway.answer(request, context).await) }
            });
            serving.spawn("connection", async move {
                let mut http = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
                let mut tick = tokio::time::interval(Duration::from_millis(5));
                poll_fn(|cx| {
                    while tick.poll_tick(cx).is_ready() {}
                    http.as_mut().poll(cx)
                })
                .await
                .ok();
            });
        }
    });
    address
}

/// One end of a connection, read and written as bytes.
pub(crate) struct Wire(pub(crate) TcpStream);

impl Wire {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends a chat request with this body.
    pub(crate) async fn chat(&mut self, body: &str) {
        self.post("/v1/chat/completions", body).await;
    }

    pub(crate) async fn post(&mut self, path: &str, body: &str) {
        let length = body.len();
        self.send(format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1:4356\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\nauthorization: Bearer from-the-caller\r\n\r\n{body}"
        ))
        .await;
    }

    pub(crate) async fn get(&mut self, path: &str) -> (u16, serde_json::Value) {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:4356\r\n\r\n")).await;
        self.reply().await
    }

    /// Reads up to and with `end`.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        let mut read = Vec::new();
        let wait = async {
            while !read.ends_with(end.as_bytes()) {
                match self.0.read_u8().await {
                    Ok(byte) => read.push(byte),
                    Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&read)),
                }
            }
        };
        let done = timeout(PATIENCE, wait).await;
        assert!(done.is_ok(), "no {end:?} in {:?}", String::from_utf8_lossy(&read));
        String::from_utf8(read).unwrap()
    }

    pub(crate) async fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut read = vec![0; length];
        timeout(PATIENCE, self.0.read_exact(&mut read)).await.expect("bytes").unwrap();
        read
    }

    /// A head, lower case, and a body with a length.
    pub(crate) async fn message(&mut self) -> (String, Vec<u8>) {
        let head = self.until("\r\n\r\n").await.to_ascii_lowercase();
        let length =
            head.split("content-length: ").nth(1).map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
        let body = self.exactly(length).await;
        (head, body)
    }

    /// A reply with a length: status and JSON.
    pub(crate) async fn reply(&mut self) -> (u16, serde_json::Value) {
        let (head, body) = self.message().await;
        (status(&head), serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Whatever comes until the other side ends it; `Err` where it resets.
    pub(crate) async fn rest(&mut self) -> std::io::Result<String> {
        let mut read = Vec::new();
        let result = timeout(PATIENCE, self.0.read_to_end(&mut read)).await.expect("no end");
        result.map(|_| String::from_utf8(read).unwrap())
    }

    /// True once the other side has ended the connection, within `limit`.
    pub(crate) async fn ends_within(&mut self, limit: Duration) -> bool {
        let mut byte = [0];
        matches!(timeout(limit, self.0.read(&mut byte)).await, Ok(Ok(0) | Err(_)))
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        self.0.set_zero_linger().unwrap();
    }
}

pub(crate) fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// The bytes of a chunked body, chunk sizes removed; the rest of it must follow its head.
pub(crate) fn dechunked(text: &str) -> (String, bool) {
    let (mut body, mut rest) = (String::new(), text);
    while let Some((size, more)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let Some(chunk) = more.get(..size) else { return (body + more, false) };
        body += chunk;
        rest = more.get(size + 2..).unwrap_or_default();
    }
    (body, false)
}

/// A reply with a JSON body and a length.
pub(crate) fn json(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
}

pub(crate) const STREAM: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

pub(crate) fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}
