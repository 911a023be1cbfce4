//! A new connection: name, TCP (several addresses, staggered), proxy, TLS, HTTP.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Proxy, UpstreamError, dns::Dns, link::Link, proxy::tunnel, stream::Stream, tls::Tls};
use crate::registry::Origin;

/// How long an address has before the next one is tried beside it.
const STAGGER: Duration = Duration::from_millis(250);

/// Makes connections.
pub(crate) struct Connector {
    dns: Dns,
    tls: Tls,
    proxy: Proxy,
}

impl Connector {
    pub(crate) fn new(proxy: Proxy) -> Self {
        Self { dns: Dns::default(), tls: Tls::default(), proxy }
    }

    /// A connection to `origin` that is ready for a request, within `limit`.
    pub(super) async fn connect(&self, origin: &Origin, limit: Duration) -> Result<Box<Link>, UpstreamError> {
        let late = || UpstreamError::ConnectTime { host: origin.host.clone(), port: origin.port };
        tokio::time::timeout(limit, self.stand(origin)).await.map_err(|_| late())?
    }

    async fn stand(&self, origin: &Origin) -> Result<Box<Link>, UpstreamError> {
        let stream = match self.proxy.intercept(origin)? {
            None => {
                let tcp = self.tcp(&origin.host, origin.port).await?;
                if origin.tls {
                    Stream::Tls(Box::new(self.tls.handshake(&origin.host, tcp).await?))
                } else {
                    Stream::Plain(tcp)
                }
            }
            Some(through) => {
                let host = through.uri().host().unwrap_or_default().trim_matches(['[', ']']);
                let secure = through.uri().scheme_str() == Some("https");
                let port = through.uri().port_u16().unwrap_or(if secure { 443 } else { 80 });
                let mut tcp = self.tcp(host, port).await?;
                if secure {
                    let mut outer = self.tls.handshake(host, tcp).await?;
                    tunnel(&mut outer, &through, origin).await?;
                    Stream::Nested(Box::new(self.tls.handshake(&origin.host, outer).await?))
                } else {
                    tunnel(&mut tcp, &through, origin).await?;
                    Stream::Tls(Box::new(self.tls.handshake(&origin.host, tcp).await?))
                }
            }
        };
        let failed = |error| UpstreamError::exchange(&origin.host, &error);
        Link::new(TokioIo::new(stream)).await.map_err(failed)
    }

    async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream, UpstreamError> {
        let addresses = self.dns.lookup(host).await?;
        let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, port));
        let stream =
            staggered(addresses, TcpStream::connect).await.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
        stream.map_err(|source| UpstreamError::Connect { host: host.to_owned(), port, source })
    }

    /// True where something accepts a connection at `origin` within `limit`.
    pub(crate) async fn answers(&self, origin: &Origin, limit: Duration) -> bool {
        matches!(tokio::time::timeout(limit, self.tcp(&origin.host, origin.port)).await, Ok(Ok(_)))
    }
}

/// Tries the addresses in order, the next one beside the others when [`STAGGER`] has passed or the last one failed.
async fn staggered<T, F>(
    mut addresses: impl Iterator<Item = SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut tries = FuturesUnordered::new();
    tries.push(connect(addresses.next().ok_or_else(none)?));
    let mut more = true;
    loop {
        let next = tokio::select! {
            biased;
            Some(result) = tries.next() => match result {
                Ok(stream) => return Ok(stream),
                Err(error) => match addresses.next() {
                    Some(address) => address,
                    None if tries.is_empty() => return Err(error),
                    None => continue,
                },
            },
            () = tokio::time::sleep(STAGGER), if more => {
                let Some(address) = addresses.next() else {
                    more = false;
                    continue;
                };
                address
            }
        };
        tries.push(connect(next));
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, pin::Pin};

    use super::*;

    type Outcome = Pin<Box<dyn Future<Output = io::Result<u16>>>>;

    /// Ports stand for behaviours: 1 answers, 2 refuses, 3 hangs.
    fn play(address: SocketAddr, log: &RefCell<Vec<u16>>) -> Outcome {
        log.borrow_mut().push(address.port());
        match address.port() {
            1 => Box::pin(async { Ok(1) }),
            2 => Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) }),
            _ => Box::pin(std::future::pending()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_address_delays_and_a_refusing_one_does_not() {
        for (ports, expected, waited) in [
            (&[1u16, 3][..], Some(1), 0),
            (&[2, 2, 1], Some(1), 0),
            (&[3, 1], Some(1), 250),
            (&[3, 2, 1, 1], Some(1), 250),
            (&[2, 2], None, 0),
            (&[], None, 0),
        ] {
            let log = RefCell::default();
            let start = tokio::time::sleep(Duration::ZERO).deadline();
            let addresses = ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port)));
            let result = staggered(addresses, |address| play(address, &log)).await;
            assert_eq!(result.ok(), expected, "{ports:?}");
            let now = tokio::time::sleep(Duration::ZERO).deadline();
            assert_eq!((now - start).as_millis(), waited, "{ports:?}");
        }
    }
}
