//! One provider, ready for use: where requests go and which headers carry its key.

use std::{collections::HashMap, sync::Arc};

use http::{HeaderName, HeaderValue, Uri, header};

use super::{Auth, Kind, Manifest, Model, Protocol, ProviderId, ProviderOverride, RegistryError, manifest::variable};

/// A server: scheme, host and port. Connections are shared by everything that has the same [`Origin::key`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Scheme, host and port as one text.
    pub key: Arc<str>,
    /// True for https.
    pub tls: bool,
    /// The host: a name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Origin {
    /// True where the host is this machine by its spelling.
    pub fn is_loopback(&self) -> bool {
        let host = self.host.trim_end_matches('.');
        host.eq_ignore_ascii_case("localhost")
            || host.to_ascii_lowercase().ends_with(".localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

/// Where one kind of request goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// The server.
    pub origin: Arc<Origin>,
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
}

/// A provider of a [`super::Catalog`].
#[derive(Clone, Debug)]
pub struct Provider {
    manifest: Manifest,
    variables: Vec<String>,
    enabled: bool,
    configured: bool,
    origin: Arc<Origin>,
    chat: Option<Target>,
    embeddings: Option<Target>,
    by_name: HashMap<String, usize>,
}

impl Provider {
    pub(super) fn new(
        mut manifest: Manifest,
        users_own: bool,
        over: Option<&ProviderOverride>,
    ) -> Result<Self, RegistryError> {
        let mut variables = vec![manifest.id.variable()];
        if let Some(env) = over.and_then(|over| over.env.as_ref()) {
            let place = || format!("[providers.{}] env", manifest.id);
            env.iter().try_for_each(|name| variable(name)).map_err(|reason| refused(&place(), reason))?;
            manifest.auth.env.clone_from(env);
        }
        for name in &manifest.auth.env {
            if !variables.contains(name) {
                variables.push(name.clone());
            }
        }
        let file = manifest.origin.display().to_string();
        let mut place = format!("{file}: endpoint");
        if let Some(url) = over.and_then(|over| over.base_url.as_ref()) {
            manifest.endpoint.clone_from(url);
            for endpoint in manifest.endpoints.values_mut() {
                endpoint.url.clone_from(url);
            }
            place = format!("[providers.{}] base_url", manifest.id);
        }
        let (origin, _, _) = split(&manifest.endpoint).map_err(|reason| refused(&place, reason))?;
        let base = match manifest.endpoints.get(&Protocol::ChatCompletions) {
            Some(other) => {
                let place = format!("{file}: endpoints.chat_completions.url");
                // A header of its own does not inherit the scheme of another header.
                let inherited = manifest.auth.scheme.as_ref().filter(|_| other.header.is_none());
                let header = other.header.as_ref().or(manifest.auth.header.as_ref());
                Some((other.url.as_str(), header, other.scheme.as_ref().or(inherited), place))
            }
            None if manifest.protocols.contains(&Protocol::ChatCompletions) => {
                let place = format!("{file}: endpoint");
                let auth = &manifest.auth;
                Some((manifest.endpoint.as_str(), auth.header.as_ref(), auth.scheme.as_ref(), place))
            }
            None => None,
        };
        let target = |path: &str| {
            let target = base.as_ref().map(|(url, header, scheme, place)| {
                build(url, path, header.map(String::as_str), scheme.map(String::as_str), &manifest, place)
            });
            target.transpose()
        };
        let (chat, embeddings) = (target("/chat/completions")?, target("/embeddings")?);
        let by_name = manifest.models.iter().enumerate().map(|(index, model)| (model.id.clone(), index)).collect();
        Ok(Self {
            by_name,
            variables,
            enabled: over.and_then(|over| over.enabled).unwrap_or(true),
            configured: users_own || over.is_some(),
            origin: Arc::new(origin),
            chat,
            embeddings,
            manifest,
        })
    }

    /// Its id.
    pub fn id(&self) -> &ProviderId {
        &self.manifest.id
    }

    /// Its name for people.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// What sort it is.
    pub fn kind(&self) -> Kind {
        self.manifest.kind
    }

    /// The manifest behind it, with the override's values.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What it speaks at its main endpoint.
    pub fn protocols(&self) -> &[Protocol] {
        &self.manifest.protocols
    }

    /// The variables that supply its key, best first: `BITROUTER_<ID>_API_KEY`, then the passthrough names.
    pub fn key_variables(&self) -> &[String] {
        &self.variables
    }

    /// False for the demo and for servers on this machine (a key is sent to those where one is found).
    pub fn needs_key(&self) -> bool {
        self.manifest.kind != Kind::Local && !self.is_demo()
    }

    /// False where the configuration switched it off.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// True where the user wrote a `[providers.x]` section or a manifest of their own.
    pub fn configured(&self) -> bool {
        self.configured
    }

    /// True for the built-in provider of demo mode.
    pub fn is_demo(&self) -> bool {
        self.manifest.id.as_str() == ProviderId::DEMO
    }

    /// The models it lists.
    pub fn models(&self) -> &[Model] {
        &self.manifest.models
    }

    /// The listed model with this name.
    pub fn model(&self, id: &str) -> Option<&Model> {
        self.by_name.get(id).map(|index| &self.manifest.models[*index])
    }

    /// The server of its main endpoint.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Where chat completions go; `None` where it does not speak OpenAI's dialect anywhere.
    pub fn chat(&self) -> Option<&Target> {
        self.chat.as_ref()
    }

    /// Where embeddings go; `None` as for [`Self::chat`].
    pub fn embeddings(&self) -> Option<&Target> {
        self.embeddings.as_ref()
    }
}

fn build(
    url: &str,
    path: &str,
    header: Option<&str>,
    scheme: Option<&str>,
    manifest: &Manifest,
    place: &str,
) -> Result<Target, RegistryError> {
    let fail = |reason| refused(place, reason);
    let (origin, base, host) = split(url).map_err(fail)?;
    let auth_header = auth_header(header).map_err(fail)?;
    let auth_prefix = scheme_before(scheme, &auth_header).map_err(fail)?;
    let others = manifest.endpoints.values().map(|endpoint| &endpoint.header).chain([&manifest.auth.header]);
    let key_headers = others.flatten().filter_map(|name| name.parse().ok()).collect();
    let uri = format!("{base}{path}");
    Ok(Target {
        origin: Arc::new(origin),
        uri: uri.parse().map_err(|_| fail("is not an address"))?,
        host,
        auth_header,
        auth_prefix,
        key_headers,
        extra_headers: extra_headers(&manifest.auth).map_err(fail)?,
    })
}

fn refused(place: &str, reason: &str) -> RegistryError {
    RegistryError::Value { place: place.to_owned(), reason: reason.to_owned() }
}

/// The header that carries the key.
pub(super) fn auth_header(name: Option<&str>) -> Result<HeaderName, &'static str> {
    name.map_or(Ok(header::AUTHORIZATION), |name| name.parse().map_err(|_| "is not the name of an HTTP header"))
}

