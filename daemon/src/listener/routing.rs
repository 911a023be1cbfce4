//! What lies where: a table from paths to who may ask, what answers, and how errors are written there.

use bitrouter_gateway::{http::dialect_of, protocol::Dialect};
use http::{HeaderMap, Method, Uri, uri::PathAndQuery};

/// Whom a path is open to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody whom host and origin let pass.
    Anyone,
    /// Programs of the daemon's own user, whatever `[server] keyless` says, and the node's operator.
    SameUser,
    /// Whoever has a credential; programs of the daemon's own user without one as far as `[server] keyless` lets them.
    AsKeylessSays,
    /// Whoever has a credential. One that is presented is judged; where there is none the node looks for a web session.
    Credential,
}

/// The rules of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RoutePolicy {
    pub(super) access: Access,
    /// True for a page to which a link on another site may lead.
    pub(super) may_be_linked_to: bool,
}

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mount {
    /// The service behind the listener.
    Service,
    /// The node.
    Node,
    /// The listener's own page of metrics.
    Metrics,
}

/// How errors are written at a path that has no dialect of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// As the caller's dialect has it.
    Dialect,
    /// Flat: a code and a description.
    Flat,
    /// As RFC 6749 §5.2 has it.
    OAuth,
    /// As `tokenroute` clients read it.
    Tokenroute,
}

/// How an error is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorShape {
    /// In a dialect of the inference endpoint.
    Dialect(Dialect),
    /// As the node's REST endpoints and pages write it.
    Flat,
    /// As OAuth endpoints write it.
    OAuth,
    /// As the node's endpoints below `/api/v1` write it.
    Tokenroute,
}

impl ErrorShape {
    /// How the service behind the listener writes its own.
    pub(super) fn dialect(self) -> Dialect {
        match self {
            Self::Dialect(dialect) => dialect,
            Self::Flat | Self::OAuth | Self::Tokenroute => Dialect::default(),
        }
    }
}

/// One line of the table.
#[derive(Debug)]
pub(super) struct Route {
    prefix: &'static str,
    /// Whether paths that go on behind the prefix, with a `/`, are meant too.
    with_all_below: bool,
    /// Whether only `GET` and `HEAD` are meant.
    only_read: bool,
    shape: Shape,
    pub(super) policy: RoutePolicy,
    pub(super) mount: Mount,
}

impl Route {
    const fn new(prefix: &'static str, access: Access, mount: Mount, shape: Shape) -> Self {
        let policy = RoutePolicy { access, may_be_linked_to: false };
        Self { prefix, with_all_below: false, only_read: false, shape, policy, mount }
    }

    /// Open to all, answered by the service.
    const fn open(path: &'static str) -> Self {
        Self::new(path, Access::Anyone, Mount::Service, Shape::Dialect)
    }

    /// Open to all, answered by the node.
    const fn of_the_node(path: &'static str, shape: Shape) -> Self {
        Self::new(path, Access::Anyone, Mount::Node, shape)
    }

    /// A page of the node, to which a link anywhere may lead.
    const fn page(path: &'static str, shape: Shape) -> Self {
        let mut route = Self::of_the_node(path, shape);
        route.policy.may_be_linked_to = true;
        route
    }

    /// What the node answers to whoever has a credential.
    const fn managed(path: &'static str) -> Self {
        Self::new(path, Access::Credential, Mount::Node, Shape::Flat).and_below()
    }

    const fn in_shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    const fn and_below(mut self) -> Self {
        self.with_all_below = true;
        self
    }

    const fn only_read(mut self) -> Self {
        self.only_read = true;
        self
    }

    fn fits(&self, method: &Method, path: &str) -> bool {
        if self.only_read && !matches!(*method, Method::GET | Method::HEAD) {
            return false;
        }
        match path.strip_prefix(self.prefix) {
            Some("") => true,
            Some(rest) => self.with_all_below && rest.starts_with('/'),
            None => false,
        }
    }

    /// How an error is written for a caller at `path`, which this is the line of, with `headers`.
    pub(super) fn error_shape(&self, path: &str, headers: &HeaderMap) -> ErrorShape {
        match self.shape {
            Shape::Dialect => ErrorShape::Dialect(dialect_of(path, headers)),
            Shape::Flat => ErrorShape::Flat,
            Shape::OAuth => ErrorShape::OAuth,
            Shape::Tokenroute => ErrorShape::Tokenroute,
        }
    }
}

