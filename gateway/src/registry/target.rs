//! Where calls in one dialect go: the server, the paths, and which headers carry the key.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Uri};

use super::{
    BaseAddress, Manifest, RegistryError,
    auth::{extra_headers, key_header, scheme_before},
};
use crate::{
    protocol::{Dialect, Verb},
    upstream::UpstreamOrigin,
};

/// Where calls in one dialect go.
#[derive(Clone, Debug)]
pub struct Target {
    /// The server.
    pub origin: Arc<UpstreamOrigin>,
    /// The path below which everything stands, without a slash at its end.
    base: String,
    /// The paths that are the same for every call.
    fixed: Vec<(Verb, Uri)>,
    /// Where the models are listed.
    pub model_list: Uri,
    /// The `Host` header.
    pub host: HeaderValue,
    /// The header that carries the key.
    pub auth_header: HeaderName,
    /// What stands before the key, with its space.
    pub auth_prefix: String,
    /// Every header that carries a key at one of the provider's endpoints: in none of them may the caller's own go along.
    pub key_headers: Vec<HeaderName>,
    /// Headers that go with every request unless the caller sends the same.
    pub extra_headers: Vec<(HeaderName, HeaderValue)>,
    /// True where the user named the address (`base_url`, a manifest of their own). It may lead back to this machine or
    /// to another agent, so that such calls say through whose hands they went.
    pub user_set: bool,
}

impl Target {
    /// The target for calls in `dialect`; `None` where the manifest names no place for them. Connections are shared with
    /// `main` where the server is the same.
    pub(super) fn of(
        manifest: &Manifest,
        dialect: Dialect,
        main: &Arc<UpstreamOrigin>,
        user_set: bool,
    ) -> Result<Option<Self>, RegistryError> {
        let file = manifest.file.display();
        let auth = &manifest.auth;
        let (url, header, scheme, place) = match manifest.endpoints.get(&dialect) {
            Some(other) => {
                // A header of its own does not inherit the scheme of another header.
                let inherited = auth.scheme.as_deref().filter(|_| other.header.is_none());
                let header = other.header.as_deref().or(auth.header.as_deref());
                let place = format!("{file}: endpoints.{dialect}.url");
                (&other.url, header, other.scheme.as_deref().or(inherited), place)
            }
            None if manifest.protocols.contains(&dialect) => {
                (&manifest.endpoint, auth.header.as_deref(), auth.scheme.as_deref(), format!("{file}: endpoint"))
            }
            None => return Ok(None),
        };
        let fail = |reason| refused(&place, reason);
        let address = BaseAddress::parse(url).map_err(fail)?;
        let origin = UpstreamOrigin::new(address.tls, &address.host, address.port);
        let origin = if origin.url == main.url { Arc::clone(main) } else { Arc::new(origin) };
        let auth_header = key_header(header).map_err(fail)?;
        let others = manifest.endpoints.values().map(|endpoint| &endpoint.header).chain([&auth.header]);
        let uri = |path: &str| -> Result<Uri, RegistryError> {
            format!("{}{path}", address.path).parse().map_err(|_| fail("holds what cannot stand in a path"))
        };
        let fixed = dialect.rules().fixed_paths().iter().map(|(verb, path)| Ok((*verb, uri(path)?)));
        Ok(Some(Self {
            origin,
            fixed: fixed.collect::<Result<_, RegistryError>>()?,
            model_list: uri("/models")?,
            host: address.host_header,
            auth_prefix: scheme_before(scheme, &auth_header).map_err(fail)?,
            auth_header,
            key_headers: others.flatten().filter_map(|name| name.parse().ok()).collect(),
            extra_headers: extra_headers(auth).map_err(fail)?,
            user_set,
            base: address.path,
        }))
    }

    /// The same by other connections.
    pub(crate) fn by(&self, origin: Arc<UpstreamOrigin>) -> Self {
        Self { origin, ..self.clone() }
    }

    /// The same at another address of whoever's key it is; `None` where no path can be made of it.
    pub(crate) fn moved(&self, dialect: Dialect, to: &BaseAddress, origin: Arc<UpstreamOrigin>) -> Option<Self> {
        let uri = |path: &str| format!("{}{path}", to.path).parse::<Uri>().ok();
        let fixed = dialect.rules().fixed_paths().iter().map(|(verb, path)| Some((*verb, uri(path)?)));
        Some(Self {
            origin,
            base: to.path.clone(),
            fixed: fixed.collect::<Option<_>>()?,
            model_list: uri("/models")?,
            host: to.host_header.clone(),
            // What the node's owner adds to calls is not for a server that somebody else has chosen.
            extra_headers: if self.user_set { Vec::new() } else { self.extra_headers.clone() },
            user_set: true,
            ..self.clone()
        })
    }

    /// Where `verb` is, when its place is the same for every call.
    pub(crate) fn fixed(&self, verb: Verb) -> Option<&Uri> {
        self.fixed.iter().find(|(known, _)| *known == verb).map(|(_, uri)| uri)
    }

    /// `path` below the base address.
    pub(crate) fn below(&self, path: &str) -> Option<Uri> {
        format!("{}{path}", self.base).parse().ok()
    }
}

pub(super) fn refused(place: &str, reason: &str) -> RegistryError {
    RegistryError::Value { place: place.to_owned(), reason: reason.to_owned() }
}
