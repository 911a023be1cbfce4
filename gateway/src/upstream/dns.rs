//! Names to addresses: literals and `localhost` without asking, everything else by the system's own settings
//! (hosts file, resolv.conf), read at the first use and again after they changed: a laptop changes networks.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use hickory_resolver::{
    TokioResolver,
    config::{LookupIpStrategy, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
};

use super::UpstreamError;

/// The files that say how names are resolved.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// When the files were last changed.
type Stamp = [Option<SystemTime>; 2];

/// The resolver, once it is needed.
#[derive(Default)]
pub(super) struct Dns {
    current: Mutex<Option<(Stamp, TokioResolver)>>,
}

impl Dns {
    /// The addresses of `host`, in the order in which to try them.
    pub(super) async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, UpstreamError> {
        if let Some(addresses) = without_asking(host) {
            return Ok(addresses);
        }
        let fail = |reason: String| UpstreamError::Dns { host: host.to_owned(), reason };
        let resolver = self.resolver().map_err(&fail)?;
        let found = resolver.lookup_ip(host).await.map_err(|error| {
            tracing::debug!(host, %error, "a name was not resolved");
            let known = if error.is_nx_domain() || error.is_no_records_found() {
                "no such name"
            } else {
                "no name server answered"
            };
            fail(known.to_owned())
        })?;
        let addresses = interleave(found.iter());
        if addresses.is_empty() { Err(fail("it has none".to_owned())) } else { Ok(addresses) }
    }

    fn resolver(&self) -> Result<TokioResolver, String> {
        let stamp = FILES.map(|file| std::fs::metadata(file).and_then(|meta| meta.modified()).ok());
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, resolver)) = current.as_ref()
            && *at == stamp
        {
            return Ok(resolver.clone());
        }
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|error| {
            tracing::debug!(%error, "no usable resolv.conf: only the hosts file is asked");
            TokioResolver::builder_with_config(ResolverConfig::default(), TokioRuntimeProvider::default())
        });
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        let resolver = builder.build().map_err(|error| error.to_string())?;
        *current = Some((stamp, resolver.clone()));
        Ok(resolver)
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

/// IPv6 and IPv4 in turn, so that a family without a route costs one try.
fn interleave(found: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let (six, four): (Vec<_>, Vec<_>) = found.partition(IpAddr::is_ipv6);
    let (mut six, mut four) = (six.into_iter(), four.into_iter());
    let mut order = Vec::new();
    loop {
        let pair = (six.next(), four.next());
        if pair == (None, None) {
            return order;
        }
        order.extend(pair.0);
        order.extend(pair.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_localhost_need_no_resolver() {
        assert_eq!(without_asking("::1"), Some(vec![Ipv6Addr::LOCALHOST.into()]));
        assert_eq!(without_asking("10.1.2.3"), Some(vec![Ipv4Addr::new(10, 1, 2, 3).into()]));
        assert_eq!(without_asking("api.LOCALHOST.").unwrap().len(), 2);
        assert_eq!(without_asking("localhost.example"), None);
    }

    #[test]
    fn families_take_turns() {
        let all: Vec<IpAddr> = ["1.1.1.1", "2.2.2.2", "::1", "3.3.3.3"].map(|text| text.parse().unwrap()).into();
        let order: Vec<String> = interleave(all.into_iter()).iter().map(ToString::to_string).collect();
        assert_eq!(order, ["::1", "1.1.1.1", "2.2.2.2", "3.3.3.3"]);
    }
}