/// What stands before the key in `header`, with its space.
pub(super) fn scheme_before(scheme: Option<&str>, header: &HeaderName) -> Result<String, &'static str> {
    let scheme = scheme.unwrap_or(if *header == header::AUTHORIZATION { "Bearer" } else { "" });
    HeaderValue::from_str(scheme).map_err(|_| "cannot stand in an HTTP header")?;
    Ok(if scheme.is_empty() { String::new() } else { format!("{scheme} ") })
}

/// The headers that go with every request.
pub(super) fn extra_headers(auth: &Auth) -> Result<Vec<(HeaderName, HeaderValue)>, &'static str> {
    let header = |(name, value): (&String, &String)| Some((name.parse().ok()?, HeaderValue::from_str(value).ok()?));
    let headers = auth.extra_headers.iter().map(header).collect::<Option<_>>();
    headers.ok_or("holds what cannot stand in an HTTP header")
}

/// Server, path without a trailing slash, and `Host` header of a base address.
pub(super) fn split(url: &str) -> Result<(Origin, String, HeaderValue), &'static str> {
    let uri: Uri = url.parse().map_err(|_| "is not an address; write https://host/v1")?;
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err("must begin with https:// (or http:// to this machine)"),
    };
    let authority = uri.authority().ok_or("has no host; write https://host/v1")?;
    if authority.as_str().contains('@') {
        return Err("must not hold a name or password; the key comes from a variable");
    }
    if uri.query().is_some() {
        return Err("must not hold a query");
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    if host.is_empty() || (authority.as_str().ends_with(':')) {
        return Err("has no host or an empty port; write https://host/v1");
    }
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let bracketed = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let scheme = if tls { "https" } else { "http" };
    let key = format!("{scheme}://{bracketed}:{port}").into();
    let origin = Origin { key, tls, host, port };
    if !tls && !origin.is_loopback() {
        return Err("uses http to another machine, which would send the key in clear; use https");
    }
    let default_port = port == if tls { 443 } else { 80 };
    let spelled = if default_port { bracketed } else { format!("{bracketed}:{port}") };
    let host = HeaderValue::from_str(&spelled).map_err(|_| "has no usable host")?;
    Ok((origin, uri.path().trim_end_matches('/').to_owned(), host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_address_is_split_once_and_for_all() {
        let (origin, path, host) = split("https://[2001:DB8::1]:8443/api/v1/").unwrap();
        assert_eq!((origin.host.as_str(), origin.port, origin.tls), ("2001:db8::1", 8443, true));
        assert_eq!((path.as_str(), host.to_str().unwrap()), ("/api/v1", "[2001:db8::1]:8443"));
        assert_eq!(&*origin.key, "https://[2001:db8::1]:8443");
    }

    #[test]
    fn plain_http_goes_only_to_this_machine() {
        for good in ["http://127.0.0.1:1/v1", "http://localhost/v1", "http://[::1]:3/v1", "http://127.9.9.9"] {
            assert!(split(good).is_ok(), "{good}");
        }
        for bad in [
            "http://example.com/v1",
            "http://10.0.0.1/v1",
            "http://localhost.example.com",
            "http://user@localhost/v1",
            "ftp://localhost",
            "https://",
            "example.com/v1",
            "https://h/v1?x=1",
        ] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }
}
