//! Whom a call about calls and credit asks: the account by its REST, the own node by the same in process.

use bitrouter_node::people::namespaces;
use bitrouter_proto::{
    account::NamespaceId,
    codes::Reason,
    wire::{self, asked::Whom},
};
use serde::de::DeserializeOwned;
use tonic::Status;

use super::{
    account::{Account, Key},
    error,
    namespaces::refused,
    node_call::node,
};
use crate::{
    credentials::{AccountError, RestPath, own_node_json},
    node_host::NodeHost,
};

/// The longest id of a row that is asked for, characters.
const LONGEST_ID: usize = 128;

/// Who can be asked.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    pub(super) host: NodeHost,
    account: Account,
}

/// Whoever was meant by a call.
#[derive(Debug)]
pub(super) struct Source {
    asking: Asking,
    whom: Answering,
}

#[derive(Debug)]
enum Answering {
    Account(Option<Key>),
    Node(NamespaceId),
}

impl Asking {
    pub(super) fn new(host: NodeHost, account: Account) -> Self {
        Self { host, account }
    }

    /// Whoever `asked` means.
    ///
    /// # Errors
    /// Where that is nobody.
    pub(super) async fn source(&self, asked: Option<wire::Asked>) -> Result<Source, Status> {
        let whom = match asked.and_then(|asked| asked.whom) {
            Some(Whom::Node(wire::AskedNode { namespace })) => {
                let node = node(&self.host).await?;
                let meant = if namespace.is_empty() {
                    node.first_namespace()
                } else {
                    namespaces::find(&node, node.owner(), &namespace).await.map_err(refused)?.id
                };
                Answering::Node(meant)
            }
            Some(Whom::Account(wire::AskedAccount { api_key, api_url })) => {
                Answering::Account(self.account.key(api_key, &api_url)?)
            }
            None => Answering::Account(self.account.key(String::new(), "")?),
        };
        Ok(Source { asking: self.clone(), whom })
    }

    /// What the own node answers to its owner.
    pub(super) async fn own_node(&self, path: &str) -> Result<String, Status> {
        let node = node(&self.host).await?;
        own_node_json(&node, path).await.map_err(|error| self.account.refused(error, false))
    }
}

impl Source {
    /// What it answers to `path`, as it came.
    pub(super) async fn get(&self, path: &RestPath) -> Result<String, Status> {
        match &self.whom {
            Answering::Account(key) => self.asking.account.get(key.as_ref(), path).await,
            Answering::Node(namespace) => self.asking.own_node(&path.at(&namespace.to_string())).await,
        }
    }

    /// The same, read; `what` it should be, for people.
    pub(super) async fn read<T: DeserializeOwned>(&self, path: &RestPath, what: &str) -> Result<(T, String), Status> {
        let json = self.get(path).await?;
        let read = serde_json::from_str(&json).map_err(|_| self.unreadable(what))?;
        Ok((read, json))
    }

    /// It answered with what is not `what` it should be.
    pub(super) fn unreadable(&self, what: &str) -> Status {
        let error = AccountError::new(Reason::ServerFailed, format!("the server answered with what is no {what}"));
        self.asking.account.refused(error, matches!(&self.whom, Answering::Account(Some(_))))
    }

    /// The host of the own node, where that is asked.
    pub(super) fn own_node(&self) -> Option<&NodeHost> {
        match self.whom {
            Answering::Node(_) => Some(&self.asking.host),
            Answering::Account(_) => None,
        }
    }
}

/// The id of a row as it can stand in a path.
///
/// # Errors
/// Where no server has such an id.
pub(super) fn row_id(id: &str) -> Result<&str, Status> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(plain) {
        return Ok(id);
    }
    let shown: String = id.chars().take(LONGEST_ID).collect();
    Err(error::status(Reason::NotFound, format!("there is no call `{shown}`"), None))
}
