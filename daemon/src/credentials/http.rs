//! Calls to an account's server: one client, made when it is first needed; system roots, the proxies that providers are
//! reached through, no redirects, every reply bounded, every wait too.
//!
//! Whatever is sent here may hold a secret. So a server on this machine is spoken to only where the kernel says that its
//! listener is the expected user's ([`LocalUid`]), and the connection is made to an address at which that was seen.

use std::{net::IpAddr, time::Duration};

use bitrouter_gateway::{ProxyRules, ProxySettings, trusted_tls, untrusting_tls};
use bitrouter_proto::VERSION;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use reqwest::{Client, Url, redirect};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use tokio::sync::Mutex;

use super::{issuer::is_loopback, rest::IDEMPOTENCY_KEY};
use crate::listener::{PortUid, who_listens};

/// The longest reply that is read, bytes: a whole list of what a namespace may hold at most fits.
const LONGEST: usize = 16 << 20;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// The client. It keeps no connection open: calls are rare, and a kept one can be gone without a word.
pub(crate) struct Http {
    proxies: ProxyRules,
    /// For https, with the system's certificates. Dropped after a failure, so that changed certificates are read.
    tls: Mutex<Option<Client>>,
}

/// The address of a proxy can hold a password.
impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Http")
    }
}

/// Whose listener a server on this machine must be. Other servers are known by their certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LocalUid {
    /// This user's.
    Only(u32),
    /// The user's of this daemon: nobody wrote down another one.
    Own,
    /// Anybody's whom the kernel names: at sign-in, where the answer is kept.
    Any,
}

/// One call.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) url: &'a Url,
    pub(super) body: Option<Body>,
    /// The `Idempotency-Key` of a call that makes something.
    pub(super) once: Option<&'a HeaderValue>,
    pub(super) bearer: Option<&'a SecretString>,
    /// The whole call, reply included.
    pub(super) within: Duration,
}

/// What is sent.
#[derive(Debug)]
pub(super) enum Body {
    /// Form-encoded (RFC 6749 appendix B).
    Form(SecretString),
    /// JSON.
    Json(SecretString),
}

impl Body {
    fn parts(&self) -> (&'static str, &SecretString) {
        match self {
            Self::Form(text) => ("application/x-www-form-urlencoded", text),
            Self::Json(text) => ("application/json", text),
        }
    }
}

/// What a server answered. Its body can hold tokens: it cannot be printed.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: SecretSlice<u8>,
}

/// Why there is no reply. The texts are ours, for people.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// Nothing was sent.
    #[error("{0}")]
    Unreachable(String),
    /// We do not speak to what is there.
    #[error("{0}")]
    Refused(String),
    /// It was sent, and no whole reply came: what the server made of it is not known.
    #[error("{0}")]
    Lost(String),
}

impl CallError {
    /// True where the server may have acted on it.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_))
    }
}

impl Http {
    /// A client that goes through these proxies.
    pub(crate) fn new(proxies: &ProxySettings) -> Self {
        Self { proxies: ProxyRules::new(proxies), tls: Mutex::default() }
    }

