//! How the account's own provider is served in a snapshot where no key of the environment is there for it.

/// The account in one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Whether its stored credential is good for calls.
    pub state: AccountState,
    /// The command that signs in again, where that is not plain `bitrouter auth login`.
    pub sign_in: Option<String>,
}

/// Whether a stored credential is good for calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AccountState {
    /// Nobody is signed in.
    #[default]
    SignedOut,
    /// It is another machine's: calls go to the provider's address.
    SignedIn,
    /// The own node issued it: calls are routed here, and nothing goes over the network for it.
    OwnNode,
    /// It is over, and why.
    Ended(String),
}

impl Account {
    /// True where calls can be made.
    pub fn is_signed_in(&self) -> bool {
        matches!(self.state, AccountState::SignedIn | AccountState::OwnNode)
    }

    /// True where calls are routed here.
    pub fn is_own_node(&self) -> bool {
        self.state == AccountState::OwnNode
    }

    /// The command that signs in.
    pub fn sign_in(&self) -> &str {
        self.sign_in.as_deref().unwrap_or("bitrouter auth login")
    }
}
