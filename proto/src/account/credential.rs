//! The credential of an account as its file holds it: the schema of every release, tagged with `kind` or not, written
//! tagged. Members that we do not know survive.

use std::{fmt, net::IpAddr, time::SystemTime};

use http::Uri;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock;

/// Beginnings of what we give out as credentials, and of the keys of tokenroute.
pub const OWN_PREFIXES: [&str; 4] = ["brk_", "bra_", "brr_", "sk-tr-"];

/// What is stored of a sign-in.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of them, behind an `Arc`")]
pub enum Credential {
    /// A session: an access token and mostly a refresh token.
    Oauth(OauthCredential),
    /// A key.
    ApiKey(ApiKeyCredential),
}

/// A session with an authorization server.
#[derive(Clone)]
pub struct OauthCredential {
    /// What calls are made with.
    pub access_token: SecretString,
    /// What the next pair of tokens is asked for with.
    pub refresh_token: Option<SecretString>,
    /// When the access token's time is over.
    pub expires_at: SystemTime,
    /// When the refresh token's time is over, where the server said.
    pub refresh_token_expires_at: Option<SystemTime>,
    /// `Bearer`.
    pub token_type: String,
    /// Separated by spaces (RFC 6749 §3.3).
    pub scope: String,
    /// The OAuth client that it was issued to.
    pub client_id: String,
    /// URL of the server that issued it, without a slash at its end. It is sent to no other.
    pub authorization_server: String,
    /// The namespace that it is baked to.
    pub namespace_id: Option<String>,
    /// The person behind it.
    pub subject: Option<String>,
    /// When the access token was issued, as our clock had it.
    pub issued_at: Option<SystemTime>,
    /// Which node issued it, where the server said.
    pub node_id: Option<String>,
    /// The uid that listened at a loopback issuer when it was signed in to.
    pub issuer_uid: Option<u32>,
    /// True where the node beside the daemon said that it had issued it: then it is sent over no socket, also while that
    /// node is off. Not written where false.
    pub own_node: bool,
    /// URL of the server that calls go to, without a slash at its end, where its own document said who issues its tokens; `None`:
    /// the issuer itself.
    pub api_url: Option<String>,
    /// What the tokens are for (RFC 8707), where that document said so, always the server at `api_url`: it is sent along when they
    /// are renewed.
    pub resource: Option<String>,
    /// Where that document said tokens are: they are renewed there while the document cannot be read.
    pub token_endpoint: Option<String>,
    unknown: Map<String, Value>,
}

/// A key of an account.
#[derive(Clone)]
pub struct ApiKeyCredential {
    /// `brk_…`.
    pub api_key: SecretString,
    /// URL of the server that it is for, without a slash at its end.
    pub base_url: String,
    /// The uid that listened at a loopback server when it was stored, where that was another one than the daemon's.
    pub issuer_uid: Option<u32>,
    unknown: Map<String, Value>,
}

/// Why a text is no credential. It never repeats any of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCredential {
    /// No JSON, or a member of the wrong type.
    #[error("it is not what a sign-in writes (line {line}, column {column})")]
    Shape {
        /// Where the reader stopped.
        line: usize,
        /// Where in that line.
        column: usize,
    },
    /// A kind that a later release writes.
    #[error("its `kind` is one that this release does not know")]
    Kind,
    /// A member that must be there is missing or empty.
    #[error("its member `{0}` is missing or cannot be read")]
    Member(&'static str),
    /// Its tokens are for another server than the one that calls would go to.
    #[error("its tokens are for another server (`resource`) than calls would go to (`api_url`); nothing is sent there")]
    Resource,
}

