//! API keys over REST: what is minted, by whom, with what, and how it ends.

use std::time::Duration;

use bitrouter_gateway::http::Caller;
use bitrouter_node::http::all_endpoints;
use bitrouter_proto::account::{KeyId, Role, Scope, ScopeSet};
use http::{Method, Request, header};
use serde_json::{Value, json};

use super::{
    caller::{Browser, Scene, absent},
    support::{Reply, TestNode},
};

const KEYS: &str = "/v1/namespaces/me/keys";

/// Whoever presents `token`.
pub fn holder(test: &TestNode, token: &str) -> Caller {
    test.node.judge(token.as_bytes()).unwrap()
}

/// What a token may do.
fn scopes(test: &TestNode, token: &str) -> ScopeSet {
    match holder(test, token) {
        Caller::Credential(principal) => principal.scopes,
        other => panic!("{other:?}"),
    }
}

pub async fn mint(scene: &Scene, caller: Caller, body: &Value) -> Reply {
    scene.send(caller, &Method::POST, KEYS, &body.to_string()).await
}

/// A key with these scopes, as its minter is told of it.
pub async fn minted(scene: &Scene, caller: Caller, scopes: &[&str]) -> Value {
    mint(scene, caller, &json!({"display_name": "k", "scopes": scopes})).await.ok()
}

fn token(minted: &Value) -> &str {
    minted["token"].as_str().unwrap()
}

async fn listed(scene: &Scene, caller: Caller) -> Vec<Value> {
    let told = scene.send(caller, &Method::GET, KEYS, "").await.ok();
    assert_eq!(told.as_object().unwrap().len(), 1, "{told}");
    told["data"].as_array().unwrap().clone()
}

async fn revoke(scene: &Scene, caller: Caller, id: &str) -> Reply {
    scene.send(caller, &Method::DELETE, &format!("{KEYS}/{id}"), "").await
}

#[tokio::test]
async fn a_key_is_shown_once_and_listed_without_its_secret() {
    let scene = Scene::new().await;
    let session = scene.token(scene.owner.namespace, ScopeSet::DEFAULT);
    let body =
        json!({"display_name": "ci", "scopes": ["usage:read", "keys:read"], "expires_at": "2027-01-01T01:00:00+01:00"});
    let made = mint(&scene, session, &body).await.ok();
    let id: KeyId = made["id"].as_str().unwrap().parse().unwrap();
    let (head, secret) = token(&made).split_once('.').unwrap();
    assert_eq!((head, secret.len()), (format!("brk_{}", id.bare()).as_str(), 43));
    let expected = json!({
        "token": made["token"], "id": id, "key_prefix": &token(&made)[..12], "display_name": "ci",
        "scopes": ["usage:read", "keys:read"], "expires_at": "2027-01-01T00:00:00.000Z",
    });
    assert_eq!(made, expected);
    let rows = listed(&scene, session).await;
    let expected = json!([{
        "id": id, "display_name": "ci", "key_prefix": &token(&made)[..12], "scopes": ["usage:read", "keys:read"],
        "expires_at": "2027-01-01T00:00:00.000Z", "last_used_at": null, "revoked_at": null,
        "created_at": rows[0]["created_at"], "parent_id": scene.owner.session, "subject": scene.owner.id,
    }]);
    assert_eq!(json!(rows), expected);
    // Nothing in the database opens anything.
    for name in ["node.db", "node.db-wal"] {
        let bytes = std::fs::read(scene.test.dir().join(name)).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{name}");
    }
    let key = holder(&scene.test, token(&made));
    let rows = listed(&scene, key).await;
    assert_eq!(rows[0]["last_used_at"], rows[0]["created_at"], "{rows:?}");
}

