//! The settings of the listener that a reload may change. A connection reads them anew for each request.

use std::time::Duration;

use crate::config::{Network, PublicUrl};

/// `[server] keyless`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keyless {
    /// A program of the daemon's own user needs no key.
    #[default]
    SameUser,
    /// Everybody needs a key.
    Never,
}

/// One immutable snapshot; a reload swaps the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSettings {
    /// `[server] allow_hosts`: `host` (with our port or none) or `host:port`, besides the loopback names.
    pub allow_hosts: Vec<String>,
    /// `[server] allow_origins`: exact origins of web pages that may call.
    pub allow_origins: Vec<String>,
    /// `[server] keyless`.
    pub keyless: Keyless,
    /// `[node] public_url`: its authority is an allowed host, it itself the origin of our pages there.
    pub public_url: Option<PublicUrl>,
    /// `[node] trusted_proxies`: peers whose forwarding headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// `[timeouts] total`: also how long a client may take to read anything of what it was sent.
    pub total: Duration,
}

impl Default for ListenerSettings {
    fn default() -> Self {
        Self {
            allow_hosts: Vec::new(),
            allow_origins: Vec::new(),
            keyless: Keyless::SameUser,
            public_url: None,
            trusted_proxies: Vec::new(),
            total: Duration::from_mins(30),
        }
    }
}