    /// Sends `call` and reads the reply.
    ///
    /// # Errors
    /// Where there is none, or we do not speak to what is there.
    pub(super) async fn call(&self, call: Call<'_>, uid: LocalUid) -> Result<Reply, CallError> {
        let within = call.within;
        let host = shown(call.url);
        let mut sent = false;
        match tokio::time::timeout(within, self.try_call(call, uid, &mut sent)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let reason = format!("`{host}` did not answer within {} s", within.as_secs());
                Err(if sent { CallError::Lost(reason) } else { CallError::Unreachable(reason) })
            }
        }
    }

    async fn try_call(&self, call: Call<'_>, uid: LocalUid, sent: &mut bool) -> Result<Reply, CallError> {
        let host = shown(call.url);
        let at = look_at_listener(call.url, uid)?;
        let is_tls = call.url.scheme() == "https";
        let client = if is_tls && at.is_none() {
            self.tls_client(call.url).await?
        } else {
            local_client(call.url, at, is_tls).await?
        };
        let mut request = client.request(call.method, call.url.clone()).header(header::ACCEPT, "application/json");
        if let Some((kind, text)) = call.body.as_ref().map(Body::parts) {
            request = request.header(header::CONTENT_TYPE, kind).body(text.expose_secret().to_owned());
        }
        if let Some(key) = call.once {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        if let Some(token) = call.bearer {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
                .map_err(|_| CallError::Refused("the credential holds what no header can".to_owned()))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let (status, headers, body) = self.exchange(&host, request, sent).await?;
        Ok(Reply { status, headers, body: body.into() })
    }

    /// Sends what the node says to a server that its operator has named, and reads the reply. Whose listener it is on this
    /// machine, the operator's word says.
    ///
    /// # Errors
    /// Where there is no whole reply.
    pub(crate) async fn pass_on(
        &self,
        request: http::Request<Bytes>,
        within: Duration,
    ) -> Result<http::Response<Bytes>, CallError> {
        let (head, body) = request.into_parts();
        let url: Url = head
            .uri
            .to_string()
            .parse()
            .map_err(|_| CallError::Refused("the address of the server is none".to_owned()))?;
        let host = shown(&url);
        let mut sent = false;
        let answered = async {
            let client = if url.scheme() == "https" {
                self.tls_client(&url).await?
            } else {
                local_client(&url, None, false).await?
            };
            let request = client.request(head.method, url).headers(head.headers).body(body);
            self.exchange(&host, request, &mut sent).await
        };
        let (status, headers, body) = tokio::time::timeout(within, answered).await.unwrap_or_else(|_| {
            let reason = format!("`{host}` did not answer within {} s", within.as_secs());
            Err(if sent { CallError::Lost(reason) } else { CallError::Unreachable(reason) })
        })?;
        let mut response = http::Response::new(Bytes::from(body));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::BAD_GATEWAY);
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// Sends a request and reads the whole reply: status, headers and body.
    async fn exchange(
        &self,
        host: &str,
        request: reqwest::RequestBuilder,
        sent: &mut bool,
    ) -> Result<(u16, HeaderMap, Vec<u8>), CallError> {
        *sent = true;
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                let reason = said(host, &error);
                if error.is_connect() || error.is_builder() {
                    *self.tls.lock().await = None;
                    return Err(CallError::Unreachable(reason));
                }
                return Err(CallError::Lost(reason));
            }
        };
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= LONGEST => body.extend_from_slice(&chunk),
                Ok(Some(_)) => return Err(CallError::Lost(format!("the reply of `{host}` is longer than 16 MiB"))),
                Ok(None) => break,
                Err(error) => return Err(CallError::Lost(said(host, &error))),
            }
        }
        Ok((status, headers, body))
    }

    async fn tls_client(&self, url: &Url) -> Result<Client, CallError> {
        // A proxy that cannot be used is an error, and not a way around it.
        proxy_of(&self.proxies, url).map_err(CallError::Unreachable)?;
        let mut kept = self.tls.lock().await;
        if let Some(client) = kept.as_ref() {
            return Ok(client.clone());
        }
        let tls = trusted_tls().await.map_err(CallError::Unreachable)?;
        let proxy = self.proxies.of("any.invalid", 443).ok().flatten();
        let mut builder = plain_builder().tls_backend_preconfigured((*tls).clone());
        if let Some(through) = proxy {
            let rules = self.proxies.clone();
            let address = through.address.clone();
            let mut proxy =
                reqwest::Proxy::custom(move |url| matches!(proxy_of(&rules, url), Ok(true)).then(|| address.clone()));
            if let Some(value) = through.authorization {
                proxy = proxy.custom_http_auth(value);
            }
            builder = builder.proxy(proxy);
        }
        let client = builder.build().map_err(|error| CallError::Unreachable(said(&shown(url), &error)))?;
        Ok(kept.insert(client).clone())
    }
}

/// True where the call goes through the proxy.
fn proxy_of(rules: &ProxyRules, url: &Url) -> Result<bool, String> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    Ok(rules.of(host, url.port_or_known_default().unwrap_or(443))?.is_some())
}