#[tokio::test]
async fn bodies_of_a_mint_are_read_strictly() {
    let scene = Scene::new().await;
    let session = scene.token(scene.owner.namespace, ScopeSet::GRANTABLE);
    for (body, status, field) in [
        (json!({}), 400, "display_name"),
        (json!({"display_name": "k"}), 400, "scopes"),
        (json!({"display_name": "", "scopes": ["usage:read"]}), 400, "display_name"),
        (json!({"display_name": "a\u{202e}b", "scopes": ["usage:read"]}), 400, "display_name"),
        (json!({"display_name": "k".repeat(129), "scopes": ["usage:read"]}), 400, "display_name"),
        (json!({"display_name": "k", "scopes": []}), 400, "scopes"),
        (json!({"display_name": "k", "scopes": "usage:read"}), 400, "scopes"),
        (json!({"display_name": "k", "scopes": [1]}), 400, "scopes"),
        (json!({"display_name": "k", "scopes": [""]}), 400, "scopes"),
        (json!({"display_name": "k", "scopes": ["usage:read keys:read"]}), 400, "scopes"),
        (json!({"display_name": "k", "scopes": ["root"]}), 400, "scopes"),
        (json!({"display_name": "k", "scopes": ["namespace:write"]}), 403, "scopes"),
        (json!({"display_name": "k", "scopes": ["byok:write"]}), 403, "scopes"),
        (json!({"display_name": "k", "scopes": ["byok:*"]}), 403, "scopes"),
        (json!({"display_name": "k", "scopes": ["usage:read"], "expires_at": "tomorrow"}), 400, "expires_at"),
        (json!({"display_name": "k", "scopes": ["usage:read"], "expires_at": 1}), 400, "expires_at"),
        (
            json!({"display_name": "k", "scopes": ["usage:read"], "expires_at": "2001-01-01T00:00:00Z"}),
            400,
            "expires_at",
        ),
        (json!({"display_name": "k", "scopes": ["usage:read"], "namespace": "x"}), 400, "namespace"),
    ] {
        let reply = mint(&scene, session, &body).await;
        assert_eq!((reply.status.as_u16(), reply.json()["field"].as_str()), (status, Some(field)), "{body}");
    }
    assert!(listed(&scene, session).await.is_empty());
}

#[tokio::test]
async fn p08_a_key_can_do_no_more_than_its_minter_and_never_store_provider_keys() {
    let scene = Scene::new().await;
    for held in Scope::ALL {
        let set = ScopeSet::of(&[Scope::KeysWrite, *held]);
        let session = scene.token(scene.owner.namespace, set);
        for asked in Scope::ALL {
            let reply = mint(&scene, session, &json!({"display_name": "k", "scopes": [asked.as_str()]})).await;
            let case = format!("`{asked}` by `{set}`: {:?}", reply.body);
            if set.contains(*asked) && *asked != Scope::ByokWrite && *asked != Scope::NamespaceWrite {
                assert_eq!(scopes(&scene.test, token(&reply.ok())), ScopeSet::of(&[*asked]), "{case}");
            } else if set.contains(*asked) {
                assert_eq!(reply.refusal(), (403, "forbidden".to_owned()), "{case}");
            } else {
                let said = reply.json()["error_description"].as_str().unwrap().to_owned();
                assert_eq!(
                    (reply.status.as_u16(), said),
                    (403, format!("scope exceeds the caller's: {asked}")),
                    "{case}"
                );
            }
        }
    }
    // So it goes on below.
    let session = scene.token(scene.owner.namespace, ScopeSet::DEFAULT);
    let first = minted(&scene, session, &["keys:write", "usage:read"]).await;
    let first = holder(&scene.test, token(&first));
    assert_eq!(minted(&scene, first, &["usage:read"]).await["scopes"], json!(["usage:read"]));
    let refused = mint(&scene, first, &json!({"display_name": "k", "scopes": ["policy:read", "keys:read"]})).await;
    assert_eq!(refused.json()["error_description"], "scope exceeds the caller's: keys:read policy:read");
}

