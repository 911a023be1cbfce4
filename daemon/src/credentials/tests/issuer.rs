//! An authorization server in this process: it rotates refresh tokens, ends the session where one comes twice, and answers
//! as a test says.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use super::super::lock;

/// How one request for tokens is answered.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// With tokens, and these members besides or instead (`null` takes one away).
    Tokens(Value),
    /// Nothing is made: this status, this type, this text.
    Text(u16, &'static str, String),
    /// Tokens are made, and the connection ends without a word.
    Cut,
    /// Nothing is made, and the connection ends without a word.
    Gone,
    /// Tokens are made, and the reply waits until it is let go.
    Late(Arc<Notify>),
}

impl Answer {
    pub(super) fn error(code: &str) -> Self {
        Self::Text(
            400,
            "application/json",
            json!({"error": code, "error_description": format!("said {code}")}).to_string(),
        )
    }
}

#[derive(Clone, Debug)]
pub(super) struct TestIssuer {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    url: String,
    /// Refresh token to the number of its session.
    live: BTreeMap<String, u64>,
    spent: BTreeMap<String, u64>,
    made: u64,
    script: VecDeque<Answer>,
    /// The refresh tokens that were shown, in order.
    shown: Vec<String>,
    /// Whole bodies of requests, by path.
    requests: Vec<(String, String)>,
    replays: usize,
    metadata: Value,
    /// What stands at `/api/v1/auth/discovery`, and with which status; nothing where it is 0.
    discovery: (u16, Value),
    revoked: Vec<String>,
    /// Replies to `/v1/…`, each for one request; `None`: it is taken, and the connection ends without a word.
    rest: VecDeque<Option<(u16, String)>>,
    /// Heads of the requests to it.
    heads: Vec<String>,
    lifetime: u64,
    /// The reply that waits.
    late: String,
}

impl TestIssuer {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}");
        let shared = Arc::new(Mutex::new(Shared {
            metadata: json!({
                "issuer": url, "token_endpoint": format!("{url}/token"), "revocation_endpoint": format!("{url}/revoke"),
                "device_authorization_endpoint": format!("{url}/device"), "scopes_supported": ["usage:read"],
                "node_id": "node_far",
            }),
            url,
            lifetime: 3600,
            ..Shared::default()
        }));
        let tasks = bitrouter_proto::tasks::Tasks::new();
        let (answering, connections) = (Arc::clone(&shared), tasks.clone());
        tasks.spawn("test issuer", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&answering);
                connections.spawn("test connection", async move {
                    let _ = serve(stream, shared).await;
                });
            }
        });
        Self { port, shared }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A new session: its access token and its refresh token.
    pub(super) fn session(&self) -> (String, String) {
        lock(&self.shared).make(None)
    }

    pub(super) fn next(&self, answer: Answer) {
        lock(&self.shared).script.push_back(answer);
    }

    /// What was planned and not asked for is not done.
    pub(super) fn forget_plans(&self) {
        lock(&self.shared).script.clear();
    }

    pub(super) fn next_rest(&self, status: u16, body: &str) {
        lock(&self.shared).rest.push_back(Some((status, body.to_owned())));
    }

    pub(super) fn lose_rest(&self) {
        lock(&self.shared).rest.push_back(None);
    }

    /// What was sent to `/v1/…`: the line of each request, the value of a header of it, and its body.
    pub(super) fn rest_sent(&self, header: &str) -> Vec<(String, Option<String>, String)> {
        let shared = lock(&self.shared);
        let bodies = shared.requests.iter().filter(|(path, _)| path.starts_with("/v1/")).map(|(_, body)| body.clone());
        let heads = shared.heads.iter().map(|head| {
            let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
            let value = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case(header).then(|| value.to_owned())
            });
            (line, value)
        });
        heads.zip(bodies).map(|((line, value), body)| (line, value, body)).collect()
    }

    pub(super) fn set_lifetime(&self, seconds: u64) {
        lock(&self.shared).lifetime = seconds;
    }

    pub(super) fn metadata(&self, member: &str, value: Value) {
        lock(&self.shared).metadata[member] = value;
    }

    /// There is no metadata of an authorization server.
    pub(super) fn without_metadata(&self) {
        lock(&self.shared).metadata = Value::Null;
    }

    /// What stands at `/api/v1/auth/discovery`.
    pub(super) fn discovery(&self, status: u16, document: Value) {
        lock(&self.shared).discovery = (status, document);
    }

    /// The refresh tokens that were shown, in order.
    pub(super) fn shown(&self) -> Vec<String> {
        lock(&self.shared).shown.clone()
    }

    pub(super) fn replays(&self) -> usize {
        lock(&self.shared).replays
    }

    pub(super) fn revoked(&self) -> Vec<String> {
        lock(&self.shared).revoked.clone()
    }

    /// What was sent to `path`, in order.
    pub(super) fn sent_to(&self, path: &str) -> Vec<String> {
        let shared = lock(&self.shared);
        shared.requests.iter().filter(|(to, _)| to == path).map(|(_, body)| body.clone()).collect()
    }
}

