//! Provider keys that people have stored at the node: they pay for calls in their namespaces, before the keys of the daemon's own
//! user do.

use std::sync::Arc;

use bitrouter_gateway::{
    http::Caller,
    ports::{KeySource, OwnersKey, SharedKeys},
    registry::ProviderId,
};
use secrecy::SecretString;

use super::{NodeHost, NodeState};

/// What the node keeps, before what the daemon has found.
struct OwnersFirst {
    host: NodeHost,
    own: SharedKeys,
}

impl NodeHost {
    /// `own`, behind what the node's people have stored.
    pub(crate) fn owners_first(&self, own: SharedKeys) -> SharedKeys {
        Arc::new(OwnersFirst { host: self.clone(), own })
    }

    /// A program of the daemon's own user, as the node knows it.
    pub(crate) fn keyless_caller(&self) -> Caller {
        match &**self.state() {
            NodeState::On(node) => Caller::Keyless { namespace: Some(node.first_namespace()) },
            NodeState::Off(_) | NodeState::Starting => Caller::DAEMON,
        }
    }
}

impl KeySource for OwnersFirst {
    fn key(&self, caller: Caller, provider: &ProviderId) -> Option<&SecretString> {
        self.own.key(caller, provider)
    }

    fn owners_key(&self, caller: Caller, provider: &ProviderId) -> Option<Arc<dyn OwnersKey>> {
        match &**self.host.state() {
            NodeState::On(node) => node.owners_key(caller, provider.as_str()),
            NodeState::Off(_) | NodeState::Starting => None,
        }
    }

    fn has_owners_key(&self, caller: Caller, provider: &ProviderId) -> bool {
        match &**self.host.state() {
            NodeState::On(node) => node.has_owners_key(caller, provider.as_str()),
            NodeState::Off(_) | NodeState::Starting => false,
        }
    }
}
