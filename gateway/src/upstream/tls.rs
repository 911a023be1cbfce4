//! TLS to providers: rustls with ring and the certificates that the system trusts, read at the first use.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::OnceCell,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::UpstreamError;

/// The TLS settings, once they are needed.
#[derive(Default)]
pub(super) struct Tls {
    config: OnceCell<Arc<ClientConfig>>,
}

impl Tls {
    /// Speaks TLS over `stream` with `host`.
    pub(super) async fn handshake<S>(&self, host: &str, stream: S) -> Result<TlsStream<S>, UpstreamError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = self.config.get_or_try_init(load).await?;
        let fail = |reason: String| UpstreamError::Tls { host: host.to_owned(), reason };
        let name = ServerName::try_from(host.trim_end_matches('.').to_owned())
            .map_err(|_| fail("the host is not a name that a certificate can have".to_owned()))?;
        TlsConnector::from(Arc::clone(config)).connect(name, stream).await.map_err(|error| {
            let text = error.to_string();
            let own = text.contains("UnknownIssuer");
            fail(if own { format!("{text}; if the issuer is yours, set SSL_CERT_FILE") } else { text })
        })
    }
}

/// Reads the system's certificates. A failure is not remembered: the next call tries again.
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
