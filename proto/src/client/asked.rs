//! Whom a call about calls and credit asks, and what was answered.

use super::account::{AccountKey, on_the_wire};
use crate::wire;

/// Whom a call asks.
#[derive(Clone, Debug)]
pub enum Asked {
    /// The account that is signed in, or the one of this key.
    Account(Option<AccountKey>),
    /// The account that is signed in, where its server is the one at this URL: else nothing is asked, and the error names both.
    AccountAt(String),
    /// The own node, as its owner.
    Node {
        /// A namespace of the owner's, by id or name; `None`: the first one.
        namespace: Option<String>,
    },
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told<T> {
    /// What we know of it.
    pub read: T,
    /// The reply as it came; what a terminal would obey is written as JSON's own escapes.
    pub json: String,
}

impl From<&Asked> for wire::Asked {
    fn from(asked: &Asked) -> Self {
        let whom = match asked {
            Asked::Account(key) => {
                let (api_key, api_url) = on_the_wire(key.as_ref());
                wire::asked::Whom::Account(wire::AskedAccount { api_key, api_url })
            }
            Asked::AccountAt(url) => {
                wire::asked::Whom::Account(wire::AskedAccount { api_key: String::new(), api_url: url.clone() })
            }
            Asked::Node { namespace } => {
                wire::asked::Whom::Node(wire::AskedNode { namespace: namespace.clone().unwrap_or_default() })
            }
        };
        Self { whom: Some(whom) }
    }
}
