//! The proxy for https: which calls go through it, and how it is asked.

use std::sync::Arc;

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{UpstreamError, UpstreamOrigin, no_proxy::NoProxy};
use crate::host::bracketed;

/// `HTTPS_PROXY` and `NO_PROXY` as they are set. The address can hold a password: there is no `Debug`.
#[derive(Clone, Default)]
pub struct ProxySettings {
    /// `HTTPS_PROXY`.
    pub https: Option<String>,
    /// `NO_PROXY`.
    pub no_proxy: Option<String>,
}

/// The parsed settings.
pub(crate) enum Proxy {
    /// None is set.
    Direct,
    /// One is set.
    Through(Intercept, NoProxy),
    /// What is set is no address; calls that would need it fail, and never go around it.
    Unusable(NoProxy),
}

impl Proxy {
    pub(crate) fn new(settings: &ProxySettings) -> Self {
        let Some(https) = settings.https.as_deref().filter(|text| !text.is_empty()) else { return Self::Direct };
        let no_proxy = NoProxy::parse(settings.no_proxy.as_deref().unwrap_or_default());
        let anywhere = Matcher::builder().https(https.to_owned()).build();
        let found = anywhere
            .intercept(&Uri::from_static("https://provider.invalid/"))
            .filter(|found| matches!(found.uri().scheme_str(), Some("http" | "https")) && found.uri().host().is_some());
        match found {
            Some(intercept) => Self::Through(intercept, no_proxy),
            None => Self::Unusable(no_proxy),
        }
    }

    /// The proxy that a call to `origin` goes through.
    pub(super) fn intercept(&self, origin: &UpstreamOrigin) -> Result<Option<&Intercept>, UpstreamError> {
        if !origin.tls || origin.is_loopback() {
            return Ok(None);
        }
        let (Self::Through(_, direct) | Self::Unusable(direct)) = self else { return Ok(None) };
        if direct.covers(&origin.host, origin.port) {
            return Ok(None);
        }
        match self {
            Self::Through(intercept, _) => Ok(Some(intercept)),
            _ => Err(UpstreamError::ProxyAddress),
        }
    }
}

/// The same rules for calls besides those to providers. Cloning shares them.
#[derive(Clone)]
pub struct ProxyRules(Arc<Proxy>);

impl std::fmt::Debug for ProxyRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProxyRules")
    }
}

/// The proxy that a call goes through. Its authorization is a password: there is no `Debug`.
#[derive(Clone)]
pub struct ThroughProxy {
    /// Its address, without name and password.
    pub address: String,
    /// `Proxy-Authorization`, where it wants one.
    pub authorization: Option<http::HeaderValue>,
}

impl ProxyRules {
    /// What the settings mean.
    pub fn new(settings: &ProxySettings) -> Self {
        Self(Arc::new(Proxy::new(settings)))
    }

    /// The proxy that an https call to `host` (without brackets) goes through; `None` where it goes directly.
    ///
    /// # Errors
    /// Where one is set that is no address: what needs it never goes around it.
    pub fn of(&self, host: &str, port: u16) -> Result<Option<ThroughProxy>, String> {
        let found = self.0.intercept(&UpstreamOrigin::new(true, host, port)).map_err(|error| error.to_string())?;
        Ok(found.map(|through| ThroughProxy {
            address: through.uri().to_string(),
            authorization: through.basic_auth().cloned(),
        }))
    }
}

/// The longest head that a proxy may answer with.
const LONGEST_HEAD: usize = 8 << 10;

