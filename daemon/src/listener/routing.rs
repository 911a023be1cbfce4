//! What lies where: a table from paths to who may ask and what answers, and the rule how errors are written.

use bitrouter_gateway::{http::dialect_of, protocol::Dialect};
use http::{HeaderMap, Uri, uri::PathAndQuery};

/// Whom a path is open to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody whom host and origin let pass.
    Anyone,
    /// Programs of the daemon's own user, whatever `[server] keyless` says.
    SameUser,
    /// Programs of the daemon's own user as far as `[server] keyless` lets them.
    AsKeylessSays,
}

/// The rules of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RoutePolicy {
    pub(super) access: Access,
}

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mount {
    /// The service behind the listener.
    Service,
    /// The listener's own page of metrics.
    Metrics,
}

/// One line of the table.
#[derive(Debug)]
pub(super) struct Route {
    prefix: &'static str,
    /// Whether paths that go on behind the prefix are meant too.
    with_all_below: bool,
    pub(super) policy: RoutePolicy,
    pub(super) mount: Mount,
}

const fn page(path: &'static str, access: Access, mount: Mount) -> Route {
    Route { prefix: path, with_all_below: false, policy: RoutePolicy { access }, mount }
}

const fn all_below(prefix: &'static str, access: Access, mount: Mount) -> Route {
    Route { prefix, with_all_below: true, policy: RoutePolicy { access }, mount }
}

/// The table: the first line that fits counts.
static ROUTES: [Route; 5] = [
    page("/", Access::Anyone, Mount::Service),
    page("/health", Access::Anyone, Mount::Service),
    page("/ping", Access::Anyone, Mount::Service),
    page("/metrics", Access::SameUser, Mount::Metrics),
    REST,
];

/// Everything else, `OPTIONS *` too.
const REST: Route = all_below("", Access::AsKeylessSays, Mount::Service);

/// The line of the table for `path`.
pub(super) fn find(path: &str) -> &'static Route {
    let fits = |route: &&Route| {
        if route.with_all_below { path.starts_with(route.prefix) } else { path == route.prefix }
    };
    ROUTES.iter().find(fits).unwrap_or(const { &REST })
}

/// How an error is written for a caller at `path` with `headers`: a pure function of both.
pub(super) fn error_shape(path: &str, headers: &HeaderMap) -> Dialect {
    dialect_of(path, headers)
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

    #[test]
    fn the_table_of_routes() {
        for (path, access, mount) in [
            ("/health", Access::Anyone, Mount::Service),
            ("/ping", Access::Anyone, Mount::Service),
            ("/metrics", Access::SameUser, Mount::Metrics),
            ("/metrics/", Access::AsKeylessSays, Mount::Service),
            ("/healthy", Access::AsKeylessSays, Mount::Service),
            ("/v1/chat/completions", Access::AsKeylessSays, Mount::Service),
            ("/", Access::Anyone, Mount::Service),
            ("/v1", Access::AsKeylessSays, Mount::Service),
            ("*", Access::AsKeylessSays, Mount::Service),
            ("", Access::AsKeylessSays, Mount::Service),
        ] {
            let route = find(path);
            assert_eq!((route.policy.access, route.mount), (access, mount), "{path}");
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