#[tokio::test]
async fn a_wildcard_stands_for_what_it_names_and_is_then_compared() {
    let scene = Scene::new().await;
    let wide = scene.token(scene.owner.namespace, ScopeSet::parse("keys:write keys:read").unwrap());
    let key = minted(&scene, wide, &["keys:*"]).await;
    assert_eq!(key["scopes"], json!(["keys:read", "keys:write"]));
    let narrow = scene.token(scene.owner.namespace, ScopeSet::of(&[Scope::KeysWrite]));
    let refused = mint(&scene, narrow, &json!({"display_name": "k", "scopes": ["keys:*"]})).await;
    assert_eq!(refused.json()["error_description"], "scope exceeds the caller's: keys:read");
}

#[tokio::test]
async fn a_key_outlives_no_key_that_it_comes_from_and_a_session_sets_no_end() {
    let scene = Scene::new().await;
    let session = scene.token(scene.owner.namespace, ScopeSet::DEFAULT);
    let all = ["keys:write", "keys:read"];
    let end = "2026-12-01T00:00:00.000Z";
    assert_eq!(minted(&scene, session, &all).await["expires_at"], Value::Null);
    let body = |end: &str| json!({"display_name": "k", "scopes": all, "expires_at": end});
    let first = mint(&scene, session, &body(end)).await.ok();
    let first = holder(&scene.test, token(&first));
    // None asked for, a later one, an earlier one.
    assert_eq!(minted(&scene, first, &all).await["expires_at"], end);
    assert_eq!(mint(&scene, first, &body("2030-01-01T00:00:00Z")).await.ok()["expires_at"], end);
    let earlier = mint(&scene, first, &body("2026-11-01T00:00:00Z")).await.ok();
    assert_eq!(earlier["expires_at"], "2026-11-01T00:00:00.000Z");
    scene.test.advance(Duration::from_hours(24 * 200));
    assert!(!scene.test.opens(token(&earlier)));
    let rows = listed(&scene, session).await;
    assert_eq!(rows.len(), 5, "what expired stays listed for a while");
}

#[tokio::test]
async fn eight_keys_stand_one_below_the_other() {
    let scene = Scene::new().await;
    let mut caller = scene.token(scene.owner.namespace, ScopeSet::DEFAULT);
    let mut tokens = Vec::new();
    for _ in 0..8 {
        let made = minted(&scene, caller, &["keys:write", "keys:read"]).await;
        caller = holder(&scene.test, token(&made));
        tokens.push(token(&made).to_owned());
    }
    let refused = mint(&scene, caller, &json!({"display_name": "k", "scopes": ["keys:read"]})).await;
    assert_eq!(refused.refusal(), (409, "conflict".to_owned()));
    assert!(refused.json()["error_description"].as_str().unwrap().contains('8'));
    // The chain is known from the last one up.
    let Caller::Credential(last) = caller else { panic!() };
    let chain = scene.test.node.chain_of(last.credential).unwrap();
    assert_eq!(chain.keys.len(), 8);
    assert_eq!((chain.grant, chain.client.as_deref()), (Some(scene.owner.session), Some("bitrouter-cli")));
    assert_eq!((chain.namespace, chain.person), (Some(scene.owner.namespace), scene.owner.id));
    // The third one ends with all below it.
    let Caller::Credential(third) = holder(&scene.test, &tokens[2]) else { panic!() };
    let session = scene.token(scene.owner.namespace, ScopeSet::DEFAULT);
    assert_eq!(revoke(&scene, session, &third.credential.to_string()).await.ok(), json!({"revoked": true}));
    let open: Vec<bool> = tokens.iter().map(|token| scene.test.opens(token)).collect();
    assert_eq!(open, [true, true, false, false, false, false, false, false]);
    let revoked = listed(&scene, session).await.iter().filter(|row| row["revoked_at"].is_string()).count();
    assert_eq!(revoked, 6);
    let test = scene.test.reopened().await;
    let open: Vec<bool> = tokens.iter().map(|token| test.opens(token)).collect();
    assert_eq!(open, [true, true, false, false, false, false, false, false]);
}

