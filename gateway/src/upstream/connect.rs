//! A new connection: name, TCP (several addresses, staggered), proxy, TLS, HTTP.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    time::Duration,
};

use bitrouter_proto::clock;
use futures_util::stream::{FuturesUnordered, Stream, StreamExt as _};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout_at},
};

use super::{
    Proxy, UpstreamError, UpstreamOrigin, dns::Dns, http1_connection::Http1Connection, proxy::tunnel,
    public_address::is_public, stream::Transport, tls::Tls,
};

/// How long an address has before the next one is tried beside it.
const STAGGER: Duration = Duration::from_millis(250);

/// How long a family whose addresses are not known yet is waited for once every known address has failed.
const LATE_FAMILY: Duration = Duration::from_secs(1);

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

    /// Has the trusted certificates read again before the next connection.
    pub(crate) fn read_certificates_again(&self) {
        self.tls.read_again();
    }

    /// A connection to `origin` that is ready for a request, within `limit`.
    pub(super) async fn connect(
        &self,
        origin: &UpstreamOrigin,
        limit: Duration,
    ) -> Result<Box<Http1Connection>, UpstreamError> {
        let deadline = (clock::monotonic_now() + limit).into();
        let host = origin.host.as_str();
        let Some(through) = self.proxy.intercept(origin)? else {
            let tcp = self.tcp((host, origin.port), origin.only_public, deadline).await?;
            return within(deadline, origin, async {
                if origin.tls {
                    establish(origin, Transport::Tls(Box::new(self.tls.handshake(host, tcp).await?))).await
                } else {
                    establish(origin, Transport::Plain(tcp)).await
                }
            })
            .await;
        };
        let secure = through.uri().scheme_str() == Some("https");
        let proxy = through.uri().host().unwrap_or_default().trim_matches(['[', ']']);
        let port = through.uri().port_u16().unwrap_or(if secure { 443 } else { 80 });
        // The proxy is told the address that was looked at: what it would make of the name nobody knows.
        let pinned =
            if origin.only_public { Some(self.public_address(host, deadline).await?.to_string()) } else { None };
        let to = pinned.as_deref().unwrap_or(host);
        let mut tcp = self.tcp((proxy, port), false, deadline).await?;
        within(deadline, origin, async {
            let transport = if secure {
                let mut outer = self.tls.handshake(proxy, tcp).await?;
                tunnel(&mut outer, through, to, origin.port).await?;
                Transport::Nested(Box::new(self.tls.handshake(host, outer).await?))
            } else {
                tunnel(&mut tcp, through, to, origin.port).await?;
                Transport::Tls(Box::new(self.tls.handshake(host, tcp).await?))
            };
            establish(origin, transport).await
        })
        .await
    }

    /// The first public address of `host`.
    async fn public_address(&self, host: &str, deadline: Instant) -> Result<IpAddr, UpstreamError> {
        let no_name = || UpstreamError::DnsTime { host: host.to_owned() };
        timeout_at(deadline, async {
            let mut lookup = self.dns.lookup(host).await?;
            while let Some(address) = lookup.next().await {
                if is_public(address) {
                    return Ok(address);
                }
            }
            let host = host.to_owned();
            Err(if lookup.has_given() {
                UpstreamError::NotPublic { host }
            } else {
                UpstreamError::Dns { host, reason: lookup.failure() }
            })
        })
        .await
        .unwrap_or_else(|_| Err(no_name()))
    }

    async fn tcp(
        &self,
        (host, port): (&str, u16),
        only_public: bool,
        deadline: Instant,
    ) -> Result<TcpStream, UpstreamError> {
        let no_name = || UpstreamError::DnsTime { host: host.to_owned() };
        let lookup = timeout_at(deadline, self.dns.lookup(host)).await.map_err(|_| no_name())?;
        let mut lookup = lookup?;
        let may_be = |ip: &IpAddr| std::future::ready(!only_public || is_public(*ip));
        let addresses = (&mut lookup).filter(may_be).map(|ip| SocketAddr::new(ip, port));
        let made = timeout_at(deadline, staggered(addresses, TcpStream::connect)).await;
        match made {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map(|()| stream).map_err(|source| unconnected(host, port, source))
            }
            Ok(Err(Some(source))) => Err(unconnected(host, port, source)),
            Ok(Err(None)) if only_public && lookup.has_given() => {
                Err(UpstreamError::NotPublic { host: host.to_owned() })
            }
            Ok(Err(None)) => Err(UpstreamError::Dns { host: host.to_owned(), reason: lookup.failure() }),
            Err(_) if lookup.has_given() => Err(UpstreamError::ConnectTime { host: host.to_owned(), port }),
            Err(_) => Err(no_name()),
        }
    }

    /// True where something accepts a connection at `origin` within `limit`.
    pub(crate) async fn is_reachable(&self, origin: &UpstreamOrigin, limit: Duration) -> bool {
        self.tcp((&origin.host, origin.port), origin.only_public, (clock::monotonic_now() + limit).into()).await.is_ok()
    }
}

