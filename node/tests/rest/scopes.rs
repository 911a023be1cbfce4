//! P8: every endpoint × every kind of scope set.

use bitrouter_proto::account::{Scope, ScopeSet};
use http::StatusCode;

use super::{
    byok,
    caller::{Scene, session},
    entries::ENTRIES,
};

/// None, all, each alone, all but each.
fn sets() -> Vec<ScopeSet> {
    let alone = Scope::ALL.iter().map(|scope| ScopeSet::of(&[*scope]));
    let without = Scope::ALL.iter().map(|scope| ScopeSet::GRANTABLE.without(ScopeSet::of(&[*scope])));
    let ends = [ScopeSet::EMPTY, ScopeSet::DEFAULT, ScopeSet::GRANTABLE, ScopeSet::of(Scope::ALL)];
    ends.into_iter().chain(alone).chain(without).collect()
}

#[tokio::test]
async fn p08_each_endpoint_takes_its_scope_and_no_other() {
    let scene = Scene::new().await;
    let mut granted = 0;
    for entry in ENTRIES {
        for set in sets() {
            let case = format!("{} {} with `{set}`", entry.method, entry.path);
            // What a granted call destroys is made anew.
            let namespace = match (entry.names_session(), entry.names_namespace()) {
                (false, true)
                    if entry.takes_tokens
                        && set.contains(entry.scope)
                        && entry.method == "DELETE"
                        && !entry.names_row() =>
                {
                    let name = format!("n{granted}");
                    bitrouter_node::people::namespaces::create(&scene.test.node, scene.owner.id, &name)
                        .await
                        .unwrap()
                        .id
                }
                _ => scene.owner.namespace,
            };
            let in_it = if entry.names_session() && set.contains(entry.scope) {
                session(&scene.test, scene.owner.id, namespace).await
            } else {
                scene.owner.session
            };
            let path = entry.at(&namespace.to_string(), &in_it.to_string());
            // A name can be made once.
            let body = byok::body_of(&scene.test, entry).await.replace("made", &format!("made{granted}"));
            let reply = scene.send(scene.token(namespace, set), &entry.method(), &path, &body).await;
            if entry.names_row() {
                assert_eq!(reply.refusal(), (404, "not_found".to_owned()), "{case}");
            } else if !set.contains(entry.scope) {
                assert_eq!(reply.status, StatusCode::FORBIDDEN, "{case}: {:?}", reply.body);
                assert_eq!(reply.refusal().1, "forbidden", "{case}");
                assert_eq!(reply.words(), format!("missing required scope: {}", entry.scope), "{case}");
            } else if let Some(given) = entry.gives.filter(|given| !set.contains(*given)) {
                assert_eq!(reply.refusal(), (403, "forbidden".to_owned()), "{case}");
                assert_eq!(reply.words(), format!("scope exceeds the caller's: {given}"), "{case}");
            } else if entry.takes_tokens {
                assert_eq!(reply.status, StatusCode::OK, "{case}: {:?}", reply.body);
                assert!(reply.json().is_object() || entry.path == "/api/v1/me/keys", "{case}");
                granted += 1;
            } else {
                assert_eq!(reply.refusal(), (403, "forbidden".to_owned()), "{case}");
            }
        }
    }
    let answering = ENTRIES.iter().filter(|entry| entry.takes_tokens && !entry.names_row()).count();
    assert!(granted > answering * 10, "{granted}: the matrix granted almost nothing");
}

#[tokio::test]
async fn p08_no_token_is_ever_issued_that_creates_or_deletes_namespaces() {
    let scene = Scene::new().await;
    let pair = scene.test.sign_in(None).await;
    let principal = scene.test.node.judge_token(pair.access.as_bytes()).unwrap();
    assert!(!principal.scopes.contains(Scope::NamespaceWrite));
    let asked =
        scene.test.post("/oauth/device_authorization", &[("client_id", "bitrouter-cli"), ("scope", "namespace:write")]);
    assert_eq!(asked.await.refusal(), (400, "invalid_scope".to_owned()));
}

bitrouter_test_postgres::once_more_on_postgres!(
    p08_each_endpoint_takes_its_scope_and_no_other,
    p08_no_token_is_ever_issued_that_creates_or_deletes_namespaces,
);