#[tokio::test]
async fn n23_a_revoked_key_opens_nothing_at_once_and_stays_listed_for_90_days() {
    let scene = Scene::new().await;
    let session = scene.token(scene.owner.namespace, ScopeSet::DEFAULT);
    let (kept, gone) = (minted(&scene, session, &["keys:read"]).await, minted(&scene, session, &["keys:read"]).await);
    let id = gone["id"].as_str().unwrap();
    for _ in 0..2 {
        assert_eq!(revoke(&scene, session, &id.to_ascii_uppercase()).await.ok(), json!({"revoked": true}));
        assert!(!scene.test.opens(token(&gone)) && scene.test.opens(token(&kept)));
    }
    let is_listed = async || listed(&scene, session).await.iter().any(|row| row["id"] == id);
    for (days, expected) in [(89, true), (2, false)] {
        scene.test.advance(Duration::from_hours(24 * days));
        scene.test.node.sweep(bitrouter_node::clock::Clock::wall(&*scene.test.clock)).await.unwrap();
        assert_eq!(is_listed().await, expected, "{days}");
    }
    assert_eq!(listed(&scene, session).await.len(), 1);
}

#[tokio::test]
async fn p07_keys_of_others_and_of_nobody_read_the_same_before_any_scope() {
    let scene = Scene::new().await;
    let own = minted(&scene, scene.token(scene.owner.namespace, ScopeSet::DEFAULT), &["keys:read"]).await;
    let mut eve = Browser::new();
    eve.sign_in(&scene.test, "eve").await;
    let body = json!({"display_name": "k", "scopes": ["usage:read"]}).to_string();
    let path = format!("/v1/namespaces/{}/keys", scene.stranger.namespace);
    let foreign = eve.json(&scene.test, &Method::POST, &path, &body).await.ok();
    let operators = scene.test.node.mint_operator_key("prometheus", None).await.unwrap();
    // From the other namespace of the same person, the own one is foreign too.
    let elsewhere = scene.owner.other_namespace;
    let mut answers = std::collections::BTreeSet::new();
    for (namespace, id) in [
        (scene.owner.namespace, foreign["id"].as_str().unwrap().to_owned()),
        (scene.owner.namespace, operators.id.to_string()),
        (scene.owner.namespace, absent(KeyId::new).to_string()),
        (scene.owner.namespace, scene.owner.session.to_string()),
        (scene.owner.namespace, "..".to_owned()),
        (elsewhere, own["id"].as_str().unwrap().to_owned()),
    ] {
        for set in [ScopeSet::EMPTY, ScopeSet::GRANTABLE] {
            let reply = revoke(&scene, scene.token(namespace, set), &id).await;
            assert_eq!(reply.refusal(), (404, "not_found".to_owned()), "{id}");
            answers.insert(reply.body);
        }
    }
    assert_eq!(answers.len(), 1);
    assert!(scene.test.opens(token(&own)) && scene.test.opens(token(&foreign)));
    // A key knows its own namespace alone, and lists no other's.
    let key = holder(&scene.test, token(&own));
    let path = format!("/v1/namespaces/{}/keys", scene.stranger.namespace);
    assert_eq!(scene.send(key, &Method::GET, &path, "").await.status.as_u16(), 404);
    assert_eq!(listed(&scene, key).await.len(), 1);
}

