//! What policies are bound to, and what follows from that at once.

use bitrouter_node::is_bound;
use bitrouter_proto::account::ScopeSet;
use http::Method;
use serde_json::{Value, json};

use super::{super::caller::Scene, ids};

#[tokio::test]
async fn a_policy_is_bound_to_what_is_in_its_namespace() {
    let scene = Scene::new().await;
    let policy = scene.some_policy().await;
    let owner = &scene.owner;
    let mut bound = Vec::new();
    for (kind, id) in [
        ("namespace", owner.namespace.to_string()),
        ("oauth_token", owner.session.to_string()),
        ("oauth_client", "bitrouter-cli".to_owned()),
        ("user", owner.id.to_string()),
    ] {
        let reply = scene.try_bind(&policy, kind, &id).await.ok();
        assert_eq!(reply.as_object().unwrap().len(), 1, "{reply}");
        let binding = reply["binding_id"].as_str().unwrap().to_owned();
        assert!(binding.starts_with("bnd_"));
        // Bound twice is bound once.
        let spelled = if kind == "oauth_client" { id.clone() } else { id.to_ascii_uppercase() };
        assert_eq!(scene.bind(&policy, kind, &spelled).await, binding, "{kind}");
        bound.push(json!({"id": binding, "policy_id": policy, "principal_type": kind, "principal_id": id}));
    }
    let path = format!("policies/{policy}/bindings");
    let listed = scene.get(&path).await.ok();
    let mut rows = listed["data"].as_array().unwrap().clone();
    rows.sort_by_key(|row| row["id"].to_string());
    bound.sort_by_key(|row| row["id"].to_string());
    assert_eq!(rows, bound);
    for row in bound {
        let unbind = format!("policies/{policy}/bind/{}", row["id"].as_str().unwrap());
        assert_eq!(scene.by_socket(Method::DELETE, &unbind, Value::Null).await.ok(), json!({"unbound": true}));
        assert_eq!(
            scene.by_socket(Method::DELETE, &unbind, Value::Null).await.refusal(),
            (404, "not_found".to_owned())
        );
    }
    assert_eq!(scene.get(&path).await.ok(), json!({"data": []}));
}

#[tokio::test]
async fn p07_what_is_not_there_or_not_of_here_cannot_be_bound() {
    let scene = Scene::new().await;
    let policy = scene.some_policy().await;
    for (kind, id) in [
        ("namespace", scene.owner.other_namespace.to_string()),
        ("namespace", scene.stranger.namespace.to_string()),
        ("namespace", "me".to_owned()),
        ("api_key", "key_00000000000000000000000001".to_owned()),
        ("oauth_token", scene.stranger.session.to_string()),
        ("oauth_token", scene.owner.id.to_string()),
        ("oauth_client", "nobody".to_owned()),
        ("oauth_client", "BITROUTER-CLI".to_owned()),
        ("user", scene.stranger.id.to_string()),
        ("user", "ada".to_owned()),
    ] {
        assert_eq!(scene.try_bind(&policy, kind, &id).await.refusal(), (404, "not_found".to_owned()), "{kind} {id}");
        let effective = scene.get(&format!("policies/effective?principal_type={kind}&principal_id={id}")).await;
        assert_eq!(effective.refusal(), (404, "not_found".to_owned()), "{kind} {id}");
        let direct = scene.get(&format!("principals/{kind}/{id}/policies")).await;
        assert_eq!(direct.refusal(), (404, "not_found".to_owned()), "{kind} {id}");
    }
    let id = scene.owner.namespace.to_string();
    for kind in ["account", "Namespace", "key"] {
        let refused = scene.try_bind(&policy, kind, &id).await;
        assert_eq!(refused.refusal(), (400, "bad_request".to_owned()), "{kind}");
        assert_eq!(refused.json()["field"], "principal_type");
        for path in [
            format!("policies/effective?principal_type={kind}&principal_id={id}"),
            format!("principals/{kind}/{id}/policies"),
        ] {
            assert_eq!(scene.get(&path).await.refusal(), (400, "bad_request".to_owned()), "{path}");
        }
    }
    let bind = format!("policies/{policy}/bind");
    for (body, field) in [
        (json!({"principal_id": id}), "principal_type"),
        (json!({"principal_type": "namespace"}), "principal_id"),
        (json!({"principal_type": "namespace", "principal_id": id, "x": 1}), "x"),
    ] {
        assert_eq!(scene.ask(Method::POST, &bind, body).await.json()["field"], field);
    }
    for (query, field) in [("principal_type=user", "principal_id"), ("", "principal_type")] {
        assert_eq!(scene.get(&format!("policies/effective?{query}")).await.json()["field"], field);
    }
}