/// The table: the first line that fits counts.
static ROUTES: [Route; 24] = [
    Route::open("/").only_read(),
    Route::open("/health"),
    Route::open("/ping"),
    Route::new("/metrics", Access::SameUser, Mount::Metrics, Shape::Dialect),
    Route::page("/oauth/device", Shape::OAuth),
    Route::page("/oauth/authorize", Shape::OAuth),
    Route::of_the_node("/oauth", Shape::OAuth).and_below(),
    Route::of_the_node("/.well-known", Shape::OAuth).and_below(),
    Route::page("/login", Shape::Flat),
    Route::of_the_node("/login", Shape::Flat).and_below(),
    Route::of_the_node("/logout", Shape::Flat).and_below(),
    Route::page("/console", Shape::Flat),
    Route::of_the_node("/console", Shape::Flat).and_below(),
    Route::of_the_node("/api/v1/auth/discovery", Shape::Tokenroute),
    Route::of_the_node("/v1/byok/encryption-pubkey", Shape::Flat),
    Route::of_the_node("/v1/billing/stripe/webhook", Shape::Flat),
    Route::of_the_node("/openapi.json", Shape::Flat),
    Route::managed("/v1/namespaces"),
    Route::managed("/v1/account"),
    Route::managed("/v1/billing"),
    Route::managed("/v1/byok/keys"),
    Route::managed("/v1/node"),
    Route::managed("/v1/requests"),
    Route::managed("/api/v1").in_shape(Shape::Tokenroute),
];

/// Everything else, `OPTIONS *` too.
static REST: Route = Route::new("", Access::AsKeylessSays, Mount::Service, Shape::Dialect);

/// The line of the table for `method` at `path`.
pub(super) fn find(method: &Method, path: &str) -> &'static Route {
    // Nearly all requests are for a model, and nearly all of those for these: no line above begins like them.
    if path.starts_with("/v1/chat/") || path.starts_with("/v1/messages") || path.starts_with("/v1/responses") {
        return &REST;
    }
    ROUTES.iter().find(|route| route.fits(method, path)).unwrap_or(&REST)
}

