//! Pages as a browser meets them, in process: a node in a directory of its own, a clock turned by hand, and a browser
//! that keeps cookies and sends what browsers send.

mod authorize;
mod clients;
mod console;
mod device;
mod keys;
mod members;
mod sign_in;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use arc_swap::ArcSwap;
use bitrouter_gateway::http::{Caller, ResponseBody};
use bitrouter_proto::tasks::Tasks;
use bitrouter_test_postgres::{Database, wanted};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;

use crate::{
    Node, NodeOptions, Settings,
    clock::{ManualClock, Moment},
    http::{Entrance, Visitor},
    people::Password,
    store::PostgresUrl,
};

/// A node with a clock that goes only when told.
pub(super) struct Fixture {
    pub(super) node: Arc<Node>,
    pub(super) clock: Arc<ManualClock>,
    dir: tempfile::TempDir,
    _database: Option<Database>,
}

impl Fixture {
    pub(super) async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub(super) async fn with(settings: Settings) -> Self {
        let (dir, database) = (tempfile::tempdir().unwrap(), wanted());
        let clock = Arc::new(ManualClock::new(Moment::from_millis(1_790_000_000_000)));
        let options = NodeOptions {
            dir: dir.path().join("node"),
            owner_name: "owner".to_owned(),
            database: database.as_ref().map(|database| PostgresUrl::parse(database.url().into()).unwrap()),
            settings: Arc::new(ArcSwap::from_pointee(settings)),
            clock: Arc::clone(&clock) as _,
            tasks: Tasks::new(),
            outbound: Arc::new(crate::outbound::NoOutbound),
        };
        Self { node: Node::open(options).await.unwrap(), clock, dir, _database: database }
    }

    /// The log of what was taken away.
    pub(super) fn revoked(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("node/revoked.log")).unwrap()
    }

    /// Adds a person.
    pub(super) async fn person(&self, name: &str, password: &str) {
        let password = Password::new(password.into()).unwrap();
        self.node.add_user(name.parse().unwrap(), password).await.unwrap();
    }

    /// The browser of a user of this machine.
    pub(super) fn browser(&self, uid: Option<u32>) -> Browser {
        Browser {
            node: Arc::clone(&self.node),
            authority: "127.0.0.1:4356".to_owned(),
            origin: Some("http://127.0.0.1:4356".to_owned()),
            visitor: Visitor {
                uid,
                is_own_user: false,
                address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                entrance: Entrance::Loopback { authority: "127.0.0.1:4356".to_owned() },
            },
            jar: BTreeMap::new(),
            more: HeaderMap::new(),
        }
    }
}

/// A browser.
#[derive(Clone)]
pub(super) struct Browser {
    node: Arc<Node>,
    pub(super) authority: String,
    pub(super) origin: Option<String>,
    pub(super) visitor: Visitor,
    pub(super) jar: BTreeMap<String, String>,
    pub(super) more: HeaderMap,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Page {
    pub(super) fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The value of the first hidden field of this name.
    pub(super) fn hidden(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let from = self.text.find(&start).unwrap_or_else(|| panic!("no {name} in {}", self.text)) + start.len();
        self.text[from..].split('"').next().unwrap().to_owned()
    }
}

impl Browser {
    pub(super) async fn get(&mut self, path: &str) -> Page {
        self.send("GET", path, None).await
    }

    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.send("POST", path, Some(fields)).await
    }

    pub(super) async fn send(&mut self, method: &str, path: &str, fields: Option<&[(&str, &str)]>) -> Page {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, &self.authority);
        let cookies: Vec<String> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        let mut body = String::new();
        if let Some(fields) = fields {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            if let Some(origin) = &self.origin {
                request = request.header(header::ORIGIN, origin);
            }
            let pairs = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
            body = pairs.collect::<Vec<_>>().join("&");
        }
        let mut request = request.body(Bytes::from(body)).unwrap();
        request.headers_mut().extend(self.more.clone());
        let response = Arc::clone(&self.node).answer_whole(request, Caller::Anyone, self.visitor.clone()).await;
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            self.keep(cookie);
        }
        page_of(response).await
    }

    fn keep(&mut self, cookie: &HeaderValue) {
        let text = cookie.to_str().unwrap();
        let (name, rest) = text.split_once('=').unwrap();
        let value = rest.split(';').next().unwrap();
        if text.contains("Max-Age=0") {
            self.jar.remove(name);
        } else {
            self.jar.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Fills the sign-in form in.
    pub(super) async fn sign_in(&mut self, name: &str, password: &str) -> Page {
        let csrf = self.get("/login").await.hidden("csrf");
        self.post("/login", &[("csrf", &csrf), ("username", name), ("password", password)]).await
    }

    /// True where the console opens.
    pub(super) async fn is_signed_in(&mut self) -> bool {
        self.get("/console").await.status == StatusCode::OK
    }
}

pub(super) fn encoded(text: &str) -> String {
    use std::fmt::Write as _;

    text.bytes().fold(String::new(), |mut escaped, byte| {
        let _ = write!(escaped, "%{byte:02x}");
        escaped
    })
}

async fn page_of(response: Response<ResponseBody>) -> Page {
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Page { status: head.status, headers: head.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}