impl Shared {
    fn make(&mut self, session: Option<u64>) -> (String, String) {
        self.made += 1;
        let made = self.made;
        let session = session.unwrap_or(made);
        let refresh = format!("brr_{session}.{made}");
        self.live.insert(refresh.clone(), session);
        (format!("bra_{session}.{made}"), refresh)
    }

    fn tokens(&mut self, body: &str) -> Result<Value, Answer> {
        let Some(token) = field(body, "refresh_token") else { return Ok(self.first()) };
        self.shown.push(token.clone());
        if let Some(session) = self.spent.get(&token).copied() {
            self.replays += 1;
            self.live.retain(|_, of| *of != session);
        }
        let Some(session) = self.live.remove(&token) else { return Err(Answer::error("invalid_grant")) };
        self.spent.insert(token, session);
        let (access, refresh) = self.make(Some(session));
        Ok(self.document(&access, &refresh))
    }

    fn first(&mut self) -> Value {
        let (access, refresh) = self.make(None);
        self.document(&access, &refresh)
    }

    fn document(&self, access: &str, refresh: &str) -> Value {
        json!({
            "access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": self.lifetime,
            "refresh_token_expires_in": 86_400, "scope": "inference:invoke usage:read", "namespace_id": "ns_1",
            "sub": "usr_1",
        })
    }
}

fn field(body: &str, name: &str) -> Option<String> {
    body.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
}

async fn serve(mut stream: TcpStream, shared: Arc<Mutex<Shared>>) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                break (head.to_owned(), body.to_owned());
            }
        }
    };
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let answer = {
        let mut shared = lock(&shared);
        shared.requests.push((path.clone(), body.clone()));
        if path.starts_with("/v1/") {
            shared.heads.push(head);
        }
        shared.answer(&path, &body)
    };
    let (status, kind, text) = match answer {
        Answer::Text(status, kind, text) => (status, kind, text),
        Answer::Late(gate) => {
            gate.notified().await;
            let text = std::mem::take(&mut lock(&shared).late);
            (200, "application/json", text)
        }
        Answer::Tokens(_) | Answer::Cut | Answer::Gone => return Ok(()),
    };
    let reply = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nretry-after: 7\r\nx-request-id: r1\r\n\r\n{text}",
        text.len()
    );
    stream.write_all(reply.as_bytes()).await?;
    stream.shutdown().await
}

impl Shared {
    /// What goes over the wire: a text, nothing, or something later.
    fn answer(&mut self, path: &str, body: &str) -> Answer {
        let json = |value: &Value| Answer::Text(200, "application/json", value.to_string());
        match path {
            "/.well-known/oauth-authorization-server" if self.metadata.is_null() => {
                Answer::Text(404, "text/html", "<html>".to_owned())
            }
            "/.well-known/oauth-authorization-server" => json(&self.metadata),
            "/api/v1/auth/discovery" => match &self.discovery {
                (0, _) => Answer::Text(404, "text/html", "<html>".to_owned()),
                (status, document) => Answer::Text(*status, "application/json", document.to_string()),
            },
            "/device" => match self.script.pop_front() {
                Some(Answer::Tokens(_)) | None => json(&json!({
                    "device_code": "dc", "user_code": "BCDF-GHJK", "verification_uri": format!("{}/go", self.url),
                    "expires_in": 60, "interval": 0,
                })),
                Some(other) => other,
            },
            "/revoke" => {
                let token = field(body, "token").unwrap_or_default();
                self.live.remove(&token);
                self.revoked.push(token);
                json(&json!({}))
            }
            "/token" => self.token(body),
            _ => match self.rest.pop_front() {
                Some(Some((status, text))) => Answer::Text(status, "application/json", text),
                Some(None) => Answer::Gone,
                None => json(&json!({"data": []})),
            },
        }
    }

    fn token(&mut self, body: &str) -> Answer {
        let planned = self.script.pop_front().unwrap_or(Answer::Tokens(json!({})));
        if matches!(planned, Answer::Text(..) | Answer::Gone) {
            self.shown.extend(field(body, "refresh_token"));
            return planned;
        }
        let mut document = match self.tokens(body) {
            Ok(document) => document,
            Err(refused) => return refused,
        };
        match planned {
            Answer::Tokens(members) => {
                for (name, value) in members.as_object().into_iter().flatten() {
                    if value.is_null() {
                        document.as_object_mut().unwrap().remove(name);
                    } else {
                        document[name] = value.clone();
                    }
                }
                if members.get("refresh_token") == Some(&Value::Null) {
                    // None is given: the one that was shown stays good.
                    let token = field(body, "refresh_token").unwrap();
                    let session = self.spent.remove(&token).unwrap();
                    self.live.retain(|_, of| *of != session);
                    self.live.insert(token, session);
                }
                Answer::Text(200, "application/json", document.to_string())
            }
            Answer::Late(gate) => {
                self.late = document.to_string();
                Answer::Late(gate)
            }
            other => other,
        }
    }
}
