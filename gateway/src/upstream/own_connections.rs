//! Connections that only the calls of one stored key go by: whatever a server ties to a connection stays with its owner.

use std::sync::{Arc, Mutex, PoisonError};

use super::UpstreamOrigin;

/// A key has a few addresses at most: one a dialect, and those before a reload.
const MOST: usize = 8;

/// The servers that one key is sent to, each with its idle connections.
#[derive(Debug, Default)]
pub struct OwnConnections(Mutex<Vec<Arc<UpstreamOrigin>>>);

impl OwnConnections {
    /// The server at `host`; with `only_public` it is spoken to only at a public address.
    pub(crate) fn to(&self, tls: bool, host: &str, port: u16, only_public: bool) -> Arc<UpstreamOrigin> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |one: &&Arc<UpstreamOrigin>| {
            one.tls == tls && one.host == host && one.port == port && one.only_public == only_public
        };
        if let Some(origin) = known.iter().find(is_it) {
            return Arc::clone(origin);
        }
        if known.len() >= MOST {
            known.clear();
        }
        let origin = UpstreamOrigin::new(tls, host, port);
        let origin = Arc::new(if only_public { origin.only_public() } else { origin });
        known.push(Arc::clone(&origin));
        origin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_shared_within_a_key_and_never_between_two() {
        let (one, other) = (OwnConnections::default(), OwnConnections::default());
        let first = one.to(true, "h", 443, false);
        assert!(Arc::ptr_eq(&first, &one.to(true, "h", 443, false)));
        assert!(!Arc::ptr_eq(&first, &other.to(true, "h", 443, false)));
        for (tls, host, port, only_public) in
            [(false, "h", 443, false), (true, "g", 443, false), (true, "h", 444, false), (true, "h", 443, true)]
        {
            assert!(!Arc::ptr_eq(&first, &one.to(tls, host, port, only_public)));
        }
        for port in 1..100 {
            one.to(true, "h", port, false);
        }
        assert!(one.0.lock().unwrap().len() <= MOST);
    }
}
