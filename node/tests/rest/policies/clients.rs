//! What is bound to an OAuth client that is gone: it stays as long as a key from it lives, and no longer.

use http::Method;
use serde_json::{Value, json};

use super::{Scene, ids};
use crate::support::user_code;

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A client, a policy that is bound to it, and a key that was minted through it.
struct Bound {
    client: String,
    policy: String,
    key: String,
}

async fn bound(scene: &Scene, name: &str) -> Bound {
    let body = json!({
        "client_name": name, "client_type": "public", "allowed_scopes": ["keys:write", "inference:invoke"],
        "allowed_grant_types": [DEVICE],
    });
    let made = scene.ask(Method::POST, "oauth/clients", body).await.ok();
    let client = made["client_id"].as_str().unwrap().to_owned();
    let policy = scene.some_policy().await;
    scene.bind(&policy, "oauth_client", &client).await;
    let pair = signed_in_once(scene, &client).await;
    let caller = crate::keys::holder(&scene.test, &pair);
    let body = json!({"display_name": "k", "scopes": ["inference:invoke"]});
    let key = scene.ask_as(caller, Method::POST, "keys", body).await.ok();
    Bound { client, policy, key: key["id"].as_str().unwrap().to_owned() }
}

async fn signed_in_once(scene: &Scene, client: &str) -> String {
    let code = scene.test.post("/oauth/device_authorization", &[("client_id", client)]).await.ok();
    let decision = bitrouter_node::oauth::approval::Decision {
        namespace: scene.owner.namespace,
        scopes: bitrouter_proto::account::ScopeSet::GRANTABLE,
        own_device: false,
    };
    let visitor = crate::support::neighbour();
    scene.test.node.approve_code(user_code(&code), scene.owner.id, &visitor, decision).await.unwrap();
    let fields =
        [("client_id", client), ("grant_type", DEVICE), ("device_code", code["device_code"].as_str().unwrap())];
    scene.test.post("/oauth/token", &fields).await.ok()["access_token"].as_str().unwrap().to_owned()
}

async fn bindings(scene: &Scene, policy: &str) -> usize {
    ids(&scene.get(&format!("policies/{policy}/bindings")).await.ok()).len()
}

#[tokio::test]
async fn bindings_of_a_deleted_client_go_with_the_last_key_from_it() {
    let scene = Scene::new().await;
    let (with, without) = (bound(&scene, "with").await, bound(&scene, "without").await);
    for one in [&with, &without] {
        assert_eq!(bindings(&scene, &one.policy).await, 1);
    }
    let delete = async |path: String| scene.ask(Method::DELETE, &path, Value::Null).await.ok();
    assert_eq!(delete(format!("oauth/clients/{}", without.client)).await["keys_revoked"], 1);
    assert_eq!(bindings(&scene, &without.policy).await, 0);
    assert_eq!(delete(format!("oauth/clients/{}?keys=keep", with.client)).await["keys_kept"], 1);
    assert_eq!(bindings(&scene, &with.policy).await, 1, "its key lives");
    let effective = scene.effective("api_key", &with.key).await;
    assert!(effective.to_string().contains(&with.policy), "{effective}");
    delete(format!("keys/{}", with.key)).await;
    assert_eq!(bindings(&scene, &with.policy).await, 0);
    // One that nobody has deleted keeps its own without any key.
    let third = bound(&scene, "third").await;
    delete(format!("keys/{}", third.key)).await;
    assert_eq!(bindings(&scene, &third.policy).await, 1);
}

bitrouter_test_postgres::once_more_on_postgres!(bindings_of_a_deleted_client_go_with_the_last_key_from_it,);
