//! TLS to providers: rustls with ring and the certificates that the system trusts, read at the first use and again after
//! a reload.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rustls::{CertificateError, ClientConfig, Error as TlsError, RootCertStore, crypto::ring};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Mutex,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::UpstreamError;

/// The TLS settings, once they are needed.
#[derive(Default)]
pub(super) struct Tls {
    config: Mutex<Option<Arc<ClientConfig>>>,
    stale: AtomicBool,
}

impl Tls {
    /// Has the certificates read again before the next handshake.
    pub(super) fn read_again(&self) {
        self.stale.store(true, Ordering::Release);
    }

    /// Speaks TLS over `stream` with `host`.
    pub(super) async fn handshake<S>(&self, host: &str, stream: S) -> Result<TlsStream<S>, UpstreamError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = self.config().await?;
        let fail = |reason: String| UpstreamError::Tls { host: host.to_owned(), reason };
        let name = ServerName::try_from(host.trim_end_matches('.').to_owned())
            .map_err(|_| fail("the host is not a name that a certificate can have".to_owned()))?;
        TlsConnector::from(config).connect(name, stream).await.map_err(|error| {
            let known = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
            fail(known.map_or_else(|| error.to_string(), in_words))
        })
    }

    /// The settings in force. What cannot be read again leaves those that were there; what was never read is tried
    /// again at the next call.
    async fn config(&self) -> Result<Arc<ClientConfig>, UpstreamError> {
        let mut held = self.config.lock().await;
        let stale = self.stale.swap(false, Ordering::AcqRel);
        if let Some(config) = held.as_ref()
            && !stale
        {
            return Ok(Arc::clone(config));
        }
        match (load().await, held.as_ref()) {
            (Ok(config), _) => Ok(Arc::clone(held.insert(config))),
            (Err(error), Some(config)) => {
                tracing::warn!(%error, "the trusted certificates could not be read again; those read before stay");
                Ok(Arc::clone(config))
            }
            (Err(error), None) => Err(error),
        }
    }
}

/// TLS with the certificates that the system trusts, read now: for calls besides those to providers.
///
/// # Errors
/// Where there are none; in words for people.
pub async fn trusted_tls() -> Result<Arc<ClientConfig>, String> {
    load().await.map_err(|error| error.to_string())
}

/// TLS that trusts nobody: for clients that only ever speak http to this machine.
///
/// # Errors
/// Never, but the library may say so.
pub fn untrusting_tls() -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// Reads the system's certificates.
async fn load() -> Result<Arc<ClientConfig>, UpstreamError> {
    let read = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs);
    let found = read.await.map_err(|_| UpstreamError::NoRoots)?;
    for error in &found.errors {
        tracing::warn!(%error, "some trusted certificates could not be read");
    }
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(added, ignored, "trusted certificates");
    if added == 0 {
        return Err(UpstreamError::NoRoots);
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| UpstreamError::Tls { host: String::new(), reason: error.to_string() })?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A failed handshake in words that say what to do.
fn in_words(error: &TlsError) -> String {
    let known = match error {
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "nobody whom this machine trusts issued its certificate; if the issuer is yours, put its certificate into the \
             file that SSL_CERT_FILE names and run `bitrouter reload`"
        }
        TlsError::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired; renew it, or set this machine's clock"
        }
        TlsError::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "its certificate is not valid yet; set this machine's clock"
        }
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            "its certificate is for another name; use a name that the certificate has (`subjectAltName`) in the address"
        }
        // The verifier's own error type is hidden behind this one.
        TlsError::InvalidCertificate(CertificateError::Other(other))
            if format!("{other:?}").contains("CaUsedAsEndEntity") =>
        {
            "it presents the certificate of an authority (`CA:TRUE`, which `openssl req -x509` writes unless told \
             otherwise) as its own; make the server's certificate with `-addext basicConstraints=critical,CA:FALSE`, or \
             have that authority sign one for the server"
        }
        TlsError::InvalidMessage(_) => "it does not speak TLS there; a server without TLS is reached over http",
        TlsError::PeerIncompatible(_) => {
            "it speaks no version or cipher of TLS that is safe (TLS 1.2 or 1.3 is needed)"
        }
        _ => return error.to_string(),
    };
    format!("{known} ({error})")
}

#[cfg(test)]
mod tests {
    use rustls::{InvalidMessage, OtherError};

    use super::*;

    #[derive(Debug)]
    struct Hidden(&'static str);

    impl std::fmt::Display for Hidden {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Hidden {}

    #[test]
    fn what_people_can_mend_is_said_in_words() {
        let certificate = |error| TlsError::InvalidCertificate(error);
        let other = |text| certificate(CertificateError::Other(OtherError(Arc::new(Hidden(text)))));
        for (error, expected) in [
            (certificate(CertificateError::UnknownIssuer), "SSL_CERT_FILE"),
            (certificate(CertificateError::BadSignature), "SSL_CERT_FILE"),
            (certificate(CertificateError::Expired), "expired"),
            (certificate(CertificateError::NotValidForName), "another name"),
            (other("CaUsedAsEndEntity"), "-addext basicConstraints=critical,CA:FALSE"),
            (TlsError::InvalidMessage(InvalidMessage::InvalidContentType), "does not speak TLS"),
        ] {
            let words = in_words(&error);
            assert!(words.contains(expected) && words.contains(&error.to_string()), "{words}");
        }
        assert!(!in_words(&other("SomethingElse")).contains("CA:FALSE"));
    }
}
