//! The table of endpoints: the only list of what the node answers. Tests walk it.

use bitrouter_proto::account::Scope;
use http::Method;

use super::Handler;
use crate::{api, billing, oauth, openapi, web};

/// How an endpoint reads bodies and writes errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// REST: JSON in, JSON out, flat errors.
    Rest,
    /// REST as `tokenroute` clients read it: JSON in, JSON out, errors with a message, a type and the status.
    Tokenroute,
    /// What another service reports: signed JSON in, JSON out, flat errors.
    Event,
    /// An OAuth endpoint: form in, JSON out, errors of RFC 6749 §5.2.
    OAuth,
    /// A page: form in, HTML out.
    Page,
}

impl Kind {
    /// True for REST, whose bodies and queries are read strictly.
    pub(crate) fn is_rest(self) -> bool {
        matches!(self, Self::Rest | Self::Tokenroute)
    }
}

/// Whom an endpoint is open to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody whom the listener lets pass; the handler asks for more where it must.
    Open,
    /// A token with this scope, or a person's web session.
    Scope(Scope),
    /// A person's web session alone; a token without this scope is told so first.
    WebSession(Scope),
    /// The node's owner at a browser or the control socket, or a reading key of the operator's; a token without this scope is
    /// told so first.
    Operator(Scope),
}

impl Access {
    /// The scope that a credential needs; none where everybody may call.
    pub(crate) fn scope(self) -> Option<Scope> {
        match self {
            Self::Open => None,
            Self::Scope(scope) | Self::WebSession(scope) | Self::Operator(scope) => Some(scope),
        }
    }
}

/// Where an endpoint names a principal that policies are bound to, unless in its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PrincipalIn {
    /// In the query.
    Query,
    /// In the body.
    Body,
}

/// One line of the table.
#[derive(Debug)]
pub struct Endpoint {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`; `HEAD` is answered as `GET` is.
    pub method: Method,
    /// The path; `{name}` stands for one segment, `{*name}` for all that are left.
    pub path: &'static str,
    /// How it reads and writes.
    pub kind: Kind,
    /// Whom it is open to.
    pub access: Access,
    /// The parameters that a query may have, where others are refused: in REST.
    pub parameters: &'static [&'static str],
    /// Whether a reading key of the operator's opens it too.
    pub(crate) is_open_to_operator: bool,
    /// Whether it is about the credential's namespace, or, for a person who has none with the call, the person's oldest; its path
    /// names none.
    pub(crate) is_in_own_namespace: bool,
    /// Where it names a principal, which is looked for before any scope is.
    pub(crate) principal_in: Option<PrincipalIn>,
    /// What answers.
    pub(crate) handler: Handler,
}

impl Endpoint {
    /// What answers to `method` at `path`, without anything of its own.
    pub(crate) const fn new(method: Method, path: &'static str, kind: Kind, access: Access, handler: Handler) -> Self {
        Self {
            method,
            path,
            kind,
            access,
            parameters: &[],
            is_open_to_operator: false,
            is_in_own_namespace: false,
            principal_in: None,
            handler,
        }
    }

    /// The same with parameters.
    pub(crate) const fn taking(mut self, parameters: &'static [&'static str]) -> Self {
        self.parameters = parameters;
        self
    }

    /// The same, about the namespace of the credential.
    pub(crate) const fn in_own_namespace(mut self) -> Self {
        self.is_in_own_namespace = true;
        self
    }

    /// The same for one that names a principal.
    pub(crate) const fn naming_principal(mut self, place: PrincipalIn) -> Self {
        self.principal_in = Some(place);
        self
    }

    /// The same for what another service reports.
    pub(crate) const fn for_events(mut self) -> Self {
        self.kind = Kind::Event;
        self
    }

    /// The same, open to a reading key of the operator's.
    pub(crate) const fn for_operator_too(mut self) -> Self {
        self.is_open_to_operator = true;
        self
    }
}

/// The tables of all parts.
const TABLES: &[&[Endpoint]] = &[
    oauth::ENDPOINTS,
    api::ENDPOINTS,
    api::tokenroute::ENDPOINTS,
    billing::ENDPOINTS,
    openapi::ENDPOINTS,
    web::ENDPOINTS,
];

/// Every endpoint.
pub fn all_endpoints() -> impl Iterator<Item = &'static Endpoint> {
    TABLES.iter().copied().flatten()
}

/// What stands at a path.
pub(crate) enum Found {
    /// This endpoint, with what stands for its ids.
    Endpoint(&'static Endpoint, Vec<String>),
    /// Only other methods: these, of which this is one endpoint.
    OtherMethods(&'static Endpoint, Vec<&'static Method>),
    /// Nothing.
    Nothing,
}

/// The endpoint of `method` at `path`. Where several patterns fit, the one with the fewest names is meant.
pub(crate) fn find(method: &Method, path: &str) -> Found {
    let wanted = if *method == Method::HEAD { &Method::GET } else { method };
    let mut best: Vec<(&'static Endpoint, Vec<String>)> = Vec::new();
    for endpoint in all_endpoints() {
        let Some(params) = matched(endpoint.path, path) else { continue };
        match best.first().map(|(_, known)| known.len()) {
            Some(known) if params.len() > known => continue,
            Some(known) if params.len() < known => best.clear(),
            _ => {}
        }
        best.push((endpoint, params));
    }
    if let Some(place) = best.iter().position(|(endpoint, _)| endpoint.method == *wanted) {
        let (endpoint, params) = best.swap_remove(place);
        return Found::Endpoint(endpoint, params);
    }
    let methods = best.iter().map(|(endpoint, _)| &endpoint.method).collect();
    best.first().map_or(Found::Nothing, |(endpoint, _)| Found::OtherMethods(endpoint, methods))
}

/// What stands in `path` for each `{…}` of `pattern`; `None` where it does not fit. Nothing is decoded: an id needs no
/// escape, so that one which has some is none.
fn matched(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut wanted, mut sent) = (pattern.split('/'), path.split('/'));
    let mut params = Vec::new();
    loop {
        match (wanted.next(), sent.next()) {
            (None, None) => return Some(params),
            (Some(name), Some(segment)) if name.starts_with("{*") => {
                let rest: Vec<&str> = std::iter::once(segment).chain(sent).collect();
                params.push(rest.join("/"));
                return Some(params);
            }
            (Some(name), Some(segment)) if name.starts_with('{') => {
                if segment.is_empty() {
                    return None;
                }
                params.push(segment.to_owned());
            }
            (Some(wanted), Some(segment)) if wanted == segment => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_segments() {
        assert_eq!(matched("/a/{x}/b/{y}", "/a/1/b/2"), Some(vec!["1".to_owned(), "2".to_owned()]));
        assert_eq!(matched("/a", "/a"), Some(vec![]));
        assert_eq!(matched("/a/{*x}", "/a/1/2"), Some(vec!["1/2".to_owned()]));
        assert_eq!(matched("/a/{*x}", "/a"), None);
        for path in ["/a/1/b", "/a//b/2", "/a/1/b/2/", "/a/1/c/2", "/A/1/b/2"] {
            assert_eq!(matched("/a/{x}/b/{y}", path), None, "{path}");
        }
    }

    #[test]
    fn no_line_stands_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for endpoint in all_endpoints() {
            assert!(seen.insert((endpoint.path, endpoint.method.to_string())), "{} {}", endpoint.method, endpoint.path);
        }
    }
}