#[tokio::test]
async fn deleting_a_policy_takes_its_bindings() {
    let scene = Scene::new().await;
    let policy = scene.some_policy().await;
    let client = ("oauth_client", "tokenroute-cli");
    scene.bind(&policy, client.0, client.1).await;
    scene.ask(Method::DELETE, &format!("policies/{policy}"), Value::Null).await.ok();
    assert_eq!(scene.get("principals/oauth_client/tokenroute-cli/policies").await.ok(), json!({"data": []}));
}

#[tokio::test]
async fn enabling_and_disabling_again_changes_nothing() {
    let scene = Scene::new().await;
    let policy = scene.some_policy().await;
    let path = |verb: &str| format!("policies/{policy}/{verb}");
    let at = async || scene.get(&format!("policies/{policy}")).await.ok()["disabled_at"].clone();
    for _ in 0..2 {
        assert_eq!(scene.ask(Method::POST, &path("enable"), Value::Null).await.ok(), json!({"disabled": false}));
        assert_eq!(at().await, Value::Null);
    }
    assert_eq!(scene.ask(Method::POST, &path("disable"), json!({})).await.ok(), json!({"disabled": true}));
    let since = at().await;
    scene.test.advance(std::time::Duration::from_mins(1));
    assert_eq!(scene.ask(Method::POST, &path("disable"), Value::Null).await.ok(), json!({"disabled": true}));
    assert_eq!((at().await, since.is_string()), (since.clone(), true));
    let refused = scene.ask(Method::POST, &path("disable"), json!({"reason": "x"})).await;
    assert_eq!(refused.json()["field"], "reason");
}

/// Whether the mark is there.
fn said(scene: &Scene) -> bool {
    is_bound(scene.test.dir())
}

#[tokio::test]
async fn the_mark_follows_what_is_in_force() {
    let scene = Scene::new().await;
    let (policy, owner) = (scene.some_policy().await, scene.owner.clone());
    assert!(!said(&scene));
    let unbind = async |binding: &str| {
        scene.by_socket(Method::DELETE, &format!("policies/{policy}/bind/{binding}"), Value::Null).await.ok();
    };
    for (kind, id, binds_keyless) in [
        ("oauth_client", "bitrouter-cli".to_owned(), false),
        ("oauth_token", owner.session.to_string(), false),
        ("namespace", owner.namespace.to_string(), true),
        ("user", owner.id.to_string(), true),
    ] {
        let binding = scene.bind(&policy, kind, &id).await;
        assert_eq!(said(&scene), binds_keyless, "{kind}");
        for (verb, acts) in [("disable", false), ("enable", true)] {
            scene.by_socket(Method::POST, &format!("policies/{policy}/{verb}"), Value::Null).await.ok();
            assert_eq!(said(&scene), binds_keyless && acts, "{kind} {verb}");
        }
        unbind(&binding).await;
        assert!(!said(&scene), "{kind}");
    }
    // Elsewhere it is no matter of calls without a key.
    let other = scene.token(owner.other_namespace, ScopeSet::GRANTABLE);
    let body = json!({"name": "x", "window": "day", "limit_micro_usd": 1});
    let budget = scene.ask_as(other, Method::POST, "budgets", body).await.ok()["id"].as_str().unwrap().to_owned();
    let body = json!({"principal_type": "namespace", "principal_id": owner.other_namespace.to_string()});
    scene.ask_as(other, Method::POST, &format!("policies/{budget}/bind"), body).await.ok();
    assert!(!said(&scene));
    scene.bind(&policy, "namespace", &owner.namespace.to_string()).await;
    assert!(said(&scene));
    let Scene { test, owner, stranger } = scene;
    let scene = Scene { test: test.reopened().await, owner, stranger };
    assert!(said(&scene));
    let path = format!("policies/{policy}");
    scene.by_socket(Method::DELETE, &path, Value::Null).await.ok();
    assert!(!said(&scene));
    // What is gone with its namespace is in force no more.
    let id = scene.owner.other_namespace.to_string();
    bitrouter_node::people::namespaces::delete(&scene.test.node, scene.owner.id, &id).await.unwrap();
    assert!(!said(&scene));
    assert_eq!(ids(&scene.get("policies").await.ok()), Vec::<String>::new());
}

