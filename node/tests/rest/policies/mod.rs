//! Policies by REST: made, changed, bound, combined, shown; and who may do that.

mod bindings;
mod clients;
mod documented;
mod effective;
mod keys;
mod limits;
mod own;
mod rows;
mod views;

use bitrouter_gateway::http::Caller;
use bitrouter_proto::account::{Scope, ScopeSet};
use bytes::Bytes;
use http::{Method, Request, header};
use serde_json::{Value, json};

use super::{caller::Scene, support::Reply};

impl Scene {
    /// Sends what the owner's session may.
    async fn ask(&self, method: Method, path: &str, body: Value) -> Reply {
        self.ask_as(self.token(self.owner.namespace, ScopeSet::GRANTABLE), method, path, body).await
    }

    async fn ask_as(&self, caller: Caller, method: Method, path: &str, body: Value) -> Reply {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(caller, &method, &format!("/v1/namespaces/me/{path}"), &body).await
    }

    /// Sends what the node's owner does at the control socket.
    async fn by_socket(&self, method: Method, path: &str, body: Value) -> Reply {
        use http_body_util::BodyExt as _;
        let path = format!("/v1/namespaces/{}/{path}", self.owner.namespace);
        let mut request = Request::builder().method(method).uri(path);
        let mut text = String::new();
        if !body.is_null() {
            text = body.to_string();
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Bytes::from(text)).unwrap();
        let (head, body) = std::sync::Arc::clone(&self.test.node).answer_owner(request).await.into_parts();
        Reply { status: head.status, headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, Value::Null).await
    }

    /// Makes a policy; its id.
    async fn policy(&self, kind: &str, spec: Value) -> String {
        let made = self.ask(Method::POST, "policies", json!({"name": "made", "kind": kind, "spec": spec})).await.ok();
        made["id"].as_str().unwrap().to_owned()
    }

    /// One that limits, and is of no other interest.
    async fn some_policy(&self) -> String {
        self.policy("rate_limit", json!({"window_secs": 60, "max_requests": 5})).await
    }

    /// Binds a policy; the id of the binding.
    async fn bind(&self, policy: &str, kind: &str, id: &str) -> String {
        let bound = self.try_bind(policy, kind, id).await.ok();
        bound["binding_id"].as_str().unwrap().to_owned()
    }

    async fn try_bind(&self, policy: &str, kind: &str, id: &str) -> Reply {
        let body = json!({"principal_type": kind, "principal_id": id});
        self.ask(Method::POST, &format!("policies/{policy}/bind"), body).await
    }

    async fn effective(&self, kind: &str, id: &str) -> Value {
        self.get(&format!("policies/effective?principal_type={kind}&principal_id={id}")).await.ok()
    }
}

/// The ids of a list.
fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// A token that reads policies, and one that changes them too.
fn scopes() -> [ScopeSet; 2] {
    [ScopeSet::of(&[Scope::PolicyRead]), ScopeSet::of(&[Scope::PolicyRead, Scope::PolicyWrite])]
}
