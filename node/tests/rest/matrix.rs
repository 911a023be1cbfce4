//! P7 and P8, whole: every endpoint, asked for another person's namespace by each role with each kind of credential.

use bitrouter_gateway::http::{Caller, Principal};
use bitrouter_proto::account::{GrantId, KeyId, MicroUsd, NamespaceId, Role, Scope, ScopeSet};
use http::{Method, StatusCode};

use super::{
    caller::{Browser, Scene, absent, session},
    entries::{ENTRIES, Entry},
};

/// What a credential of eve's has of the owner's namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A token in it that was issued all that there is.
    Whole,
    /// A token in it that was issued one scope.
    Narrow,
    /// A key that was minted with the whole one.
    Key,
    /// A token of her own namespace.
    Foreign,
    /// Her browser.
    Browser,
}

const KINDS: [Kind; 5] = [Kind::Whole, Kind::Narrow, Kind::Key, Kind::Foreign, Kind::Browser];

/// What she is to be told; `None`: an answer.
fn refusal(entry: &Entry, kind: Kind, role: Option<Role>) -> Option<u16> {
    let is_in_it = matches!(kind, Kind::Whole | Kind::Narrow | Kind::Key);
    let Some(role) = role else { return Some(if is_in_it { 401 } else { 404 }) };
    let issued = match kind {
        Kind::Foreign => return Some(404),
        Kind::Browser => ScopeSet::GRANTABLE,
        Kind::Whole => WHOLE,
        Kind::Key => WHOLE.without(NEVER_IN_A_KEY),
        Kind::Narrow => NARROW,
    };
    if entry.names_row() {
        return Some(404);
    }
    let holds = issued.contains(entry.scope) && role.scopes().contains(entry.scope);
    (!holds || (!entry.takes_tokens && kind != Kind::Browser)).then_some(403)
}

/// What a program that asks for nothing in particular is granted.
const WHOLE: ScopeSet = ScopeSet::DEFAULT;
const NARROW: ScopeSet = ScopeSet::of(&[Scope::UsageRead]);
const NEVER_IN_A_KEY: ScopeSet = ScopeSet::of(&[Scope::ByokWrite]);

#[tokio::test]
async fn p07_p08_every_endpoint_for_every_role_and_kind_of_credential() {
    let scene = Scene::new().await;
    let (home, eve) = (scene.owner.namespace, scene.stranger.id);
    let mut browser = Browser::new();
    browser.sign_in(&scene.test, "eve").await;
    let roles = [Some(Role::Viewer), Some(Role::Member), Some(Role::Admin), None];
    let (mut answered, mut refused) = (0, 0);
    // Signed in while she might do most; what she is later decides.
    scene.test.node.set_member(&home.to_string(), "eve", Role::Admin).await.unwrap();
    let pair = scene.test.sign_in_as(eve, home).await;
    let whole = scene.test.node.judge(pair.access.as_bytes()).unwrap();
    let scopes: Vec<_> = WHOLE.without(NEVER_IN_A_KEY).iter().map(Scope::as_str).collect();
    let body = serde_json::json!({"display_name": "of the matrix", "scopes": scopes}).to_string();
    let minted = scene.send(whole, &Method::POST, "/v1/namespaces/me/keys", &body).await.ok();
    let key = minted["token"].as_str().unwrap();
    let of = |kind| match (scene.test.node.judge(pair.access.as_bytes()), kind) {
        (Ok(caller), Kind::Whole) => Some(caller),
        (Ok(Caller::Credential(whole)), Kind::Narrow) => {
            Some(Caller::Credential(Principal { scopes: whole.scopes.intersection(NARROW), ..whole }))
        }
        (_, Kind::Key) => scene.test.node.judge(key.as_bytes()).ok(),
        (_, Kind::Foreign) => Some(Caller::Credential(Principal {
            credential: bitrouter_proto::account::CredentialId::Grant(scene.stranger.session),
            namespace: scene.stranger.namespace,
            person: eve,
            scopes: ScopeSet::GRANTABLE,
        })),
        _ => None,
    };
    for role in roles {
        match role {
            Some(role) => drop(scene.test.node.set_member(&home.to_string(), "eve", role).await.unwrap()),
            None => drop(scene.test.node.remove_member(&home.to_string(), "eve").await.unwrap()),
        }
        for entry in ENTRIES.iter().filter(|entry| entry.names_namespace()) {
            for kind in KINDS {
                let case = format!("{} {} as {role:?} with {kind:?}", entry.method, entry.path);
                // A session that she may end where she may end any.
                let in_it = if entry.names_session() && role.is_some() {
                    session(&scene.test, eve, home).await
                } else {
                    scene.owner.session
                };
                let path = entry.at(&home.to_string(), &in_it.to_string());
                // A name can be made once.
                let body = entry.body.replace("made", &format!("made{answered}"));
                let expected = refusal(entry, kind, role);
                let reply = match (kind, of(kind)) {
                    (Kind::Browser, _) => browser.json(&scene.test, &entry.method(), &path, &body).await,
                    (_, Some(caller)) => scene.send(caller, &entry.method(), &path, &body).await,
                    (_, None) => {
                        assert_eq!(expected, Some(401), "{case}");
                        continue;
                    }
                };
                match expected {
                    Some(status) => {
                        assert_eq!(reply.status.as_u16(), status, "{case}: {:?}", reply.body);
                        refused += 1;
                    }
                    None => {
                        assert_eq!(reply.status, StatusCode::OK, "{case}: {:?}", reply.body);
                        answered += 1;
                    }
                }
            }
        }
    }
    assert!(answered > 15 && refused > 60, "{answered} {refused}");
}