#[tokio::test]
async fn what_becomes_of_keys_when_their_session_ends() {
    let scene = Scene::new().await;
    let test = &scene.test;
    let begun = async |scopes: &[&str]| {
        let pair = test.sign_in(None).await;
        let key = minted(&scene, holder(test, &pair.access), scopes).await;
        let Caller::Credential(session) = holder(test, &pair.access) else { panic!() };
        (pair, session.credential.to_string(), token(&key).to_owned())
    };
    let mut browser = Browser::of_owner(test).await;
    let sessions = format!("/v1/namespaces/{}/sessions", scene.owner.namespace);
    // Signed out: the key holds.
    let (pair, _, key) = begun(&["keys:read"]).await;
    assert_eq!(test.revoke(&pair.access).await.status.as_u16(), 200);
    assert!(!test.opens(&pair.access) && test.opens(&key));
    // Ended by a person: it ends too, with what was minted with it, and is counted.
    let (pair, id, key) = begun(&["keys:write", "keys:read"]).await;
    let below = minted(&scene, holder(test, &key), &["keys:read"]).await;
    let path = format!("{sessions}/{id}");
    let wrong = browser.json(test, &Method::DELETE, &format!("{path}?keys=drop"), "").await;
    assert_eq!((wrong.status.as_u16(), &wrong.json()["field"]), (400, &json!("keys")));
    assert!(test.opens(&pair.access));
    let ended = browser.json(test, &Method::DELETE, &path, "").await.ok();
    assert_eq!(ended, json!({"revoked": true, "keys_revoked": 2}));
    assert!(!test.opens(&pair.access) && !test.opens(&key) && !test.opens(token(&below)));
    // Unless they are to be kept.
    let (pair, id, kept) = begun(&["keys:read"]).await;
    let ended = browser.json(test, &Method::DELETE, &format!("{sessions}/{id}?keys=keep"), "").await.ok();
    assert_eq!(ended, json!({"revoked": true, "keys_kept": 1}));
    assert!(!test.opens(&pair.access) && test.opens(&kept));
    // A refresh token that comes twice ends the session; the key holds, and that is said.
    let (pair, _, replayed) = begun(&["keys:read"]).await;
    let next = test.refresh(&pair.refresh).await.pair();
    assert!(test.opens(&next.access));
    test.advance(Duration::from_mins(5));
    assert_eq!(test.refresh(&pair.refresh).await.refusal(), (400, "invalid_grant".to_owned()));
    assert!(!test.opens(&next.access) && test.opens(&replayed));
    let warned = |test: &TestNode| test.node.warnings().borrow().iter().map(ToString::to_string).collect::<String>();
    let Caller::Credential(principal) = holder(test, &replayed) else { panic!() };
    let id = principal.credential.to_string();
    assert!(warned(test).contains(&id), "{}", warned(test));
    let path = format!("/v1/namespaces/{}/keys/{id}", scene.owner.namespace);
    assert_eq!(browser.json(test, &Method::DELETE, &path, "").await.status.as_u16(), 200);
    assert_eq!(warned(test), "");
    // All of it is the same after a start.
    let test = scene.test.reopened().await;
    assert!(test.opens(&kept) && !test.opens(&replayed) && !test.opens(&key));
}

#[tokio::test]
async fn keys_end_with_their_namespace_and_their_person() {
    let scene = Scene::new().await;
    let mut owner = Browser::of_owner(&scene.test).await;
    let mut eve = Browser::new();
    eve.sign_in(&scene.test, "eve").await;
    let body = json!({"display_name": "k", "scopes": ["usage:read"]}).to_string();
    let mut tokens = Vec::new();
    for namespace in [scene.owner.other_namespace, scene.stranger.namespace, scene.stranger.other_namespace] {
        let browser = if tokens.is_empty() { &mut owner } else { &mut eve };
        let path = format!("/v1/namespaces/{namespace}/keys");
        let made = browser.json(&scene.test, &Method::POST, &path, &body).await.ok();
        tokens.push(token(&made).to_owned());
    }
    let kept = minted(&scene, scene.token(scene.owner.namespace, ScopeSet::DEFAULT), &["usage:read"]).await;
    assert!(tokens.iter().all(|token| scene.test.opens(token)));
    let path = format!("/v1/namespaces/{}", scene.owner.other_namespace);
    assert_eq!(owner.json(&scene.test, &Method::DELETE, &path, "").await.status.as_u16(), 200);
    assert!(!scene.test.opens(&tokens[0]) && scene.test.opens(&tokens[1]));
    scene.test.node.remove_user("eve").await.unwrap();
    assert!(tokens.iter().all(|token| !scene.test.opens(token)));
    let test = scene.test.reopened().await;
    assert!(tokens.iter().all(|token| !test.opens(token)) && test.opens(token(&kept)));
}

