//! OAuth clients that the owner registers, and programs that sign in with them.

use bitrouter_node::oauth::approval::Decision;
use bitrouter_proto::account::ScopeSet;
use http::Method;
use serde_json::{Value, json};

use super::{DEVICE_GRANT, Pair, TestNode, neighbour, user_code};

/// A client of the first namespace, which signs in by device codes.
pub async fn registered(node: &TestNode, name: &str, kind: &str, scopes: &[&str]) -> Value {
    let body = json!({
        "client_name": name, "client_type": kind, "allowed_scopes": scopes,
        "allowed_grant_types": [DEVICE_GRANT, "refresh_token"],
    });
    node.ask_as_owner(&Method::POST, "/oauth/clients", &body.to_string()).await.ok()
}

/// What is changed in it.
pub async fn changed(node: &TestNode, id: &str, change: &Value) {
    node.ask_as_owner(&Method::PUT, &format!("/oauth/clients/{id}"), &change.to_string()).await.ok();
}

/// Signs a program in with the client `id`, whole: the owner approves all into the first namespace.
pub async fn signed_in(node: &TestNode, id: &str, secret: &[(&str, &str)], scope: Option<&str>) -> Pair {
    let code = approved(node, id, secret, scope).await;
    let device_code = code["device_code"].as_str().unwrap();
    let fields = [("client_id", id), ("grant_type", DEVICE_GRANT), ("device_code", device_code)];
    node.post("/oauth/token", &[&fields[..], secret].concat()).await.pair()
}

/// A device code that the owner has approved.
pub async fn approved(node: &TestNode, id: &str, secret: &[(&str, &str)], scope: Option<&str>) -> Value {
    let mut fields = vec![("client_id", id)];
    fields.extend(secret);
    fields.extend(scope.map(|scope| ("scope", scope)));
    let code = node.post("/oauth/device_authorization", &fields).await.ok();
    let decision = Decision { namespace: node.node.first_namespace(), scopes: ScopeSet::GRANTABLE, own_device: false };
    node.node.approve_code(user_code(&code), node.node.owner(), &neighbour(), decision).await.unwrap();
    code
}
