//! Where one kind of request goes: the server, the path, and which headers carry the key.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Uri};

use super::{
    BaseAddress, Manifest, Protocol, RegistryError,
    auth::{extra_headers, key_header, scheme_before},
};
use crate::upstream::UpstreamOrigin;

/// Where one kind of request goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// The server.
    pub origin: Arc<UpstreamOrigin>,
    /// The path.
    pub uri: Uri,
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

/// The OpenAI-compatible endpoint of a provider, from which its targets are made.
pub(super) struct OpenAiEndpoint<'a> {
    manifest: &'a Manifest,
    place: String,
    address: BaseAddress,
    origin: Arc<UpstreamOrigin>,
    header: Option<&'a str>,
    scheme: Option<&'a str>,
    user_set: bool,
}

impl<'a> OpenAiEndpoint<'a> {
    /// The endpoint that `manifest` names for chat completions; `None` where it names none. Connections are shared with
    /// `main` where the server is the same.
    pub(super) fn of(
        manifest: &'a Manifest,
        main: &Arc<UpstreamOrigin>,
        user_set: bool,
    ) -> Result<Option<Self>, RegistryError> {
        let file = manifest.file.display();
        let auth = &manifest.auth;
        let (url, header, scheme, place) = match manifest.endpoints.get(&Protocol::ChatCompletions) {
            Some(other) => {
                // A header of its own does not inherit the scheme of another header.
                let inherited = auth.scheme.as_deref().filter(|_| other.header.is_none());
                let header = other.header.as_deref().or(auth.header.as_deref());
                let place = format!("{file}: endpoints.chat_completions.url");
                (&other.url, header, other.scheme.as_deref().or(inherited), place)
            }
            None if manifest.protocols.contains(&Protocol::ChatCompletions) => {
                (&manifest.endpoint, auth.header.as_deref(), auth.scheme.as_deref(), format!("{file}: endpoint"))
            }
            None => return Ok(None),
        };
        let address = BaseAddress::parse(url).map_err(|reason| refused(&place, reason))?;
        let origin = UpstreamOrigin::new(address.tls, &address.host, address.port);
        let origin = if origin.url == main.url { Arc::clone(main) } else { Arc::new(origin) };
        Ok(Some(Self { manifest, place, address, origin, header, scheme, user_set }))
    }

    /// The target below it at `path`.
    pub(super) fn target(&self, path: &str) -> Result<Target, RegistryError> {
        let fail = |reason| refused(&self.place, reason);
        let manifest = self.manifest;
        let auth_header = key_header(self.header).map_err(fail)?;
        let auth_prefix = scheme_before(self.scheme, &auth_header).map_err(fail)?;
        let others = manifest.endpoints.values().map(|endpoint| &endpoint.header).chain([&manifest.auth.header]);
        let uri = format!("{}{path}", self.address.path);
        Ok(Target {
            origin: Arc::clone(&self.origin),
            uri: uri.parse().map_err(|_| fail("holds what cannot stand in a path"))?,
            host: self.address.host_header.clone(),
            auth_header,
            auth_prefix,
            key_headers: others.flatten().filter_map(|name| name.parse().ok()).collect(),
            extra_headers: extra_headers(&manifest.auth).map_err(fail)?,
            user_set: self.user_set,
        })
    }
}

pub(super) fn refused(place: &str, reason: &str) -> RegistryError {
    RegistryError::Value { place: place.to_owned(), reason: reason.to_owned() }
}