#[tokio::test]
async fn who_is_let_in_again_has_none_of_the_former_keys() {
    let scene = Scene::new().await;
    let (test, home) = (&scene.test, scene.owner.namespace.to_string());
    test.node.set_member(&home, "eve", Role::Member).await.unwrap();
    let pair = test.sign_in_as(scene.stranger.id, scene.owner.namespace).await;
    let key = minted(&scene, holder(test, &pair.access), &["keys:read", "keys:write"]).await;
    let below = minted(&scene, holder(test, token(&key)), &["keys:read"]).await;
    let kept = minted(&scene, scene.token(scene.owner.namespace, ScopeSet::DEFAULT), &["keys:read"]).await;
    // What is left of a key under another role.
    test.node.set_member(&home, "eve", Role::Viewer).await.unwrap();
    assert_eq!(scopes(test, token(&key)), ScopeSet::of(&[Scope::KeysRead]));
    // A key of the owner's is not hers to revoke, hers is the owner's.
    test.node.set_member(&home, "eve", Role::Member).await.unwrap();
    let refused = revoke(&scene, holder(test, &pair.access), kept["id"].as_str().unwrap()).await;
    assert_eq!(refused.refusal(), (403, "forbidden".to_owned()));
    test.node.remove_member(&home, "eve").await.unwrap();
    assert!(!test.opens(&pair.access) && !test.opens(token(&key)) && !test.opens(token(&below)));
    test.node.set_member(&home, "eve", Role::Admin).await.unwrap();
    assert!(!test.opens(token(&key)) && !test.opens(token(&below)) && test.opens(token(&kept)));
    let test = scene.test.reopened().await;
    assert!(!test.opens(token(&key)) && !test.opens(token(&below)) && test.opens(token(&kept)));
}

#[tokio::test]
async fn rows_of_ended_sessions_stay_as_long_as_keys_come_from_them() {
    let scene = Scene::new().await;
    let pair = scene.test.sign_in(None).await;
    let key = minted(&scene, holder(&scene.test, &pair.access), &["keys:read"]).await;
    let key_id = key["id"].as_str().unwrap().parse().unwrap();
    scene.test.revoke(&pair.access).await.ok();
    let test = &scene.test;
    let sweep = async || test.node.sweep(bitrouter_node::clock::Clock::wall(&*test.clock)).await.unwrap();
    test.advance(Duration::from_hours(24 * 400));
    sweep().await;
    let chain = test.node.chain_of(bitrouter_proto::account::CredentialId::Key(key_id)).unwrap();
    assert_eq!((Some(chain.person), chain.client.as_deref()), (Some(scene.owner.id), Some("bitrouter-cli")));
    let caller = scene.token(scene.owner.namespace, ScopeSet::DEFAULT);
    revoke(&scene, caller, &key_id.to_string()).await.ok();
    assert_eq!(test.node.chain_of(bitrouter_proto::account::CredentialId::Key(key_id)), None);
    test.advance(Duration::from_hours(24 * 91));
    sweep().await;
    assert!(listed(&scene, caller).await.is_empty());
}