/// Asks the proxy at the other end of `stream` for a tunnel to `host`, which has no brackets.
pub(super) async fn tunnel<S>(stream: &mut S, through: &Intercept, host: &str, port: u16) -> Result<(), UpstreamError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let fail = |reason: String| UpstreamError::Proxy {
        proxy: through.uri().authority().map(ToString::to_string).unwrap_or_default(),
        host: host.to_owned(),
        reason,
    };
    let host = bracketed(host);
    let mut ask = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
    if let Some(auth) = through.basic_auth() {
        ask.extend_from_slice(b"Proxy-Authorization: ");
        ask.extend_from_slice(auth.as_bytes());
        ask.extend_from_slice(b"\r\n");
    }
    ask.extend_from_slice(b"\r\n");
    stream.write_all(&ask).await.map_err(|error| fail(error.to_string()))?;
    stream.flush().await.map_err(|error| fail(error.to_string()))?;
    let mut head = Vec::with_capacity(256);
    // Byte by byte: what follows the head belongs to the tunnel.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= LONGEST_HEAD {
            return Err(fail("its answer is too long".to_owned()));
        }
        let byte = stream.read_u8().await.map_err(|_| fail("it closed the connection".to_owned()))?;
        head.push(byte);
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let http = words.next().is_some_and(|word| word.starts_with(b"HTTP/1."));
    match words.next().and_then(|word| std::str::from_utf8(word).ok()?.parse::<u16>().ok()) {
        Some(200..=299) if http => Ok(()),
        Some(407) if http => {
            Err(fail("it wants a name and password; put them into HTTPS_PROXY (http://user:password@host:port)".into()))
        }
        Some(status) if http => Err(fail(format!("it answered {status}"))),
        _ => Err(fail("it does not speak HTTP".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> UpstreamOrigin {
        let uri: Uri = url.parse().unwrap();
        let host = uri.host().unwrap().trim_matches(['[', ']']).to_owned();
        UpstreamOrigin::new(uri.scheme_str() == Some("https"), &host, uri.port_u16().unwrap_or(443))
    }

    fn proxy(https: &str, no_proxy: &str) -> Proxy {
        Proxy::new(&ProxySettings { https: Some(https.into()), no_proxy: Some(no_proxy.into()) })
    }

    #[test]
    fn https_goes_through_the_proxy_and_loopback_never_does() {
        let proxy = proxy("http://p:8080", "inside.example,10.0.0.0/8");
        for (url, through) in [
            ("https://api.example", true),
            ("https://x.inside.example", false),
            ("https://10.2.3.4", false),
            ("https://localhost:9", false),
            ("https://127.0.0.1:9", false),
            ("https://[::1]:9", false),
            ("http://127.0.0.1:9", false),
        ] {
            assert_eq!(proxy.intercept(&origin(url)).unwrap().is_some(), through, "{url}");
        }
    }

    #[test]
    fn an_unusable_proxy_is_an_error_and_not_a_way_around() {
        for bad in ["socks5://p:1", "::::", "http://"] {
            let proxy = proxy(bad, "free.example");
            assert!(proxy.intercept(&origin("https://api.example")).is_err(), "{bad}");
            assert!(proxy.intercept(&origin("https://free.example")).unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn a_tunnel_is_asked_for_with_the_password_and_refusals_are_told() {
        for (answer, expected) in [
            ("HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n", None),
            ("HTTP/1.1 407 No\r\n\r\n", Some("wants a name and password")),
            ("HTTP/1.1 503 No\r\n\r\n", Some("answered 503")),
            ("SSH-2.0\r\n\r\n", Some("does not speak HTTP")),
            ("HTTP/1.1 200", Some("closed the connection")),
        ] {
            let Proxy::Through(through, _) = proxy("http://me:secret@p:8080", "") else { panic!("usable") };
            let (mut ours, mut theirs) = tokio::io::duplex(4096);
            theirs.write_all(answer.as_bytes()).await.unwrap();
            theirs.write_all(if expected.is_none() { b"tunnel" } else { b"" }).await.unwrap();
            let (mut asked, writing) = tokio::io::split(theirs);
            if expected == Some("closed the connection") {
                let mut writing = writing;
                writing.shutdown().await.unwrap();
            }
            let result = tunnel(&mut ours, &through, "api.example", 443).await;
            match expected {
                None => {
                    result.unwrap();
                    let mut rest = [0; 6];
                    ours.read_exact(&mut rest).await.unwrap();
                    assert_eq!(&rest, b"tunnel");
                }
                Some(expected) => {
                    let text = result.unwrap_err().to_string();
                    assert!(text.contains(expected) && !text.contains("secret"), "{text}");
                }
            }
            drop(ours);
            let mut ask = String::new();
            asked.read_to_string(&mut ask).await.unwrap();
            assert!(ask.starts_with("CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n"), "{ask}");
            assert!(ask.contains("Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"), "{ask}");
        }
    }
}
