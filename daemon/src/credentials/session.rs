//! Who is signed in, as a value: what `status`, `whoami` and the account's provider are told.

use std::sync::Arc;

use bitrouter_proto::account::{NamespaceId, credential::Credential};
use secrecy::SecretString;

use crate::environment::same;

/// Who is signed in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    /// What is stored, where it can be used.
    pub(crate) credential: Option<Arc<Credential>>,
    /// Whether calls can be made with it.
    pub(crate) state: SessionState,
    /// True where the own node issued it: no socket is ever used for it.
    pub(crate) is_own_node: bool,
    /// What `bitrouter auth login` takes to sign in to the own node again as the same person, where that is its owner.
    pub(crate) own_login: Option<String>,
    /// Why the file that is there is not used.
    pub(crate) problem: Option<String>,
}

/// Whether calls can be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum SessionState {
    /// Nobody is signed in, or the file cannot be used.
    #[default]
    None,
    /// There is a credential; its access token may be over, and is renewed then.
    Active,
    /// The server said that it is over, and why. Only signing in again helps.
    Ended(String),
}

/// A key of the environment that the own node minted: its calls are routed here.
#[derive(Clone, Debug)]
pub(crate) struct OwnKey {
    /// The key.
    pub(crate) key: SecretString,
    /// The namespace that it opens; none where it opens nothing now.
    pub(crate) namespace: Option<NamespaceId>,
}

impl PartialEq for OwnKey {
    fn eq(&self, other: &Self) -> bool {
        same(&self.key, &other.key) && self.namespace == other.namespace
    }
}

impl Eq for OwnKey {}
