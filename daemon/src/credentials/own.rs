//! The own node: whether it issued a credential, and whether it is there. What it issued is never sent over a socket.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use bitrouter_gateway::http::{Caller, Principal, ResponseBody};
use bitrouter_node::{
    Node, Settings,
    http::{Entrance, Visitor},
};
use bitrouter_proto::{
    account::credential::{Credential, OauthCredential},
    shell,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use secrecy::SecretString;
use tokio::sync::watch;

use super::{http::Reply, issuer::same_issuer};
use crate::node_host::{NodeHost, NodeState};

/// A reply of the node, whole.
///
/// # Errors
/// Where it breaks off.
pub(super) async fn collected(response: Response<ResponseBody>) -> Result<Reply, String> {
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|_| "the node broke its reply off".to_owned())?.to_bytes();
    Ok(Reply { status: head.status.as_u16(), headers: head.headers, body: body.to_vec().into() })
}

/// Which node it is, also while it is off.
#[derive(Clone, Debug)]
struct Known {
    id: String,
    owner: String,
    first_namespace: String,
}

/// What the credential's keeper knows of the own node.
#[derive(Debug)]
pub(super) struct OwnNode {
    host: NodeHost,
    settings: Arc<ArcSwap<Settings>>,
    /// Which it is, once it was on.
    known: Mutex<Option<Known>>,
}

impl OwnNode {
    pub(super) fn new(host: NodeHost, settings: Arc<ArcSwap<Settings>>) -> Self {
        Self { host, settings, known: Mutex::default() }
    }

    /// Told when it comes on or goes off.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.host.changes()
    }

    /// The node, where it is on. Waits a moment while it is being opened.
    ///
    /// # Errors
    /// Why it is off.
    pub(super) async fn node(&self) -> Result<Arc<Node>, String> {
        self.host.settled().await;
        let state = NodeState::clone(&self.host.state());
        match state {
            NodeState::On(node) => {
                let known = Known {
                    id: node.id().to_owned(),
                    owner: node.owner().to_string(),
                    first_namespace: node.first_namespace().to_string(),
                };
                *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
                Ok(node)
            }
            NodeState::Off(off) => Err(format!("the node is off: {}", off.reason)),
            NodeState::Starting => Err("the node is being opened".to_owned()),
        }
    }

    /// True where the own node issued `credential`: its tokens stand in the database. Where that cannot be asked, the
    /// node's id or its issuer says.
    pub(super) async fn issued(&self, credential: &OauthCredential) -> bool {
        match self.node().await {
            Ok(node) => {
                if credential.node_id.as_deref() == Some(node.id()) {
                    return true;
                }
                for token in [Some(&credential.access_token), credential.refresh_token.as_ref()].into_iter().flatten() {
                    match node.issued(token).await {
                        Ok(Some(_)) => return true,
                        Ok(None) => {}
                        Err(error) => {
                            tracing::debug!(%error, "the node does not say whether it issued the credential");
                            return self.looks_own(credential);
                        }
                    }
                }
                false
            }
            Err(_) => self.looks_own(credential),
        }
    }

    /// True where the own node minted `key`, whatever became of it.
    pub(super) async fn minted(&self, key: &SecretString) -> bool {
        match self.node().await {
            Ok(node) => node.has_minted(key).await,
            Err(_) => false,
        }
    }

    /// Whom `key` stands for, where the own node minted it and it opens something. That is no use of it.
    pub(super) async fn holder_of(&self, key: &SecretString) -> Option<Principal> {
        self.node().await.ok()?.holder_of(key)
    }

    /// What the node answers to a request of `principal`.
    ///
    /// # Errors
    /// Why it is off.
    pub(super) async fn answer(&self, principal: Principal, request: Request<Bytes>) -> Result<Reply, String> {
        let node = self.node().await?;
        // The daemon itself asks.
        let visitor = Visitor {
            uid: Some(rustix::process::geteuid().as_raw()),
            is_own_user: true,
            address: Ipv4Addr::LOCALHOST.into(),
            entrance: Entrance::Loopback { authority: Ipv4Addr::LOCALHOST.to_string() },
        };
        collected(node.answer_whole(request, Caller::Credential(principal), visitor).await).await
    }

    fn looks_own(&self, credential: &OauthCredential) -> bool {
        let by_id = match self.known() {
            Some(known) => credential.node_id.as_ref() == Some(&known.id),
            // It was written down while the node could say so: its port may be anybody's now.
            None => credential.own_node,
        };
        by_id || same_issuer(&self.settings.load().issuer, &credential.authorization_server)
    }

    /// What `bitrouter auth login` takes to get a credential like `own`, which this node issued; `None` where only another
    /// person than the node's owner can get it.
    pub(super) fn login_flags(&self, own: &Credential) -> Option<String> {
        let local = || " --local".to_owned();
        let (Credential::Oauth(own), Some(known)) = (own, self.known()) else { return Some(local()) };
        if own.subject.as_ref().is_some_and(|subject| *subject != known.owner) {
            return None;
        }
        match own.namespace_id.as_ref().filter(|id| **id != known.first_namespace) {
            // One that was deleted meanwhile can be signed in to no more.
            Some(id) if self.is_owners(id) => Some(format!("{} --namespace {}", local(), shell::quoted(id))),
            _ => Some(local()),
        }
    }

    fn is_owners(&self, namespace: &str) -> bool {
        let state = self.host.state();
        let NodeState::On(node) = &**state else { return true };
        namespace.parse().is_ok_and(|id| node.is_owners(id))
    }

    fn known(&self) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The issuer of the own node, as its settings have it.
    pub(super) fn issuer(&self) -> String {
        self.settings.load().issuer.clone()
    }
}
