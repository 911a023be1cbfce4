//! What calls about the node share: is there one, a change of it to its end, and its answer.

use std::sync::Arc;

use bitrouter_node::{Interrupted, Node};
use bitrouter_proto::codes::Reason;
use serde::Serialize;
use tonic::Status;

use super::error;
use crate::node_host::{NodeHost, NodeState};

/// The node, once it is open.
pub(super) async fn node(host: &NodeHost) -> Result<Arc<Node>, Status> {
    host.opened().await;
    let off = |reason: &str, command: Option<&str>| {
        error::status(Reason::NodeOff, format!("the node is off: {reason}"), command)
    };
    match &**host.state() {
        NodeState::On(node) => Ok(Arc::clone(node)),
        NodeState::Starting => Err(off("it is still being opened", Some("bitrouter status"))),
        NodeState::Off(why) => Err(off(&why.reason, why.command.as_deref().or(Some("bitrouter status")))),
    }
}

/// What the node says, as the JSON of an answer.
pub(super) fn json(document: &impl Serialize) -> Result<String, Status> {
    serde_json::to_string(document).map_err(|error| error::status(Reason::Internal, error.to_string(), None))
}

/// Runs a change of the node to its end, also where whoever asked for it goes away; `refused` says why it was not made.
pub(super) async fn change<T, E, F>(
    node: &Arc<Node>,
    change: impl FnOnce(Arc<Node>) -> F,
    refused: impl FnOnce(E) -> Status,
) -> Result<T, Status>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
{
    let ended = node.to_end(change(Arc::clone(node))).await;
    let interrupted =
        |error: Interrupted| error::status(Reason::Internal, format!("{error}; `bitrouter logs` says more"), None);
    ended.map_err(interrupted)?.map_err(refused)
}
