//! Names to addresses: literals and `localhost` without asking, everything else by the system's own settings
//! (hosts file, resolv.conf), read at the first use and again after they changed: a laptop changes networks.
//!
//! Both families are asked for at once and used as they come (RFC 8305): a name server that never answers for one of
//! them costs 50 ms.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use futures_util::{
    future::{BoxFuture, FutureExt as _},
    stream::Stream,
};
use hickory_resolver::{
    TokioResolver,
    config::{LookupIpStrategy, ResolverConfig, ResolverOpts},
    net::runtime::TokioRuntimeProvider,
    system_conf::parse_resolv_conf,
};
use tokio::time::Sleep;

use super::UpstreamError;

/// Says which name servers are asked.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Names that need no name server.
const HOSTS: &str = "/etc/hosts";
/// How long IPv4 addresses wait for the answer about IPv6 (RFC 8305 §3).
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// When the files were last changed.
type Stamp = [Option<SystemTime>; 2];

/// One resolver a family: the question for one must not wait for the answer to the other.
#[derive(Clone)]
struct Resolvers {
    six: TokioResolver,
    four: TokioResolver,
}

/// The resolvers, once they are needed.
#[derive(Default)]
pub(super) struct Dns {
    current: Mutex<Option<(Stamp, Resolvers)>>,
}

impl Dns {
    /// The addresses of `host`, in the order in which to try them, as they come.
    pub(super) async fn lookup(&self, host: &str) -> Result<Lookup, UpstreamError> {
        if let Some(addresses) = without_asking(host) {
            return Ok(Lookup::known(addresses));
        }
        let fail = |reason: String| UpstreamError::Dns { host: host.to_owned(), reason };
        let resolvers = self.resolvers().await.map_err(fail)?;
        Ok(Lookup::asked(ask(resolvers.six, host.to_owned()), ask(resolvers.four, host.to_owned())))
    }

    /// The resolvers of the files as they are now. Files are read on a thread that may wait: a network mount can hang.
    async fn resolvers(&self) -> Result<Resolvers, String> {
        let read = tokio::task::spawn_blocking(|| {
            [RESOLV_CONF, HOSTS].map(|file| std::fs::metadata(file).and_then(|meta| meta.modified()).ok())
        });
        let stamp = read.await.map_err(|error| error.to_string())?;
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, resolvers)) = current
            && at == stamp
        {
            return Ok(resolvers);
        }
        let built = tokio::task::spawn_blocking(|| {
            let text = std::fs::read(Path::new(RESOLV_CONF)).unwrap_or_default();
            Resolvers::build(&text)
        });
        let resolvers = built.await.map_err(|error| error.to_string())??;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some((stamp, resolvers.clone()));
        Ok(resolvers)
    }
}

impl Resolvers {
    /// What `resolv_conf`, the text of that file, asks for.
    fn build(resolv_conf: &[u8]) -> Result<Self, String> {
        let (config, options) = settings(resolv_conf);
        let family = |strategy| {
            let mut builder = TokioResolver::builder_with_config(config.clone(), TokioRuntimeProvider::default());
            *builder.options_mut() = options.clone();
            builder.options_mut().ip_strategy = strategy;
            builder.build().map_err(|error| error.to_string())
        };
        Ok(Self { six: family(LookupIpStrategy::Ipv6Only)?, four: family(LookupIpStrategy::Ipv4Only)? })
    }
}

/// The settings in the text of a resolv.conf. One that names no server means the one on this machine (resolv.conf(5)).
fn settings(text: &[u8]) -> (ResolverConfig, ResolverOpts) {
    let with_default = [text, b"\nnameserver 127.0.0.1\n"].concat();
    parse_resolv_conf(text).or_else(|_| parse_resolv_conf(with_default)).unwrap_or_else(|error| {
        tracing::debug!(%error, "no usable resolv.conf: only the hosts file is asked");
        (ResolverConfig::default(), ResolverOpts::default())
    })
}

type Query = BoxFuture<'static, Result<Vec<IpAddr>, String>>;

fn ask(resolver: TokioResolver, host: String) -> Query {
    async move {
        let found = resolver.lookup_ip(host.as_str()).await.map_err(|error| {
            tracing::debug!(host, %error, "a name was not resolved");
            let known = if error.is_nx_domain() || error.is_no_records_found() {
                "DNS knows no such name"
            } else {
                "no DNS server answered"
            };
            known.to_owned()
        })?;
        Ok(found.iter().collect())
    }
    .boxed()
}

/// One family's question and what came of it.
#[derive(Default)]
struct Family {
    query: Option<Query>,
    found: VecDeque<IpAddr>,
}

impl Family {
    fn poll(&mut self, cx: &mut Context<'_>) -> Result<(), String> {
        if let Some(query) = self.query.as_mut()
            && let Poll::Ready(found) = query.poll_unpin(cx)
        {
            self.query = None;
            self.found.extend(found?);
        }
        Ok(())
    }
}

/// The addresses of one name: IPv6 and IPv4 in turn, so that a family without a route costs one try.
#[derive(Default)]
pub(super) struct Lookup {
    six: Family,
    four: Family,
    last_was_six: bool,
    given: bool,
    delay: Option<Pin<Box<Sleep>>>,
    failure: Option<String>,
}

impl Lookup {
    fn known(addresses: Vec<IpAddr>) -> Self {
        let (six, four): (VecDeque<_>, VecDeque<_>) = addresses.into_iter().partition(IpAddr::is_ipv6);
        // `localhost` is 127.0.0.1 first: that is where most servers of this machine listen.
        Self {
            six: Family { query: None, found: six },
            four: Family { query: None, found: four },
            last_was_six: true,
            ..Self::default()
        }
    }

    fn asked(six: Query, four: Query) -> Self {
        let family = |query| Family { query: Some(query), found: VecDeque::new() };
        Self { six: family(six), four: family(four), ..Self::default() }
    }

    /// True once an address was given.
    pub(super) fn has_given(&self) -> bool {
        self.given
    }

    /// Why there is none.
    pub(super) fn failure(&self) -> String {
        self.failure.clone().unwrap_or_else(|| "DNS knows no address of it".to_owned())
    }
}

impl Stream for Lookup {
    type Item = IpAddr;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<IpAddr>> {
        let this = &mut *self;
        for family in [&mut this.six, &mut this.four] {
            if let Err(reason) = family.poll(cx) {
                this.failure = Some(reason);
            }
        }
        if !this.given && this.six.query.is_some() && !this.four.found.is_empty() {
            let delay = this.delay.get_or_insert_with(|| Box::pin(tokio::time::sleep(RESOLUTION_DELAY)));
            if delay.poll_unpin(cx).is_pending() {
                return Poll::Pending;
            }
        }
        let next = if this.last_was_six {
            this.four.found.pop_front().or_else(|| this.six.found.pop_front())
        } else {
            this.six.found.pop_front().or_else(|| this.four.found.pop_front())
        };
        match next {
            Some(address) => {
                (this.last_was_six, this.given) = (address.is_ipv6(), true);
                Poll::Ready(Some(address))
            }
            None if this.six.query.is_some() || this.four.query.is_some() => Poll::Pending,
            None => Poll::Ready(None),
        }
    }
}

fn without_asking(host: &str) -> Option<Vec<IpAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(vec![address]);
    }
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    (name == "localhost" || name.ends_with(".localhost"))
        .then(|| vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
}

#[cfg(test)]
#[path = "dns_tests.rs"]
mod tests;