fn unconnected(host: &str, port: u16, source: io::Error) -> UpstreamError {
    UpstreamError::Connect { host: host.to_owned(), port, source }
}

/// HTTP over `transport`.
async fn establish(origin: &UpstreamOrigin, transport: Transport) -> Result<Box<Http1Connection>, UpstreamError> {
    let failed = |error| UpstreamError::exchange(&origin.host, &error);
    Http1Connection::new(TokioIo::new(transport.into())).await.map_err(failed)
}

async fn within<T>(
    deadline: Instant,
    origin: &UpstreamOrigin,
    work: impl Future<Output = Result<T, UpstreamError>>,
) -> Result<T, UpstreamError> {
    let late = || UpstreamError::ConnectTime { host: origin.host.clone(), port: origin.port };
    timeout_at(deadline, work).await.map_err(|_| late())?
}

/// Tries the addresses as they come, the next one beside the others when [`STAGGER`] has passed or the last one failed.
/// Fails with the last reason, `None` where there was no address.
async fn staggered<T, F>(
    mut addresses: impl Stream<Item = SocketAddr> + Unpin,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<T, Option<io::Error>>
where
    F: Future<Output = io::Result<T>>,
{
    let mut tries = FuturesUnordered::new();
    let (mut more, mut failure) = (true, None);
    let mut next_may_start = pin!(sleep(Duration::ZERO));
    loop {
        tokio::select! {
            biased;
            Some(result) = tries.next() => match result {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    failure = Some(error);
                    next_may_start.set(sleep(Duration::ZERO));
                }
            },
            address = async { next_may_start.as_mut().await; addresses.next().await }, if more => match address {
                Some(address) => {
                    tries.push(connect(address));
                    next_may_start.set(sleep(STAGGER));
                }
                None => more = false,
            },
            () = sleep(LATE_FAMILY), if more && tries.is_empty() && failure.is_some() => return Err(failure),
            else => return Err(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, pin::Pin};

    use futures_util::stream;

    use super::*;

    type Outcome = Pin<Box<dyn Future<Output = io::Result<u16>>>>;

    /// The paused clock.
    fn now() -> Instant {
        sleep(Duration::ZERO).deadline()
    }

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
            let start = now();
            let addresses = stream::iter(ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port))));
            let result = staggered(addresses, |address| play(address, &log)).await;
            assert_eq!(result.as_ref().ok().copied(), expected, "{ports:?}");
            assert_eq!(matches!(result, Err(None)), ports.is_empty());
            assert_eq!((now() - start).as_millis(), waited, "{ports:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_that_never_come_do_not_hide_why_the_others_failed() {
        let addresses = stream::iter([SocketAddr::from(([127, 0, 0, 1], 2))]).chain(stream::pending());
        let (log, start) = (RefCell::default(), now());
        assert!(matches!(staggered(addresses, |address| play(address, &log)).await, Err(Some(_))));
        assert_eq!((now() - start).as_millis(), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_comes_late_is_tried_when_it_comes() {
        let late = stream::once(async {
            sleep(Duration::from_millis(400)).await;
            SocketAddr::from(([127, 0, 0, 1], 1))
        });
        let addresses = stream::iter([SocketAddr::from(([127, 0, 0, 1], 2))]).chain(late);
        let (log, start) = (RefCell::default(), now());
        assert_eq!(staggered(Box::pin(addresses), |address| play(address, &log)).await.ok(), Some(1));
        assert_eq!(((now() - start).as_millis(), log.take()), (400, vec![2, 1]));
    }
}