/// Makes one `/` of each run of them in the path: clients whose base URL ends with `/` send `//v1/models`. It comes
/// before anything judges the path, so that all judge the same one.
pub(super) fn collapse_slashes(uri: &mut Uri) {
    if !uri.path().as_bytes().windows(2).any(|pair| pair == b"//") {
        return;
    }
    let mut text = String::with_capacity(uri.path().len());
    for c in uri.path().chars() {
        if c != '/' || !text.ends_with('/') {
            text.push(c);
        }
    }
    if let Some(query) = uri.query() {
        text.push('?');
        text.push_str(query);
    }
    let mut parts = std::mem::take(uri).into_parts();
    // A part of what was a path and query is one.
    parts.path_and_query = PathAndQuery::from_maybe_shared(text).ok();
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(method: &str, path: &str) -> (Access, Mount) {
        let route = find(&Method::from_bytes(method.as_bytes()).unwrap(), path);
        (route.policy.access, route.mount)
    }

    #[test]
    fn the_table_of_routes() {
        use Access::{Anyone, AsKeylessSays, Credential, SameUser};
        use Mount::{Metrics, Node, Service};
        for (path, access, mount) in [
            ("/health", Anyone, Service),
            ("/health/", AsKeylessSays, Service),
            ("/ping", Anyone, Service),
            ("/metrics", SameUser, Metrics),
            ("/metrics/", AsKeylessSays, Service),
            ("/healthy", AsKeylessSays, Service),
            ("/v1/chat/completions", AsKeylessSays, Service),
            ("/v1/messages", AsKeylessSays, Service),
            ("/v1/responses/resp_1", AsKeylessSays, Service),
            ("/v1/models", AsKeylessSays, Service),
            ("/v1/byok", AsKeylessSays, Service),
            ("/v1", AsKeylessSays, Service),
            ("*", AsKeylessSays, Service),
            ("", AsKeylessSays, Service),
            ("/.well-known/oauth-authorization-server", Anyone, Node),
            ("/.well-known", Anyone, Node),
            ("/.well-knownx", AsKeylessSays, Service),
            ("/oauth/token", Anyone, Node),
            ("/oauth/device", Anyone, Node),
            ("/oauth/device/code", Anyone, Node),
            ("/oauths", AsKeylessSays, Service),
            ("/login", Anyone, Node),
            ("/login/static/page.css", Anyone, Node),
            ("/logout", Anyone, Node),
            ("/console", Anyone, Node),
            ("/console/static/page.css", Anyone, Node),
            ("/consoles", AsKeylessSays, Service),
            ("/api/v1/auth/discovery", Anyone, Node),
            ("/api/v1/auth/discovery/", Credential, Node),
            ("/api/v1/keys", Credential, Node),
            ("/api", AsKeylessSays, Service),
            ("/openapi.json", Anyone, Node),
            ("/v1/byok/encryption-pubkey", Anyone, Node),
            ("/v1/byok/keys", Credential, Node),
            ("/v1/byok/keys/openai", Credential, Node),
            ("/v1/billing", Credential, Node),
            ("/v1/billing/stripe/webhook", Anyone, Node),
            ("/v1/billing/stripe", Credential, Node),
            ("/v1/namespaces", Credential, Node),
            ("/v1/namespaces/", Credential, Node),
            ("/v1/namespaces/ns_1/sessions", Credential, Node),
            ("/v1/namespaces/x:generateContent", Credential, Node),
            ("/v1/namespacesx", AsKeylessSays, Service),
            ("/v1/account", Credential, Node),
            ("/v1/accounts", AsKeylessSays, Service),
            ("/v1/node/usage", Credential, Node),
            ("/v1/requests/req_1", Credential, Node),
        ] {
            assert_eq!(at("GET", path), (access, mount), "{path}");
            assert_eq!(at("POST", path), (access, mount), "{path}");
        }
        for (method, access) in [("GET", Anyone), ("HEAD", Anyone), ("POST", AsKeylessSays), ("OPTIONS", AsKeylessSays)]
        {
            assert_eq!(at(method, "/"), (access, Service), "{method}");
        }
    }

    #[test]
    fn another_spelling_of_a_path_opens_nothing() {
        for path in [
            "/v1/%6eamespaces",
            "/V1/namespaces",
            "/v1/namespaces%2Fns_1",
            "/v1/./namespaces",
            "/OAuth/token",
            "/health%2F",
            "/ping;x",
            "/console%2f",
            "/console..",
            "/%6fauth/token",
            "/metrics%00",
        ] {
            assert_eq!(at("GET", path), (Access::AsKeylessSays, Mount::Service), "{path}");
        }
        // What climbs out of an open path is the node's to answer, whose table knows no dots.
        for path in ["/oauth/../v1/namespaces", "/console/../metrics", "/login/%2e%2e/health"] {
            assert_eq!(at("GET", path), (Access::Anyone, Mount::Node), "{path}");
        }
    }

    #[test]
    fn a_link_elsewhere_leads_only_to_pages() {
        let linked = ["/oauth/device", "/oauth/authorize", "/login", "/console"];
        for route in &ROUTES {
            let may = find(&Method::GET, route.prefix).policy.may_be_linked_to;
            assert_eq!(may, linked.contains(&route.prefix), "{}", route.prefix);
        }
        for path in ["/oauth/device/", "/login/x", "/console/x", "/oauth/token", "/v1/account"] {
            assert!(!find(&Method::GET, path).policy.may_be_linked_to, "{path}");
        }
    }

    #[test]
    fn the_path_says_how_errors_are_written() {
        let headers = HeaderMap::new();
        for (path, shape) in [
            ("/v1/namespaces", ErrorShape::Flat),
            ("/v1/account", ErrorShape::Flat),
            ("/console", ErrorShape::Flat),
            ("/openapi.json", ErrorShape::Flat),
            ("/oauth/token", ErrorShape::OAuth),
            ("/api/v1/auth/discovery", ErrorShape::Tokenroute),
            ("/api/v1/me/keys", ErrorShape::Tokenroute),
            ("/api/v1", ErrorShape::Tokenroute),
            ("/.well-known/x", ErrorShape::OAuth),
            ("/v1/messages", ErrorShape::Dialect(Dialect::Messages)),
            ("/metrics", ErrorShape::Dialect(Dialect::ChatCompletions)),
        ] {
            assert_eq!(find(&Method::GET, path).error_shape(path, &headers), shape, "{path}");
        }
    }

    #[test]
    fn runs_of_slashes_in_a_path_become_one() {
        for (sent, meant) in [
            ("/v1/models", "/v1/models"),
            ("//v1/models", "/v1/models"),
            ("/v1//chat///completions//", "/v1/chat/completions/"),
            ("////", "/"),
            ("//evil.example/x?a=//b", "/evil.example/x?a=//b"),
            ("/v1/models?x=//", "/v1/models?x=//"),
            ("http://localhost:1//v1//models", "http://localhost:1/v1/models"),
            ("*", "*"),
            ("localhost:80", "localhost:80"),
        ] {
            let mut uri: Uri = sent.parse().unwrap();
            collapse_slashes(&mut uri);
            assert_eq!(uri.to_string(), meant, "{sent}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_collapsed_path_has_no_run_and_keeps_its_query(text in "[/a%?.]{0,20}") {
            if let Ok(mut uri) = format!("/{text}").parse::<Uri>() {
                let query = uri.query().map(ToOwned::to_owned);
                collapse_slashes(&mut uri);
                proptest::prop_assert!(uri.path().starts_with('/') && !uri.path().contains("//"));
                proptest::prop_assert_eq!(uri.query().map(ToOwned::to_owned), query);
            }
        }
    }
}
