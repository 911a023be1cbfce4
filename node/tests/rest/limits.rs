//! Limits, and what has to stay.

use bitrouter_node::people::namespaces::{self, MOST, NamespaceError};
use bitrouter_proto::account::{Scope, ScopeSet};
use http::Method;

use super::caller::{Browser, Scene};

#[tokio::test]
async fn a_person_has_at_most_a_hundred_namespaces() {
    let scene = Scene::new().await;
    let node = &scene.test.node;
    // Two are there.
    for at in 2..MOST {
        namespaces::create(node, scene.owner.id, &format!("n{at}")).await.unwrap();
    }
    let token = scene.token(scene.owner.namespace, ScopeSet::of(Scope::ALL));
    let refused = scene.send(token, &Method::POST, "/v1/namespaces", r#"{"name":"one more"}"#).await;
    assert_eq!(refused.refusal(), (409, "conflict".to_owned()));
    assert!(refused.json()["error_description"].as_str().unwrap().contains("100"));
    // Another's are counted apart, and a deleted one no more.
    namespaces::create(node, scene.stranger.id, "mine").await.unwrap();
    namespaces::delete(node, scene.owner.id, "other").await.unwrap();
    namespaces::create(node, scene.owner.id, "one more").await.unwrap();
}

#[tokio::test]
async fn the_first_and_the_last_one_stay() {
    let scene = Scene::new().await;
    let mut browser = Browser::of_owner(&scene.test).await;
    let path = format!("/v1/namespaces/{}", scene.owner.namespace);
    let refused = browser.json(&scene.test, &Method::DELETE, &path, "").await;
    assert_eq!(refused.refusal(), (409, "conflict".to_owned()));
    let mut eve = Browser::new();
    eve.sign_in(&scene.test, "eve").await;
    let delete = async |eve: &mut Browser, id| {
        eve.json(&scene.test, &Method::DELETE, &format!("/v1/namespaces/{id}"), "").await.status.as_u16()
    };
    assert_eq!(delete(&mut eve, scene.stranger.namespace).await, 200);
    assert_eq!(delete(&mut eve, scene.stranger.other_namespace).await, 409);
}

#[tokio::test]
async fn a_name_that_reads_as_an_id_hides_no_namespace() {
    let scene = Scene::new().await;
    let node = &scene.test.node;
    let other = scene.owner.other_namespace.to_string();
    let refused = namespaces::create(node, scene.owner.id, &other).await;
    assert!(matches!(refused, Err(NamespaceError::Name(_))), "{refused:?}");
    let renamed = namespaces::rename(node, scene.owner.id, &other, "by id").await.unwrap();
    assert_eq!(renamed.id, scene.owner.other_namespace);
    // A stranger's id means nothing here, and nothing can be called so.
    let strange = scene.stranger.namespace.to_string();
    assert!(matches!(namespaces::rename(node, scene.owner.id, &strange, "x").await, Err(NamespaceError::Absent(_))));
    let refused = namespaces::rename(node, scene.owner.id, &other, &strange).await;
    assert!(matches!(refused, Err(NamespaceError::Name(_))), "{refused:?}");
}

bitrouter_test_postgres::once_more_on_postgres!(
    a_person_has_at_most_a_hundred_namespaces,
    the_first_and_the_last_one_stay,
    a_name_that_reads_as_an_id_hides_no_namespace,
);