#[tokio::test]
async fn p07_a_principal_that_is_not_there_is_404_before_any_scope() {
    let scene = Scene::new().await;
    let (owner, stranger, policy) = (scene.owner.clone(), scene.stranger.clone(), scene.some_policy().await);
    let ask = async |caller, kind: &str, id: &str| {
        let body = json!({"principal_type": kind, "principal_id": id});
        let query = format!("policies/effective?principal_type={kind}&principal_id={id}");
        [
            scene.ask_as(caller, Method::GET, &query, Value::Null).await,
            scene.ask_as(caller, Method::GET, &format!("principals/{kind}/{id}/policies"), Value::Null).await,
            scene.ask_as(caller, Method::POST, &format!("policies/{policy}/bind"), body).await,
        ]
    };
    let [none, all] = [ScopeSet::EMPTY, ScopeSet::GRANTABLE].map(|scopes| scene.token(owner.namespace, scopes));
    for (kind, id) in [
        ("namespace", stranger.namespace.to_string()),
        ("namespace", owner.other_namespace.to_string()),
        ("api_key", "key_00000000000000000000000001".to_owned()),
        ("oauth_token", stranger.session.to_string()),
        ("oauth_client", "nobody".to_owned()),
        ("user", stranger.id.to_string()),
    ] {
        for caller in [none, all] {
            for reply in ask(caller, kind, &id).await {
                assert_eq!(reply.refusal(), (404, "not_found".to_owned()), "{kind} {id}: {:?}", reply.body);
            }
        }
    }
    // What is there takes the scope, and so does what is wrong with the rest.
    for (kind, id) in [("user", owner.id.to_string()), ("oauth_client", "bitrouter-cli".to_owned())] {
        for reply in ask(none, kind, &id).await {
            assert_eq!(reply.refusal(), (403, "forbidden".to_owned()), "{kind} {id}: {:?}", reply.body);
        }
        for reply in ask(all, kind, &id).await {
            reply.ok();
        }
    }
    let (refused, told) = (ask(none, "team", "x").await, ask(all, "team", "x").await);
    assert!(refused.iter().all(|reply| reply.status.as_u16() == 403));
    for reply in told {
        assert_eq!((reply.status.as_u16(), reply.json()["field"].as_str()), (400, Some("principal_type")));
    }
    for body in [json!({}), json!([]), json!({"principal_type": 1, "principal_id": 2})] {
        let refused = scene.ask_as(none, Method::POST, &format!("policies/{policy}/bind"), body).await;
        assert_eq!(refused.status.as_u16(), 403);
    }
}

bitrouter_test_postgres::once_more_on_postgres!(
    p07_a_principal_that_is_not_there_is_404_before_any_scope,
    a_policy_is_bound_to_what_is_in_its_namespace,
    p07_what_is_not_there_or_not_of_here_cannot_be_bound,
    deleting_a_policy_takes_its_bindings,
    enabling_and_disabling_again_changes_nothing,
    the_mark_follows_what_is_in_force,
);
