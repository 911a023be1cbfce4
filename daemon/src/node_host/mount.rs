//! The node behind the listener: it answers, or its state says why nobody does.

use std::sync::Arc;

use bitrouter_gateway::{
    InferenceError,
    http::{CallerBody, RequestContext},
};
use bitrouter_node::http::Visitor;
use bitrouter_proto::codes::InferenceCode;
use http::Request;

use super::{NodeHost, NodeOff, NodeState, callers::starting};
use crate::listener::{NodeFuture, NodeService};

impl NodeService for NodeHost {
    fn call(&self, request: Request<CallerBody>, context: RequestContext, visitor: Visitor) -> NodeFuture {
        let host = self.clone();
        Box::pin(async move {
            if matches!(**host.state(), NodeState::Starting) {
                host.settled().await;
            }
            let node = match &**host.state() {
                NodeState::On(node) => Arc::clone(node),
                NodeState::Off(off) => return Err(nobody(off)),
                NodeState::Starting => return Err(starting()),
            };
            Ok(node.answer(request, context, visitor).await)
        })
    }
}

fn nobody(off: &NodeOff) -> InferenceError {
    if off.disabled {
        let message = "there is nothing at this path: the node is switched off by `[node] enabled = false`";
        return InferenceError::new(InferenceCode::NotFound, message);
    }
    InferenceError::new(InferenceCode::Unavailable, format!("the node is off: {}", off.reason))
}