fn plain_builder() -> reqwest::ClientBuilder {
    Client::builder()
        .user_agent(format!("bitrouter/{VERSION}"))
        .redirect(redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(0)
        .no_proxy()
}

/// A client for one call to this machine: its name leads to the address at which the right listener was seen.
async fn local_client(url: &Url, at: Option<IpAddr>, is_tls: bool) -> Result<Client, CallError> {
    let fail = |error: String| CallError::Unreachable(error);
    let tls = if is_tls { (*trusted_tls().await.map_err(fail)?).clone() } else { untrusting_tls().map_err(fail)? };
    let mut builder = plain_builder().tls_backend_preconfigured(tls);
    if let (Some(at), Some(name)) = (at, url.host_str()) {
        builder = builder.resolve(name, (at, 0).into());
    }
    builder.build().map_err(|error| CallError::Unreachable(said(&shown(url), &error)))
}

/// Asks the kernel who listens where the call goes, where that is this machine. The address that its name means then.
fn look_at_listener(url: &Url, wanted: LocalUid) -> Result<Option<IpAddr>, CallError> {
    if !is_loopback(url) {
        return Ok(None);
    }
    let host = shown(url);
    let own = rustix::process::geteuid().as_raw();
    match (who_listens(url.port_or_known_default().unwrap_or(0)), wanted) {
        (PortUid::One(uid, at), LocalUid::Only(wanted)) if uid == wanted => Ok(Some(at)),
        (PortUid::One(uid, at), LocalUid::Own) if uid == own => Ok(Some(at)),
        (PortUid::One(uid, _), LocalUid::Own) => Err(CallError::Refused(format!(
            "uid {uid} listens at `{host}`, not uid {own} as this daemon: no credential is sent there"
        ))),
        (PortUid::One(_, at), LocalUid::Any) => Ok(Some(at)),
        (PortUid::One(uid, _), LocalUid::Only(wanted)) => Err(CallError::Refused(format!(
            "uid {uid} listens at `{host}`, where uid {wanted} did at sign-in: no credential is sent there"
        ))),
        (PortUid::Nobody, _) => Err(CallError::Unreachable(format!("nothing listens at `{host}`"))),
        (PortUid::Several, _) => Err(CallError::Refused(format!(
            "processes of several users listen at the port of `{host}`: no credential is sent there"
        ))),
        (PortUid::Unknown, _) => Err(CallError::Refused(format!(
            "the kernel does not tell whose process listens at `{host}`: no credential is sent there"
        ))),
    }
}

/// The uid that listens at `url`, where that is this machine and the kernel names one.
pub(super) fn uid_at(url: &Url) -> Option<u32> {
    match who_listens(url.port_or_known_default()?) {
        PortUid::One(uid, _) if is_loopback(url) => Some(uid),
        _ => None,
    }
}

/// Says why a credential may not go to `url`: for calls that others make.
///
/// # Errors
/// Where it may not.
pub(super) fn may_go_to(url: &Url, wanted: LocalUid) -> Result<(), CallError> {
    look_at_listener(url, wanted).map(drop)
}

/// Host and port, for people.
pub(super) fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// What went wrong at the bottom of it, without the URL.
fn said(host: &str, error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let what = if error.is_connect() {
        "cannot connect to"
    } else if error.is_timeout() {
        "no answer in time from"
    } else {
        "no whole reply from"
    };
    let mut text = cause.to_string();
    if std::ptr::addr_eq(cause, std::ptr::from_ref(error)) {
        "the call failed".clone_into(&mut text);
    }
    format!("{what} `{host}`: {text}")
}

/// A form (application/x-www-form-urlencoded).
pub(super) fn form(pairs: &[(&str, &str)]) -> SecretString {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        encode(name, &mut text);
        text.push('=');
        encode(value, &mut text);
    }
    text.into()
}

/// Writes a word as it stands in a form or a query.
pub(super) fn encode(word: &str, text: &mut String) {
    for byte in word.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => text.push(char::from(byte)),
            b' ' => text.push('+'),
            _ => {
                text.push('%');
                for half in [byte >> 4, byte & 15] {
                    text.extend(char::from_digit(half.into(), 16).map(|digit| digit.to_ascii_uppercase()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_encoded_as_a_form() {
        let text = form(&[("scope", "a:b *c"), ("x", "\u{e9}&=%+~")]);
        assert_eq!(text.expose_secret(), "scope=a%3Ab+*c&x=%C3%A9%26%3D%25%2B%7E");
    }

    #[test]
    fn a_listener_of_another_user_is_not_spoken_to() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url: Url = format!("http://localhost:{}", listener.local_addr().unwrap().port()).parse().unwrap();
        let own = rustix::process::geteuid().as_raw();
        assert!(look_at_listener(&url, LocalUid::Only(own)).unwrap().is_some_and(|at| at.is_ipv4()));
        assert!(look_at_listener(&url, LocalUid::Any).is_ok() && uid_at(&url) == Some(own));
        let refused = look_at_listener(&url, LocalUid::Only(own + 1)).unwrap_err();
        assert!(matches!(&refused, CallError::Refused(text) if text.contains(&format!("uid {own}"))), "{refused}");
        drop(listener);
        assert!(matches!(look_at_listener(&url, LocalUid::Only(own)), Err(CallError::Unreachable(_))));
        assert_eq!(look_at_listener(&"https://far.example".parse().unwrap(), LocalUid::Only(own)).unwrap(), None);
    }
}
