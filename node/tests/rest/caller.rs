//! Those who call: tokens with any scopes, and browsers that are signed in.

use std::sync::Arc;

use bitrouter_gateway::http::{Caller, Principal};
use bitrouter_node::{
    http::Visitor,
    oauth::approval::Decision,
    people::{Password, namespaces},
};
use bitrouter_proto::account::{CredentialId, GrantId, NamespaceId, PersonId, ScopeSet};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::BodyExt as _;
use ulid::Ulid;

use super::{
    described,
    support::{Reply, TestNode, neighbour},
};

/// A person with two namespaces and a session in the first, and a stranger with the same.
pub struct Scene {
    pub test: TestNode,
    pub owner: Person,
    pub stranger: Person,
}

/// Somebody, with what is the person's own.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: PersonId,
    pub namespace: NamespaceId,
    pub other_namespace: NamespaceId,
    pub session: GrantId,
}

pub const PASSWORD: &str = "correct horse battery";

impl Scene {
    pub async fn new() -> Self {
        let test = TestNode::new().await;
        test.sell();
        test.take_keys();
        let owner = person(&test, test.node.owner()).await;
        let eve = test.node.add_user("eve".parse().unwrap(), Password::new(PASSWORD.into()).unwrap()).await.unwrap();
        let mut browser = Browser::new();
        browser.sign_in(&test, "eve").await;
        let stranger = person(&test, eve.id).await;
        Self { test, owner, stranger }
    }

    /// A token of the owner in a namespace.
    pub fn token(&self, namespace: NamespaceId, scopes: ScopeSet) -> Caller {
        Caller::Credential(Principal {
            credential: CredentialId::Grant(self.owner.session),
            namespace,
            person: self.owner.id,
            scopes,
        })
    }

    /// Sends a request with a JSON body, or none.
    pub async fn send(&self, caller: Caller, method: &Method, path: &str, body: &str) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if !body.is_empty() {
            request =
                request.header(header::CONTENT_TYPE, "application/json").header(header::CONTENT_LENGTH, body.len());
        }
        self.raw(caller, request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()).await
    }

    pub async fn raw(&self, caller: Caller, request: Request<Bytes>) -> Reply {
        answered(&self.test, request, caller, neighbour()).await
    }
}

async fn answered(test: &TestNode, request: Request<Bytes>, caller: Caller, visitor: Visitor) -> Reply {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let sent = request.body().clone();
    let response = Arc::clone(&test.node).answer_whole(request, caller, visitor).await;
    let (head, body) = response.into_parts();
    let reply = Reply { status: head.status, headers: head.headers, body: body.collect().await.unwrap().to_bytes() };
    described::check(test, &method, &path, &reply).await;
    if reply.status.is_success() {
        described::check_body(test, &method, &path, &sent).await;
    }
    reply
}

/// Makes a second namespace for `id`, and a session in the first.
async fn person(test: &TestNode, id: PersonId) -> Person {
    let namespace = namespaces::list(&test.node, id).await.unwrap()[0].id;
    // What is older stands first.
    test.advance(std::time::Duration::from_millis(1));
    let other_namespace = namespaces::create(&test.node, id, "other").await.unwrap().id;
    let session = session(test, id, namespace).await;
    Person { id, namespace, other_namespace, session }
}

/// Signs a program in for `person`.
pub async fn session(test: &TestNode, person: PersonId, namespace: NamespaceId) -> GrantId {
    let code = test.start(None).await;
    let decision = Decision { namespace, scopes: ScopeSet::GRANTABLE, own_device: false };
    test.node.approve_code(code["user_code"].as_str().unwrap(), person, &neighbour(), decision).await.unwrap();
    let pair = test.poll(&code).await.pair();
    let id = pair.access.split(['_', '.']).nth(1).unwrap();
    format!("tok_{id}").parse().unwrap()
}

/// An id of nothing.
pub fn absent<T>(make: impl Fn(Ulid) -> T) -> T {
    make(Ulid::from_parts(1, 1))
}

/// A browser with its cookies.
#[derive(Clone, Debug)]
pub struct Browser {
    pub cookies: Vec<(String, String)>,
    pub csrf: Option<String>,
    pub origin: Option<String>,
    pub visitor: Visitor,
}

impl Browser {
    pub fn new() -> Self {
        let origin = Some("http://127.0.0.1:4356".to_owned());
        Self { cookies: Vec::new(), csrf: None, origin, visitor: neighbour() }
    }

    /// One in which the owner is signed in, by a link.
    pub async fn of_owner(test: &TestNode) -> Self {
        use secrecy::ExposeSecret as _;
        let mut browser = Self::new();
        let link = test.node.console_link(Some(1_000));
        browser.send(test, &Method::GET, link.path.expose_secret(), None).await;
        browser.read_csrf(test).await;
        browser
    }

    /// Signs in with the name and [`PASSWORD`].
    pub async fn sign_in(&mut self, test: &TestNode, name: &str) {
        let page = self.send(test, &Method::GET, "/login", None).await;
        let csrf = between(&page, "name=\"csrf\" value=\"");
        let form = super::support::encoded(&[("csrf", &csrf), ("username", name), ("password", PASSWORD)]);
        self.send(test, &Method::POST, "/login", Some(("application/x-www-form-urlencoded", &form))).await;
        self.read_csrf(test).await;
    }

    async fn read_csrf(&mut self, test: &TestNode) {
        let page = self.send(test, &Method::GET, "/console", None).await;
        self.csrf = Some(between(&page, "name=\"csrf-token\" content=\""));
    }

    /// Sends what a page's script would.
    pub async fn json(&mut self, test: &TestNode, method: &Method, path: &str, body: &str) -> Reply {
        self.send(test, method, path, (!body.is_empty()).then_some(("application/json", body))).await
    }

    pub async fn send(&mut self, test: &TestNode, method: &Method, path: &str, body: Option<(&str, &str)>) -> Reply {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "127.0.0.1:4356");
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        if let Some(csrf) = &self.csrf {
            request = request.header("x-csrf-token", csrf);
        }
        if let (Some(origin), true) = (&self.origin, !method.is_safe()) {
            request = request.header(header::ORIGIN, origin);
        }
        if let Some((media_type, text)) = body {
            request = request.header(header::CONTENT_TYPE, media_type).header(header::CONTENT_LENGTH, text.len());
        }
        let text = body.map(|(_, text)| text).unwrap_or_default();
        let request = request.body(Bytes::copy_from_slice(text.as_bytes())).unwrap();
        let reply = answered(test, request, Caller::Anyone, self.visitor.clone()).await;
        for cookie in reply.headers.get_all(header::SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            let (name, rest) = text.split_once('=').unwrap();
            self.cookies.retain(|(kept, _)| kept != name);
            self.cookies.push((name.to_owned(), rest.split(';').next().unwrap().to_owned()));
        }
        reply
    }
}

fn between(page: &Reply, start: &str) -> String {
    let text = String::from_utf8_lossy(&page.body).into_owned();
    let from = text.find(start).unwrap_or_else(|| panic!("no `{start}` in {} {text}", page.status)) + start.len();
    text[from..].split('"').next().unwrap().to_owned()
}