#[tokio::test]
async fn the_operators_reading_key_opens_usage_and_calls_of_everybody_and_nothing_else() {
    let scene = Scene::new().await;
    let made = scene.test.node.mint_operator_key("prometheus", None).await.unwrap();
    assert_eq!((made.scopes.as_slice(), made.expires_at), ([String::from("usage:read")].as_slice(), None));
    let operator = holder(&scene.test, &made.token);
    assert!(matches!(operator, Caller::Operator(id) if id == made.id));
    for namespace in [scene.owner.namespace, scene.stranger.namespace] {
        for what in ["usage", "requests"] {
            let reply = scene.send(operator, &Method::GET, &format!("/v1/namespaces/{namespace}/{what}"), "").await;
            assert_eq!(reply.status.as_u16(), 200, "{what}");
        }
    }
    assert_eq!(scene.send(operator, &Method::GET, "/v1/node/usage", "").await.status.as_u16(), 200);
    let mut refused = 0;
    for endpoint in all_endpoints().filter(|endpoint| endpoint.access != bitrouter_node::http::Access::Open) {
        let reads = endpoint.path == "/v1/node/usage"
            || ["/usage", "/requests", "/requests/{req}"].iter().any(|end| endpoint.path.ends_with(end));
        if reads && endpoint.method == Method::GET {
            continue;
        }
        let path = endpoint.path.replace("{nsid}", &scene.owner.namespace.to_string());
        let path = path.replace("{principal_type}", "user");
        let reply = scene.send(operator, &endpoint.method, &path, "").await;
        assert!(matches!(reply.status.as_u16(), 403 | 404), "{} {path}: {:?}", endpoint.method, reply.body);
        refused += 1;
    }
    assert!(refused > 10, "{refused}");
    let [listed] = scene.test.node.list_operator_keys().await.unwrap().try_into().unwrap();
    assert_eq!((listed.id, listed.display_name.as_str()), (made.id, "prometheus"));
    assert!(listed.last_used_at.is_some());
    scene.test.node.revoke_operator_key(made.id).await.unwrap();
    assert!(!scene.test.opens(&made.token));
    let key = minted(&scene, scene.token(scene.owner.namespace, ScopeSet::DEFAULT), &["usage:read"]).await;
    let id = key["id"].as_str().unwrap().parse().unwrap();
    assert!(scene.test.node.revoke_operator_key(id).await.is_err(), "a key of a namespace is none of the operator's");
    assert!(scene.test.opens(token(&key)));
}

#[tokio::test]
async fn n25_uses_are_written_together_and_the_first_one_at_once() {
    let scene = Scene::new().await;
    let session = scene.token(scene.owner.namespace, ScopeSet::DEFAULT);
    let mut keys = Vec::new();
    for _ in 0..45 {
        keys.push(minted(&scene, session, &["keys:read"]).await);
    }
    for (at, key) in keys.iter().enumerate().filter(|(at, _)| at % 2 == 0) {
        scene.test.advance(Duration::from_millis(1 + at as u64));
        assert!(scene.test.opens(token(key)));
    }
    let before = listed(&scene, session).await;
    let used = before.iter().filter(|row| row["last_used_at"].is_string()).count();
    assert_eq!(used, 23);
    // Closing writes what is left.
    let Scene { test, owner, stranger } = scene;
    let scene = Scene { test: test.reopened().await, owner, stranger };
    assert_eq!(listed(&scene, session).await, before);
}

/// A mint that is sent with an `Idempotency-Key`.
async fn mint_once(scene: &Scene, caller: Caller, path: &str, key: &str, body: &Value) -> Reply {
    let text = body.to_string();
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .header("idempotency-key", key);
    scene.raw(caller, request.body(text.into()).unwrap()).await
}

