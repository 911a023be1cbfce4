//! A provider's key that the owner of a namespace has stored: it pays for the calls made in that owner's namespaces, and for no
//! other.

use std::fmt;

use secrecy::SecretString;

use crate::{live_models::OwnModels, upstream::OwnConnections};

/// A stored key. It stays sealed until a call is made with it.
pub trait OwnersKey: fmt::Debug + Send + Sync {
    /// Opens it, for one call.
    ///
    /// # Errors
    /// Where it cannot be opened.
    fn open(&self) -> Result<SecretString, KeyUnusable>;

    /// Where its owner has it sent, as a base address; `None`: where the provider is.
    fn api_base(&self) -> Option<&str>;

    /// True where its own address may lie in a private network, and be spoken to without TLS on this machine.
    fn may_be_private(&self) -> bool;

    /// The connections that go by it. Nobody else's calls do.
    fn connections(&self) -> &OwnConnections;

    /// The models that are listed to whoever asks with it. Nobody else is shown them.
    fn models(&self) -> &OwnModels;

    /// A provider has answered a call that was made with it.
    fn used(&self);

    /// A call could not be made with it.
    fn failed(&self, how: KeyFailure);
}

/// Why a stored key pays for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyUnusable {
    /// It does not open.
    #[error("it does not open with the keys of this node")]
    Sealed,
    /// Its provider's manifest no longer names `byok` in `[payment] modes`.
    #[error("the provider takes no keys of its callers any more")]
    NotTaken,
}

/// What went wrong with a call that a stored key was to pay for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFailure {
    /// It does not open, or cannot stand in a header.
    Unusable,
    /// The provider did not take it: 401 or 403.
    Rejected,
    /// Its own address is not public, or not https.
    AddressRefused,
    /// Nothing answers at its own address.
    Unreachable,
}

impl KeyFailure {
    /// The word for it, as lists show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unusable => "unusable",
            Self::Rejected => "rejected",
            Self::AddressRefused => "address_refused",
            Self::Unreachable => "unreachable",
        }
    }
}