#[tokio::test]
async fn p07_the_operators_key_reads_usage_and_calls_of_every_namespace_and_nothing_else() {
    let scene = Scene::new().await;
    let operator = Caller::Operator(absent(KeyId::new));
    let opened = ["/v1/namespaces/{nsid}/usage", "/v1/namespaces/{nsid}/requests", "/v1/node/usage"];
    for entry in ENTRIES {
        for person in [&scene.owner, &scene.stranger] {
            let path = entry.at(&person.namespace.to_string(), &person.session.to_string());
            let reply = scene.send(operator, &entry.method(), &path, entry.body).await;
            let expected = match entry.path {
                path if opened.contains(&path) => 200,
                "/v1/namespaces/{nsid}/requests/{req}" => 404,
                _ => 403,
            };
            assert_eq!(reply.status.as_u16(), expected, "{} {path}: {:?}", entry.method, reply.body);
        }
    }
}

#[tokio::test]
async fn p07_the_operators_key_learns_of_no_id_at_what_it_does_not_open() {
    let scene = Scene::new().await;
    let (operator, home) = (Caller::Operator(absent(KeyId::new)), scene.owner.namespace.to_string());
    let owner = scene.token(scene.owner.namespace, ScopeSet::GRANTABLE);
    let make = async |path: &str, body: &str, id: &str| {
        let made = scene.send(owner, &Method::POST, &format!("/v1/namespaces/me/{path}"), body).await.ok();
        made[id].as_str().unwrap().to_owned()
    };
    let rate = r#"{"name":"made","kind":"rate_limit","spec":{"window_secs":60,"max_requests":1}}"#;
    let policy = make("policies", rate, "id").await;
    let principal = format!(r#"{{"principal_type":"namespace","principal_id":"{home}"}}"#);
    let ids = [
        ("{nsid}", home.clone()),
        ("{tok}", scene.owner.session.to_string()),
        ("{usr}", scene.stranger.id.to_string()),
        ("{key}", make("keys", r#"{"display_name":"made","scopes":["usage:read"]}"#, "id").await),
        ("{bnd}", make(&format!("policies/{policy}/bind"), &principal, "binding_id").await),
        ("{budget}", make("budgets", r#"{"name":"made","window":"day","limit_micro_usd":1}"#, "id").await),
        ("{preset}", make("presets", r#"{"name":"made","guardrail":{}}"#, "id").await),
        ("{pol}", policy),
        ("{provider}", "openai".to_owned()),
        ("{principal_type}", "namespace".to_owned()),
        ("{principal_id}", home),
    ];
    scene.test.node.set_member(&scene.owner.namespace.to_string(), "eve", Role::Viewer).await.unwrap();
    let mut asked = 0;
    for entry in ENTRIES.iter().filter(|entry| entry.path.contains('{') && entry.scope != Scope::UsageRead) {
        let there = ids.iter().fold(entry.path.to_owned(), |path, (name, id)| path.replace(name, id));
        let nowhere = entry.at(&absent(NamespaceId::new).to_string(), &absent(GrantId::new).to_string());
        let here = entry.at(&scene.owner.namespace.to_string(), &absent(GrantId::new).to_string());
        let mut answers = std::collections::BTreeSet::new();
        for path in [&there, &here, &nowhere] {
            let reply = scene.send(operator, &entry.method(), path, entry.body).await;
            assert_eq!(reply.refusal(), (403, "forbidden".to_owned()), "{} {path}", entry.method);
            answers.insert(reply.body.clone());
        }
        assert_eq!(answers.len(), 1, "{} {there}", entry.method);
        asked += 1;
    }
    assert!(asked > 25, "{asked}");
}

#[tokio::test]
async fn p07_billing_and_account_are_the_persons_own_in_any_role() {
    let scene = Scene::new().await;
    let home = scene.owner.namespace.to_string();
    scene.test.node.grant_credit(&home, MicroUsd::new(5_000_000)).await.unwrap();
    for role in Role::GIVEN {
        scene.test.node.set_member(&home, "eve", *role).await.unwrap();
        let caller = Caller::Credential(Principal {
            credential: bitrouter_proto::account::CredentialId::Grant(scene.stranger.session),
            namespace: scene.owner.namespace,
            person: scene.stranger.id,
            scopes: role.scopes(),
        });
        let get = async |path: &str| scene.send(caller, &Method::GET, path, "").await.ok();
        assert_eq!(get("/v1/billing/balance").await["balance_micro_usd"], 0, "as {role:?}");
        assert_eq!(get("/v1/billing/transactions").await["data"], serde_json::json!([]));
        assert_eq!(get("/v1/account").await["id"], scene.stranger.id.to_string());
    }
}

bitrouter_test_postgres::once_more_on_postgres!(
    p07_p08_every_endpoint_for_every_role_and_kind_of_credential,
    p07_the_operators_key_reads_usage_and_calls_of_every_namespace_and_nothing_else,
    p07_billing_and_account_are_the_persons_own_in_any_role,
);
