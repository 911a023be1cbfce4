//! The clients that may ask for tokens (RFC 6749 §2). Those that are built in are public: they hold no secret.

use bitrouter_proto::account::ScopeSet;

/// A client.
#[derive(Debug)]
pub struct Client {
    /// `client_id`.
    pub id: &'static str,
    /// What a person reads.
    pub name: &'static str,
    /// The most that it may be given.
    pub(crate) allowed: ScopeSet,
}

static BUILT_IN: [Client; 2] = [
    Client { id: "bitrouter-cli", name: "bitrouter (command line)", allowed: ScopeSet::GRANTABLE },
    Client { id: "tokenroute-cli", name: "tokenroute (command line)", allowed: ScopeSet::GRANTABLE },
];

impl Client {
    /// The client of this id.
    pub fn find(id: &str) -> Option<&'static Self> {
        BUILT_IN.iter().find(|client| client.id == id)
    }
}
