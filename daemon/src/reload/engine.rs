//! What was read last and the layers it goes with: first read here, then owned by the thread.

use std::{net::SocketAddr, sync::Arc};

use bitrouter_gateway::{Snapshot, registry::Catalog};

use super::{AccountNow, Loaded, Refused, Sources, apply, loaded::calls_nobody_back};
use crate::{
    config::Config,
    environment::{KeyRing, Layers, Parent, Pushed},
    listener::ListenerSettings,
    node_host::node_settings,
};

/// What was read last, with the layers of keys that it goes with.
#[derive(Debug)]
pub struct Engine {
    pub(super) sources: Sources,
    pub(super) pushed: Pushed,
    pub(super) parent: Option<Parent>,
    pub(super) loaded: Loaded,
    pub(super) keys: Arc<KeyRing>,
    /// The account as its session and its server's list have it.
    pub(super) account: AccountNow,
    /// Where we listen, once it is bound.
    pub(super) bound: Option<Bound>,
}

/// Where we really listen.
#[derive(Clone, Debug, Default)]
pub(super) struct Bound {
    /// The local endpoint.
    pub(super) here: Vec<SocketAddr>,
    /// A team's listener.
    pub(super) team: Vec<SocketAddr>,
}

impl Engine {
    /// Reads everything for the first time.
    ///
    /// # Errors
    /// The first thing that is wrong, with its file and line.
    pub fn first(sources: Sources, parent: Option<Parent>) -> Result<Self, Refused> {
        let loaded = Loaded::read(&sources, &[], sources.listens.as_deref())?;
        let pushed = Pushed::default();
        let keys = Arc::new(ring(&loaded, &pushed, &sources, parent.as_ref()));
        Ok(Self { sources, pushed, parent, loaded, keys, account: AccountNow::default(), bound: None })
    }

    /// Takes note of where the local endpoint and a `team`'s listener really are: a port was free, or a service manager chose the
    /// address.
    ///
    /// # Errors
    /// When a provider leads there.
    pub fn bound(&mut self, here: Vec<SocketAddr>, team: Vec<SocketAddr>) -> Result<(), Refused> {
        calls_nobody_back(&self.loaded.catalog, &[&here[..], &team].concat())?;
        self.bound = Some(Bound { here, team });
        Ok(())
    }

    /// Where we listen, the local endpoint first, once it is bound.
    pub(super) fn listens(&self) -> Option<Vec<SocketAddr>> {
        self.bound.as_ref().map(|Bound { here, team }| [&here[..], team].concat())
    }

    /// The settings that were read.
    pub fn config(&self) -> &Config {
        &self.loaded.config
    }

    /// The providers that are known.
    pub(crate) fn catalog(&self) -> &Catalog {
        &self.loaded.catalog
    }

    /// The keys that were found.
    pub(crate) fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// The first snapshot for the gateway.
    ///
    /// # Errors
    /// When the settings name a provider that is none, which reading them excludes.
    pub fn snapshot(&self) -> Result<Snapshot, Refused> {
        apply::snapshot(&self.loaded, &self.keys, &self.account)
    }

    /// The first settings of the listener.
    pub fn listener_settings(&self) -> ListenerSettings {
        apply::listener_settings(&self.loaded.config)
    }

    /// The settings of the node.
    pub fn node_settings(&self) -> bitrouter_node::Settings {
        node_settings(&self.loaded.config, &self.loaded.catalog, &self.listens().unwrap_or_default())
    }
}

/// The keys that the layers of a reading give.
pub(super) fn ring(loaded: &Loaded, pushed: &Pushed, sources: &Sources, parent: Option<&Parent>) -> KeyRing {
    let layers = Layers { pushed, env_files: &loaded.env_files, process: &sources.process, parent };
    KeyRing::build(&loaded.key_names, &layers)
}