#[tokio::test]
async fn a_mint_whose_reply_was_lost_is_answered_with_a_fresh_secret() {
    let scene = Scene::new().await;
    let session = scene.token(scene.owner.namespace, ScopeSet::DEFAULT);
    let body = json!({"display_name": "k", "scopes": ["keys:read"]});
    let once = async |key: &str| mint_once(&scene, session, KEYS, key, &body).await;
    let first = once("a").await;
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let first = first.ok();
    let again = once("a").await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let again = again.ok();
    assert_eq!((&again["id"], &again["key_prefix"]), (&first["id"], &first["key_prefix"]));
    assert_ne!(again["token"], first["token"]);
    assert!(!scene.test.opens(token(&first)), "the earlier one is dead");
    scene.test.advance(Duration::from_mins(9));
    let last = once("a").await.ok();
    // Once it was used, nobody is told again.
    assert!(!scene.test.opens(token(&again)) && scene.test.opens(token(&last)));
    let refused = once("a").await;
    assert_eq!(refused.refusal(), (409, "conflict".to_owned()));
    assert!(refused.json()["error_description"].as_str().unwrap().contains(first["id"].as_str().unwrap()));
    assert!(scene.test.opens(token(&last)), "what was told holds");
    // Nor later than after ten minutes, nor when it was revoked.
    let late = once("b").await.ok();
    scene.test.advance(Duration::from_mins(11));
    assert_eq!(once("b").await.status.as_u16(), 409);
    assert!(scene.test.opens(token(&late)));
    let gone = once("c").await.ok();
    revoke(&scene, session, gone["id"].as_str().unwrap()).await.ok();
    assert_eq!(once("c").await.status.as_u16(), 409);
    assert!(!scene.test.opens(token(&gone)));
    // The right is judged first.
    let narrow = scene.token(scene.owner.namespace, ScopeSet::of(&[Scope::KeysWrite]));
    let unused = once("d").await.ok();
    assert_eq!(mint_once(&scene, narrow, KEYS, "d", &body).await.status.as_u16(), 403);
    assert!(scene.test.opens(token(&unused)));
    assert_eq!(listed(&scene, session).await.len(), 4);
}

#[tokio::test]
async fn a_mint_is_answered_anew_after_a_start_too_unless_it_was_used() {
    let scene = Scene::new().await;
    let session = scene.token(scene.owner.namespace, ScopeSet::DEFAULT);
    let body = json!({"display_name": "k", "scopes": ["keys:read"]});
    let (used, unused) = (
        mint_once(&scene, session, KEYS, "used", &body).await.ok(),
        mint_once(&scene, session, KEYS, "unused", &body).await.ok(),
    );
    assert!(scene.test.opens(token(&used)));
    let Scene { test, owner, stranger } = scene;
    let scene = Scene { test: test.reopened().await, owner, stranger };
    assert_eq!(mint_once(&scene, session, KEYS, "used", &body).await.status.as_u16(), 409);
    let again = mint_once(&scene, session, KEYS, "unused", &body).await.ok();
    assert_eq!(again["id"], unused["id"]);
    assert!(!scene.test.opens(token(&unused)) && scene.test.opens(token(&again)) && scene.test.opens(token(&used)));
}

bitrouter_test_postgres::once_more_on_postgres!(
    bodies_of_a_mint_are_read_strictly,
    p08_a_key_can_do_no_more_than_its_minter_and_never_store_provider_keys,
    a_wildcard_stands_for_what_it_names_and_is_then_compared,
    a_key_outlives_no_key_that_it_comes_from_and_a_session_sets_no_end,
    eight_keys_stand_one_below_the_other,
    n23_a_revoked_key_opens_nothing_at_once_and_stays_listed_for_90_days,
    p07_keys_of_others_and_of_nobody_read_the_same_before_any_scope,
    what_becomes_of_keys_when_their_session_ends,
    keys_end_with_their_namespace_and_their_person,
    who_is_let_in_again_has_none_of_the_former_keys,
    rows_of_ended_sessions_stay_as_long_as_keys_come_from_them,
    the_operators_reading_key_opens_usage_and_calls_of_everybody_and_nothing_else,
    n25_uses_are_written_together_and_the_first_one_at_once,
    a_mint_whose_reply_was_lost_is_answered_with_a_fresh_secret,
    a_mint_is_answered_anew_after_a_start_too_unless_it_was_used,
);
