//! The node's view of the settings.

use std::{net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use bitrouter_gateway::{Snapshot, registry::Catalog};
use bitrouter_node::{ByokSettings, Settings, StripeSettings};

use super::{NodeHost, NodeState};
use crate::config::{self, Config, PublicUrl};

/// The settings that the node goes by, and the node that hears of new ones.
#[derive(Clone, Debug)]
pub(crate) struct NodeSettings {
    now: Arc<ArcSwap<Settings>>,
    host: NodeHost,
}

impl NodeSettings {
    /// `now` is what `host` opens its node with.
    pub(crate) fn new(now: Arc<ArcSwap<Settings>>, host: NodeHost) -> Self {
        Self { now, host }
    }

    /// The same snapshot, with what the node's people have stored before the keys that were found.
    pub(crate) fn with_stored_keys(&self, snapshot: Snapshot) -> Snapshot {
        Snapshot { keys: self.host.owners_first(Arc::clone(&snapshot.keys)), ..snapshot }
    }

    /// The node goes by `settings` from now on. A file may be written.
    pub(crate) fn set(&self, settings: Settings) {
        self.now.store(Arc::new(settings));
        if let NodeState::On(node) = &**self.host.state() {
            node.mark_bound();
        }
    }
}

/// What the node is told of `[node]` and what stands below it, and of the providers; `listens` is where we listen.
pub(crate) fn node_settings(config: &Config, catalog: &Catalog, listens: &[SocketAddr]) -> Settings {
    let config::Node { public_url, oauth, credit, keep_requests, byok, stripe, .. } = &config.node;
    let takes_keys = catalog.providers().filter(|provider| provider.takes_byok());
    let public_url = public_url.as_ref().map(PublicUrl::to_string);
    let port = listens.first().map_or(config.server.listen.port(), SocketAddr::port);
    Settings {
        issuer: public_url.clone().unwrap_or_else(|| format!("http://127.0.0.1:{port}")),
        public_url,
        oauth: *oauth,
        credit: *credit,
        keep_requests: *keep_requests,
        byok: ByokSettings {
            rotate_every: byok.rotate_every,
            allow_private: byok.allow_private,
            providers: takes_keys.map(|provider| provider.id().to_string()).collect(),
        },
        stripe: stripe.as_ref().and_then(stripe_settings),
        ..Settings::default()
    }
}

/// None before its secrets were found, which whoever reads the settings does.
fn stripe_settings(stripe: &config::Stripe) -> Option<StripeSettings> {
    Some(StripeSettings {
        secret_key: stripe.secret_key.value()?.clone(),
        webhook_secret: stripe.webhook_secret.value()?.clone(),
        api_base: stripe.api_base.clone(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_issuer_is_the_public_url_or_where_we_really_listen() {
        let mut config = Config::default();
        let listens = [SocketAddr::from(([127, 0, 0, 1], 4444)), SocketAddr::from(([127, 0, 0, 1], 4445))];
        let catalog = Catalog::build(Vec::new(), Vec::new(), BTreeMap::new(), false).unwrap();
        assert_eq!(node_settings(&config, &catalog, &listens).issuer, "http://127.0.0.1:4444");
        config.node.public_url = Some("https://Node.example/".parse().unwrap());
        let settings = node_settings(&config, &catalog, &listens);
        assert_eq!(settings.issuer, "https://node.example");
        assert_eq!(settings.public_url.as_deref(), Some("https://node.example"));
        // What nobody changed is the same on both sides.
        let defaults =
            Settings { issuer: settings.issuer.clone(), public_url: settings.public_url.clone(), ..Default::default() };
        assert_eq!(settings, defaults);
    }
}
