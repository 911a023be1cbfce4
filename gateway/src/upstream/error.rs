//! What can go wrong between us and a provider. The texts are ours: no key, no header, no body can be in them.

use std::io;

/// On whose side it went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The provider, or the way to it.
    Upstream,
    /// This machine: settings, certificates.
    Internal,
}

/// A failure of a call to a provider.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// The name has no address.
    #[error("cannot find the address of `{host}`: {reason}")]
    Dns {
        /// The name.
        host: String,
        /// Why not.
        reason: String,
    },
    /// Every address is one of a private network, or of this machine.
    #[error("`{host}` has no public address; `[node.byok] allow_private = true` allows others")]
    NotPublic {
        /// The host.
        host: String,
    },
    /// The name was not resolved within `[timeouts] connect`.
    #[error(
        "cannot find the address of `{host}`: no DNS server answered within `[timeouts] connect`; see /etc/resolv.conf"
    )]
    DnsTime {
        /// The name.
        host: String,
    },
    /// No connection.
    #[error("cannot connect to `{host}:{port}`: {source}")]
    Connect {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// The last reason.
        source: io::Error,
    },
    /// No connection within `[timeouts] connect`.
    #[error("cannot connect to `{host}:{port}`: no answer within `[timeouts] connect`")]
    ConnectTime {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// No TLS with the other side.
    #[error("no TLS with `{host}`: {reason}")]
    Tls {
        /// The host.
        host: String,
        /// Why not.
        reason: String,
    },
    /// No certificates to trust.
    #[error("no trusted certificates on this machine; install the package `ca-certificates` or set SSL_CERT_FILE")]
    NoRoots,
    /// The proxy said no.
    #[error("the proxy `{proxy}` did not connect to `{host}`: {reason}")]
    Proxy {
        /// The proxy's address, without its password.
        proxy: String,
        /// The host asked for.
        host: String,
        /// Why not.
        reason: String,
    },
    /// The proxy's address is unusable.
    #[error("HTTPS_PROXY is not an address like `http://host:port`")]
    ProxyAddress,
    /// The connection ended or spoke no HTTP before a reply came.
    #[error("`{host}` closed the connection without a reply: {reason}")]
    Exchange {
        /// The host.
        host: String,
        /// Why, as far as HTTP knows.
        reason: &'static str,
    },
}

impl UpstreamError {
    /// On whose side it went wrong.
    pub(crate) fn side(&self) -> Side {
        match self {
            Self::NoRoots | Self::ProxyAddress => Side::Internal,
            _ => Side::Upstream,
        }
    }

    /// True where the request never left: sending it again cannot do anything twice.
    pub(crate) fn retryable(&self) -> bool {
        !matches!(self, Self::Exchange { .. } | Self::NoRoots | Self::ProxyAddress)
    }

    /// True where a limit passed before there was a connection.
    pub(crate) fn is_connect_timeout(&self) -> bool {
        matches!(self, Self::DnsTime { .. } | Self::ConnectTime { .. })
    }

    /// What HTTP knows of a failed exchange, as a fixed text: hyper's own could quote the other side.
    pub(crate) fn exchange(host: &str, error: &hyper::Error) -> Self {
        let reason = if error.is_parse_too_large() {
            "the head of the reply is too long"
        } else if error.is_parse() {
            "the reply is not HTTP/1.1"
        } else if error.is_incomplete_message() {
            "it ended before the head of the reply"
        } else {
            "it broke"
        };
        Self::Exchange { host: host.to_owned(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_never_left_may_be_sent_again() {
        assert!(UpstreamError::Dns { host: "h".into(), reason: "r".into() }.retryable());
        let exchange = UpstreamError::Exchange { host: "h".into(), reason: "r" };
        assert!(!exchange.retryable());
        assert_eq!((exchange.side(), UpstreamError::NoRoots.side()), (Side::Upstream, Side::Internal));
    }
}
