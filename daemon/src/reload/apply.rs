//! Where a new snapshot goes: the gateway, the listener, the log level. Each is one swap.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bitrouter_gateway::{
    Gateway, Limits, Snapshot,
    http::Caller,
    ports::{KeySource, SharedKeys},
    registry::ProviderId,
};
use secrecy::SecretString;

use crate::{
    config::{self, Config},
    environment::KeyRing,
    listener::{Keyless, ListenerSettings},
    node_host::NodeSettings,
    reload::{AccountNow, Loaded, Refused, loaded::provider_id},
    telemetry::Logging,
};

/// What a reload reaches.
#[derive(Clone, Debug)]
pub struct Targets {
    /// The inference path.
    pub gateway: Arc<Gateway>,
    /// The listener's settings.
    pub listener: Arc<ArcSwap<ListenerSettings>>,
    /// The log.
    pub logging: Arc<Logging>,
    /// People, namespaces and sign-in.
    pub(crate) node: NodeSettings,
}

impl Targets {
    /// Later calls are served with `snapshot`, and what the node's people have stored.
    pub(super) fn serve(&self, snapshot: Snapshot) {
        self.gateway.swap(self.node.with_stored_keys(snapshot));
    }
}

/// The gateway's view of what was read.
pub(super) fn snapshot(loaded: &Loaded, keys: &Arc<KeyRing>, account: &AccountNow) -> Result<Snapshot, Refused> {
    let Config { timeouts, server, routing, aliases, .. } = &loaded.config;
    let is_own_key = account.own_key(keys).is_some();
    let (catalog, account) = account.shown(&loaded.catalog, keys, &loaded.account);
    let keys: SharedKeys =
        if is_own_key { Arc::new(WithoutAccount(Arc::clone(keys))) } else { Arc::<KeyRing>::clone(keys) };
    Ok(Snapshot {
        catalog: Arc::new(catalog),
        account,
        aliases: aliases.clone(),
        prefer: routing.prefer.iter().map(|id| provider_id(id)).collect::<Result<_, _>>()?,
        keys,
        limits: Limits {
            max_body: server.max_body,
            connect: timeouts.connect,
            first_byte: timeouts.first_byte,
            between_chunks: timeouts.between_chunks,
            total: timeouts.total,
        },
    })
}

/// The keys but for the account's, which the own node minted: calls that go by it are routed here.
struct WithoutAccount(Arc<KeyRing>);

impl KeySource for WithoutAccount {
    fn key(&self, caller: Caller, provider: &ProviderId) -> Option<&SecretString> {
        if provider.as_str() == ProviderId::ACCOUNT { None } else { self.0.key(caller, provider) }
    }
}

/// The listener's view of the settings.
pub(super) fn listener_settings(config: &Config) -> ListenerSettings {
    ListenerSettings {
        allow_hosts: config.server.allow_hosts.clone(),
        allow_origins: config.server.allow_origins.clone(),
        keyless: match config.server.keyless {
            config::Keyless::SameUser => Keyless::SameUser,
            config::Keyless::Never => Keyless::Never,
        },
        public_url: config.node.public_url.clone(),
        trusted_proxies: config.node.trusted_proxies.clone(),
        total: config.timeouts.total,
    }
}
