//! The node behind the listener: it answers, or its state says why nobody does.

use std::sync::Arc;

use bitrouter_gateway::{
    InferenceError,
    http::{CallerBody, RequestContext},
};
use bitrouter_node::{http::Visitor, web::page_without_node};
use bitrouter_proto::codes::InferenceCode;
use http::{HeaderMap, HeaderName, Request, StatusCode, header};

use super::{
    NodeHost, NodeOff, NodeState,
    callers::{ELSEWHERE, starting},
};
use crate::listener::{NodeFuture, NodeService};

impl NodeService for NodeHost {
    fn call(&self, request: Request<CallerBody>, context: RequestContext, visitor: Visitor) -> NodeFuture {
        let host = self.clone();
        Box::pin(async move {
            if matches!(**host.state(), NodeState::Starting) {
                host.settled().await;
            }
            let (error, status, words) = match &**host.state() {
                NodeState::On(node) => return Ok(Arc::clone(node).answer(request, context, visitor).await),
                NodeState::Off(off) => (nobody(off, visitor.is_own_user, request.uri().path()), status_of(off), OFF),
                NodeState::Starting => (starting(), StatusCode::SERVICE_UNAVAILABLE, OPENING),
            };
            // A person gets a page, a program what it can read. Pages ask for what is theirs by name.
            let page = page_without_node(request.uri(), status, words);
            page.filter(|page| {
                !is_html(page.headers(), header::CONTENT_TYPE) || is_html(request.headers(), header::ACCEPT)
            })
            .ok_or(error)
        })
    }
}

const OFF: &str = "The node is off, so that nobody can sign in. `bitrouter status` on that machine says why.";
const OPENING: &str = "The node is being opened. Load this page again in a moment.";

/// Where `tokenroute` clients ask how to sign in: 503 says to them that nobody can.
const DISCOVERY: &str = "/api/v1/auth/discovery";

fn is_html(headers: &HeaderMap, name: HeaderName) -> bool {
    headers.get_all(name).iter().any(|value| value.to_str().is_ok_and(|text| text.contains("text/html")))
}

fn status_of(off: &NodeOff) -> StatusCode {
    if off.disabled { StatusCode::NOT_FOUND } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// The reason names files, which are nobody's but the user's own.
fn nobody(off: &NodeOff, is_own_user: bool, path: &str) -> InferenceError {
    if off.disabled && path == DISCOVERY {
        let message = "nobody can sign in here: the node is switched off by `[node] enabled = false`";
        return InferenceError::new(InferenceCode::Unavailable, message);
    }
    if off.disabled {
        let message = "there is nothing at this path: the node is switched off by `[node] enabled = false`";
        return InferenceError::new(InferenceCode::NotFound, message);
    }
    let reason = if is_own_user { &off.reason } else { ELSEWHERE };
    InferenceError::new(InferenceCode::Unavailable, format!("the node is off: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_told_of_no_file() {
        let reason = "`/home/user/.local/share/bitrouter/node.db` is broken".to_owned();
        let off = NodeOff { reason, ..NodeOff::default() };
        assert!(nobody(&off, true, "/login").message().contains("node.db"));
        let told = nobody(&off, false, "/login");
        assert_eq!(told.message(), "the node is off: `bitrouter status` on its machine says why");
    }

    #[test]
    fn a_node_that_is_switched_off_is_not_there_but_for_whoever_asks_how_to_sign_in() {
        let off = NodeOff { disabled: true, ..NodeOff::default() };
        for (path, status) in [("/login", 404), ("/api/v1/me", 404), (DISCOVERY, 503)] {
            assert_eq!(nobody(&off, true, path).status(), status, "{path}");
        }
    }
}