#[derive(Serialize, Deserialize)]
struct OauthDocument {
    #[serde(default)]
    kind: Option<String>,
    access_token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    expires_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token_expires_at: Option<String>,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    scope: Option<String>,
    client_id: String,
    authorization_server: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issued_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuer_uid: Option<u32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    own_node: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_endpoint: Option<String>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct ApiKeyDocument {
    kind: String,
    api_key: String,
    base_url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuer_uid: Option<u32>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// The kind alone, to tell the documents apart.
#[derive(Deserialize)]
struct Kind {
    #[serde(default)]
    kind: Option<String>,
}

const OAUTH: &str = "oauth";
const API_KEY: &str = "api_key";

impl Credential {
    /// Reads the content of a credential file.
    ///
    /// # Errors
    /// Where it is none that we know.
    pub fn parse(content: &[u8]) -> Result<Self, BadCredential> {
        let Kind { kind } = read(content)?;
        match kind.as_deref() {
            None | Some(OAUTH) => Ok(Self::Oauth(OauthCredential::of(read(content)?)?)),
            Some(API_KEY) => Ok(Self::ApiKey(ApiKeyCredential::of(read(content)?)?)),
            Some(_) => Err(BadCredential::Kind),
        }
    }

    /// The content of the file: pretty, tagged, with what was in it that we do not know.
    pub fn to_text(&self) -> SecretString {
        let text = match self {
            Self::Oauth(credential) => serde_json::to_string_pretty(&credential.document()),
            Self::ApiKey(credential) => serde_json::to_string_pretty(&credential.document()),
        };
        // Texts, numbers and values that were read as JSON make JSON.
        SecretString::from(text.unwrap_or_default() + "\n")
    }

    /// The server that it is for.
    pub fn server(&self) -> &str {
        match self {
            Self::Oauth(credential) => credential.server(),
            Self::ApiKey(credential) => &credential.base_url,
        }
    }
}

impl OauthCredential {
    /// A credential without the members that may be absent.
    pub fn new(
        access_token: SecretString,
        expires_at: SystemTime,
        client_id: impl Into<String>,
        authorization_server: &str,
    ) -> Self {
        Self {
            access_token,
            refresh_token: None,
            expires_at,
            refresh_token_expires_at: None,
            token_type: "Bearer".to_owned(),
            scope: String::new(),
            client_id: client_id.into(),
            authorization_server: authorization_server.trim_end_matches('/').to_owned(),
            namespace_id: None,
            subject: None,
            issued_at: None,
            node_id: None,
            issuer_uid: None,
            own_node: false,
            api_url: None,
            resource: None,
            token_endpoint: None,
            unknown: Map::new(),
        }
    }

    /// The server that calls go to.
    pub fn server(&self) -> &str {
        self.api_url.as_deref().unwrap_or(&self.authorization_server)
    }

    fn of(document: OauthDocument) -> Result<Self, BadCredential> {
        // A token goes where it is for, whoever wrote the file.
        if let Some(api_url) = document.api_url.as_deref().filter(|url| !url.is_empty())
            && !same_server(document.resource.as_deref().unwrap_or_default(), api_url)
        {
            return Err(BadCredential::Resource);
        }
        let optional = |name, at: Option<String>| at.map(|at| time(name, &at)).transpose();
        let present = |name, text: String| if text.is_empty() { Err(BadCredential::Member(name)) } else { Ok(text) };
        Ok(Self {
            access_token: bearer("access_token", document.access_token)?,
            refresh_token: document.refresh_token.filter(|token| !token.is_empty()).map(Into::into),
            expires_at: time("expires_at", &document.expires_at)?,
            refresh_token_expires_at: optional("refresh_token_expires_at", document.refresh_token_expires_at)?,
            token_type: document.token_type.unwrap_or_else(|| "Bearer".to_owned()),
            scope: document.scope.unwrap_or_default(),
            client_id: document.client_id,
            authorization_server: present("authorization_server", document.authorization_server)?
                .trim_end_matches('/')
                .to_owned(),
            namespace_id: document.namespace_id,
            subject: document.subject,
            issued_at: optional("issued_at", document.issued_at)?,
            node_id: document.node_id,
            issuer_uid: document.issuer_uid,
            own_node: document.own_node,
            api_url: document.api_url.map(|url| url.trim_end_matches('/').to_owned()).filter(|url| !url.is_empty()),
            resource: document.resource.filter(|resource| !resource.is_empty()),
            token_endpoint: document.token_endpoint,
            unknown: document.unknown,
        })
    }

    fn document(&self) -> OauthDocument {
        let secret = |token: &SecretString| token.expose_secret().to_owned();
        OauthDocument {
            kind: Some(OAUTH.to_owned()),
            access_token: secret(&self.access_token),
            refresh_token: self.refresh_token.as_ref().map(secret),
            expires_at: clock::rfc3339(self.expires_at),
            refresh_token_expires_at: self.refresh_token_expires_at.map(clock::rfc3339),
            token_type: Some(self.token_type.clone()),
            scope: Some(self.scope.clone()),
            client_id: self.client_id.clone(),
            authorization_server: self.authorization_server.clone(),
            namespace_id: self.namespace_id.clone(),
            subject: self.subject.clone(),
            issued_at: self.issued_at.map(clock::rfc3339),
            node_id: self.node_id.clone(),
            issuer_uid: self.issuer_uid,
            own_node: self.own_node,
            api_url: self.api_url.clone(),
            resource: self.resource.clone(),
            token_endpoint: self.token_endpoint.clone(),
            unknown: self.unknown.clone(),
        }
    }
}

impl ApiKeyCredential {
    /// A key for the server at `base_url`.
    pub fn new(api_key: SecretString, base_url: &str) -> Self {
        Self { api_key, base_url: base_url.trim_end_matches('/').to_owned(), issuer_uid: None, unknown: Map::new() }
    }

    fn of(document: ApiKeyDocument) -> Result<Self, BadCredential> {
        let api_key = bearer("api_key", document.api_key)?;
        if document.base_url.is_empty() {
            return Err(BadCredential::Member("base_url"));
        }
        let (unknown, issuer_uid) = (document.unknown, document.issuer_uid);
        Ok(Self { issuer_uid, unknown, ..Self::new(api_key, &document.base_url) })
    }

    fn document(&self) -> ApiKeyDocument {
        ApiKeyDocument {
            kind: API_KEY.to_owned(),
            api_key: self.api_key.expose_secret().to_owned(),
            base_url: self.base_url.clone(),
            issuer_uid: self.issuer_uid,
            unknown: self.unknown.clone(),
        }
    }
}

impl fmt::Debug for OauthCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OauthCredential")
            .field("authorization_server", &self.authorization_server)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ApiKeyCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeyCredential").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

fn read<'a, T: Deserialize<'a>>(content: &'a [u8]) -> Result<T, BadCredential> {
    serde_json::from_slice(content).map_err(|error| BadCredential::Shape { line: error.line(), column: error.column() })
}

/// True where both URLs are at one server: scheme, host and port, on this machine however its loopback address is spelled.
pub fn same_server(one: &str, other: &str) -> bool {
    let server = |text: &str| {
        let uri: Uri = text.parse().ok()?;
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let usual = match scheme.as_str() {
            "https" => 443,
            "http" => 80,
            _ => return None,
        };
        let host = uri.host()?.trim_matches(['[', ']']).to_ascii_lowercase();
        let is_loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let host = if is_loopback { "localhost".to_owned() } else { host };
        Some((scheme, host, uri.port_u16().unwrap_or(usual)))
    };
    server(one).is_some_and(|one| server(other) == Some(one))
}

/// What is sent in a header: nothing that none can carry.
fn bearer(member: &'static str, text: String) -> Result<SecretString, BadCredential> {
    let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(text.into()) } else { Err(BadCredential::Member(member)) }
}

fn time(member: &'static str, text: &str) -> Result<SystemTime, BadCredential> {
    let parsed = text.parse::<jiff::Timestamp>();
    // The last day of the calendar is beyond the last instant that is counted.
    let last = || {
        let date: jiff::civil::DateTime = text.strip_suffix('Z')?.parse().ok()?;
        (date.year() == 9999).then_some(jiff::Timestamp::MAX)
    };
    let at = parsed.ok().or_else(last).ok_or(BadCredential::Member(member))?;
    Ok(at.into())
}

#[cfg(test)]
mod tests;
