//! Provider keys that people bring: what is taken, from whom, and what is shown of it.

use bitrouter_gateway::http::{Caller, Principal};
use bitrouter_proto::account::{
    CredentialId, GrantId, KeyId, NamespaceId, Role, Scope, ScopeSet,
    byok::{EncryptionKey, NewStoredKey},
    seal::sealed,
};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{
    caller::{Browser, Scene, absent},
    entries::{Entry, SEALED},
    support::{Reply, TestNode},
};

const KEYS: &str = "/v1/byok/keys";
const PUBLIC: &str = "/v1/byok/encryption-pubkey";

/// What new keys are sealed against.
async fn current(test: &TestNode) -> EncryptionKey {
    serde_json::from_value(test.get(PUBLIC).await.ok()).unwrap()
}

/// `key`, sealed for `provider`.
async fn submission(test: &TestNode, provider: &str, key: &str, api_base: Option<&str>) -> NewStoredKey {
    sealed(&current(test).await, provider, &SecretString::from(key), api_base.map(str::to_owned)).unwrap()
}

/// The body of an entry, with a key that was sealed just now where it wants one.
pub async fn body_of(test: &TestNode, entry: &Entry) -> String {
    if entry.body != SEALED {
        return entry.body.to_owned();
    }
    json!(submission(test, "openai", "sk-of-the-matrix", None).await).to_string()
}

/// A token of the owner's that may store keys.
fn writer(scene: &Scene) -> Caller {
    scene.token(scene.owner.namespace, ScopeSet::of(&[Scope::ByokRead, Scope::ByokWrite]))
}

async fn submit(scene: &Scene, caller: Caller, new: &NewStoredKey) -> Reply {
    scene.send(caller, &Method::POST, KEYS, &json!(new).to_string()).await
}

async fn listed(scene: &Scene) -> Vec<Value> {
    scene.send(writer(scene), &Method::GET, KEYS, "").await.ok()["data"].as_array().unwrap().clone()
}

/// What a call of the owner's would go with to `provider`.
fn opened(scene: &Scene, provider: &str) -> Option<String> {
    let caller = Caller::Keyless { namespace: Some(scene.owner.namespace) };
    let key = scene.test.node.owners_key(caller, provider)?;
    Some(key.open().unwrap().expose_secret().to_owned())
}

#[tokio::test]
async fn the_public_key_is_open_to_all_and_kept_by_its_tag() {
    let scene = Scene::new().await;
    let reply = scene.send(Caller::Anyone, &Method::GET, PUBLIC, "").await;
    let key = reply.ok();
    let tag = format!("\"{}\"", key["kek_id"].as_str().unwrap());
    assert_eq!(
        (reply.header(header::ETAG), reply.header(header::CACHE_CONTROL)),
        (Some(&*tag), Some("private, max-age=300"))
    );
    for (sent, status) in [(tag.as_str(), 304), ("\"kek_0000000000000000\"", 200), ("kek", 200)] {
        let request = Request::get(PUBLIC).header(header::IF_NONE_MATCH, sent).body(Bytes::new()).unwrap();
        let reply = scene.test.send(request, super::support::neighbour()).await;
        assert_eq!((reply.status.as_u16(), reply.header(header::ETAG)), (status, Some(&*tag)), "{sent}");
        assert_eq!(reply.body.is_empty(), status == 304, "{sent}");
    }
    // It is the node's, however often that is opened.
    let before = current(&scene.test).await;
    let test = scene.test.reopened().await;
    assert_eq!(current(&test).await, before);
}

#[tokio::test]
async fn a_key_is_stored_replaced_listed_and_deleted() {
    let scene = Scene::new().await;
    let first = submission(&scene.test, "openai", "sk-proj-first-key", None).await;
    let told = submit(&scene, writer(&scene), &first).await.ok();
    assert_eq!(told, json!({"provider_name": "openai", "kek_id": first.kek_id, "key_prefix": "sk-proj-"}));
    assert_eq!(opened(&scene, "openai").as_deref(), Some("sk-proj-first-key"));
    scene.test.advance(std::time::Duration::from_mins(1));
    // What a client says of the beginning is not shown: it may be the whole.
    let second = NewStoredKey {
        key_prefix: "AIza-the-whole-key".to_owned(),
        ..submission(&scene.test, "openai", "AIzaSecret", None).await
    };
    submit(&scene, writer(&scene), &second).await.ok();
    assert_eq!(opened(&scene, "openai").as_deref(), Some("AIzaSecret"));
    let rows = listed(&scene).await;
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((&row["provider_name"], &row["key_prefix"]), (&json!("openai"), &json!("AIza")), "{row}");
    assert!(row["created_at"].as_str() < row["updated_at"].as_str(), "{row}");
    assert_eq!(
        (&row["last_used_at"], &row["last_failure_at"], &row["last_failure_kind"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    let text = row.to_string();
    assert!(
        !text.contains(&second.ciphertext_b64) && !text.contains("AIzaSecret") && !text.contains("whole"),
        "{text}"
    );
    // It is there after a start too.
    let Scene { test, owner, stranger } = scene;
    let scene = Scene { test: test.reopened().await, owner, stranger };
    assert_eq!(opened(&scene, "openai").as_deref(), Some("AIzaSecret"));
    assert_eq!(opened(&scene, "anthropic"), None);
    let path = format!("{KEYS}/openai");
    assert_eq!(scene.send(writer(&scene), &Method::DELETE, &path, "").await.ok(), json!({"deleted": true}));
    assert_eq!(opened(&scene, "openai"), None);
    let again = scene.send(writer(&scene), &Method::DELETE, &path, "").await;
    assert_eq!(again.refusal(), (404, "not_found".to_owned()));
    assert_eq!(listed(&scene).await, Vec::<Value>::new());
    let test = scene.test.reopened().await;
    let caller = Caller::Keyless { namespace: Some(scene.owner.namespace) };
    assert!(test.node.owners_key(caller, "openai").is_none());
}

#[tokio::test]
async fn what_is_wrong_with_a_submission_is_named() {
    let scene = Scene::new().await;
    let good = submission(&scene.test, "openai", "sk-x", None).await;
    let other = EncryptionKey {
        public_key: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned(),
        kek_id: good.kek_id.clone(),
    };
    let foreign = sealed(&other, "openai", &"sk-x".into(), None).unwrap();
    let with = |name: &str, value: Value| {
        let mut body = json!(good);
        body[name] = value;
        body
    };
    for (body, status, field) in [
        (with("provider_name", json!("nobody")), 400, "provider_name"),
        (with("provider_name", json!("OpenAI")), 400, "provider_name"),
        (with("kek_id", json!("kek_0000000000000000")), 409, "kek_id"),
        (with("ciphertext_b64", json!("")), 400, "ciphertext_b64"),
        (with("ciphertext_b64", json!("no base64!")), 400, "ciphertext_b64"),
        (with("ciphertext_b64", json!("AAAA")), 400, "ciphertext_b64"),
        (with("ciphertext_b64", json!("A".repeat(400))), 400, "ciphertext_b64"),
        (with("ciphertext_b64", json!("A".repeat(8000))), 400, "ciphertext_b64"),
        (
            with("ciphertext_b64", json!(good.ciphertext_b64.trim_end_matches('=').to_owned() + "AA==")),
            400,
            "ciphertext_b64",
        ),
        (json!(foreign), 400, "ciphertext_b64"),
        (with("ciphertext_b64", json!(5)), 400, "ciphertext_b64"),
        (with("key_prefix", Value::Null), 400, "key_prefix"),
        (with("api_key", json!("sk-x")), 400, "api_key"),
    ] {
        let reply = scene.send(writer(&scene), &Method::POST, KEYS, &body.to_string()).await;
        let (code, said) = (reply.refusal(), reply.json());
        assert_eq!((code.0, said["field"].as_str()), (status, Some(field)), "{body}: {said}");
        if field == "kek_id" {
            assert_eq!(said["current_kek_id"], good.kek_id, "{said}");
        }
    }
    assert_eq!(listed(&scene).await, Vec::<Value>::new());
}

#[tokio::test]
async fn n45_what_was_accepted_once_is_good_for_nobody_and_nothing_else() {
    let scene = Scene::new().await;
    let captured = submission(&scene.test, "openai", "sk-captured", None).await;
    submit(&scene, writer(&scene), &captured).await.ok();
    let eve = Caller::Credential(Principal {
        credential: CredentialId::Grant(scene.stranger.session),
        namespace: scene.stranger.namespace,
        person: scene.stranger.id,
        scopes: ScopeSet::GRANTABLE,
    });
    let mut browser = Browser::new();
    browser.sign_in(&scene.test, "eve").await;
    let elsewhere = NewStoredKey { api_base: Some("https://eve.example/v1".to_owned()), ..captured.clone() };
    let as_another = NewStoredKey { provider_name: "anthropic".to_owned(), ..captured.clone() };
    let refused = async || {
        assert_eq!(submit(&scene, eve, &captured).await.refusal(), (409, "conflict".to_owned()));
        assert_eq!(submit(&scene, writer(&scene), &as_another).await.refusal(), (409, "conflict".to_owned()));
        let moved = browser.clone().json(&scene.test, &Method::POST, KEYS, &json!(elsewhere).to_string()).await;
        assert_eq!(moved.refusal(), (409, "conflict".to_owned()));
        let mut owner = Browser::of_owner(&scene.test).await;
        let moved = owner.json(&scene.test, &Method::POST, KEYS, &json!(elsewhere).to_string()).await;
        assert_eq!(moved.refusal(), (409, "conflict".to_owned()));
    };
    refused().await;
    // For what it was sealed for it is good again.
    submit(&scene, writer(&scene), &captured).await.ok();
    scene.send(writer(&scene), &Method::DELETE, &format!("{KEYS}/openai"), "").await.ok();
    refused().await;
    submit(&scene, writer(&scene), &captured).await.ok();
    assert_eq!(opened(&scene, "openai").as_deref(), Some("sk-captured"));
}

#[tokio::test]
async fn where_a_key_is_sent_is_a_persons_to_say() {
    let scene = Scene::new().await;
    let mut browser = Browser::of_owner(&scene.test).await;
    let new = async |base| submission(&scene.test, "openai", "sk-x", base).await;
    let (eu, us) = ("https://eu.example/v1", "https://us.example/v1");
    let forbidden = async |new: &NewStoredKey| {
        let reply = submit(&scene, writer(&scene), new).await;
        assert_eq!(
            (reply.refusal(), reply.json()["field"].clone()),
            ((403, "forbidden".to_owned()), json!("api_base"))
        );
    };
    forbidden(&new(Some(eu)).await).await;
    let by_person = browser.json(&scene.test, &Method::POST, KEYS, &json!(new(Some(eu)).await).to_string()).await;
    by_person.ok();
    assert_eq!(listed(&scene).await[0]["api_base"], eu);
    // What stays where it is needs nobody.
    submit(&scene, writer(&scene), &new(Some(eu)).await).await.ok();
    forbidden(&new(Some(us)).await).await;
    forbidden(&new(None).await).await;
    let by_socket = scene.test.ask_as_owner_at(&Method::POST, KEYS, &json!(new(Some(us)).await).to_string()).await;
    by_socket.ok();
    assert_eq!(listed(&scene).await[0]["api_base"], us);
    for bad in [
        "http://eu.example/v1",
        "https://10.0.0.1/v1",
        "https://localhost/v1",
        "https://[::1]/v1",
        "x",
        "https://u:p@h/v1",
    ] {
        let body = json!(new(Some(bad)).await).to_string();
        let reply = browser.json(&scene.test, &Method::POST, KEYS, &body).await;
        assert_eq!((reply.refusal().0, reply.json()["field"].clone()), (400, json!("api_base")), "{bad}");
    }
    scene.test.set(|settings| settings.byok.allow_private = true);
    let body = json!(new(Some("http://127.0.0.1:9/v1")).await).to_string();
    browser.json(&scene.test, &Method::POST, KEYS, &body).await.ok();
}

#[tokio::test]
async fn p08_no_api_key_and_no_unknown_session_changes_stored_keys() {
    let scene = Scene::new().await;
    let new = submission(&scene.test, "openai", "sk-x", None).await;
    submit(&scene, writer(&scene), &new).await.ok();
    let Caller::Credential(owner) = writer(&scene) else { unreachable!() };
    for credential in [CredentialId::Key(absent(KeyId::new)), CredentialId::Grant(absent(GrantId::new))] {
        let caller = Caller::Credential(Principal { credential, ..owner });
        for (method, path, body) in [
            (Method::POST, KEYS.to_owned(), json!(new).to_string()),
            (Method::DELETE, format!("{KEYS}/openai"), String::new()),
        ] {
            let reply = scene.send(caller, &method, &path, &body).await;
            assert_eq!(reply.refusal(), (403, "forbidden".to_owned()), "{method} {path}");
            assert_eq!(reply.json()["error_description"], "missing required scope: byok:write");
        }
        scene.send(caller, &Method::GET, KEYS, "").await.ok();
    }
    assert_eq!(opened(&scene, "openai").as_deref(), Some("sk-x"));
}

#[tokio::test]
async fn p07_stored_keys_are_the_persons_own_in_any_role() {
    let scene = Scene::new().await;
    submit(&scene, writer(&scene), &submission(&scene.test, "openai", "sk-owner", None).await).await.ok();
    let home = scene.owner.namespace;
    for role in Role::GIVEN {
        scene.test.node.set_member(&home.to_string(), "eve", *role).await.unwrap();
        let pair = scene.test.sign_in_as(scene.stranger.id, home).await;
        let caller = scene.test.node.judge(pair.access.as_bytes()).unwrap();
        assert_eq!(scene.send(caller, &Method::GET, KEYS, "").await.ok()["data"], json!([]), "as {role:?}");
        let path = format!("{KEYS}/openai");
        let foreign = scene.send(caller, &Method::DELETE, &path, "").await;
        assert_eq!(foreign.refusal(), (404, "not_found".to_owned()), "as {role:?}");
        submit(&scene, caller, &submission(&scene.test, "openai", "sk-eve", None).await).await.ok();
        // Calls there are the owner's to pay, whoever makes them; in her own namespace they are hers.
        let key = |namespace: NamespaceId| {
            let key = scene.test.node.owners_key(Caller::Keyless { namespace: Some(namespace) }, "openai").unwrap();
            key.open().unwrap().expose_secret().to_owned()
        };
        assert_eq!((key(home), key(scene.stranger.namespace)), ("sk-owner".to_owned(), "sk-eve".to_owned()));
        scene.send(caller, &Method::DELETE, &path, "").await.ok();
    }
}

#[tokio::test]
async fn sixty_are_taken_within_an_hour_and_each_is_noted() {
    let scene = Scene::new().await;
    let new = submission(&scene.test, "openai", "sk-x", None).await;
    for _ in 0..30 {
        submit(&scene, writer(&scene), &new).await.ok();
    }
    // What was noted counts after a start too.
    let Scene { test, owner, stranger } = scene;
    let scene = Scene { test: test.reopened().await, owner, stranger };
    for _ in 0..30 {
        submit(&scene, writer(&scene), &new).await.ok();
    }
    let refused = submit(&scene, writer(&scene), &new).await;
    assert_eq!(refused.refusal(), (409, "conflict".to_owned()));
    assert!(refused.json()["error_description"].as_str().unwrap().contains("60"), "{:?}", refused.body);
    scene.test.advance(std::time::Duration::from_secs(3601));
    submit(&scene, writer(&scene), &new).await.ok();
    let noted = scene.test.node.stored_key_changes().await.unwrap();
    assert_eq!(noted.len(), 61);
    let last = &noted[0];
    assert_eq!(
        (last.action.as_str(), last.person_name.as_str(), last.provider_name.as_str()),
        ("submitted", "ada", "openai")
    );
    assert_eq!((last.credential.clone(), &last.kek_id), (scene.owner.session.to_string(), &new.kek_id));
    let warnings = scene.test.node.warnings().borrow().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(warnings.contains("the key of `ada` for `openai` was submitted"), "{warnings}");
}

#[tokio::test]
async fn a_repeated_submission_is_answered_as_the_first_one() {
    let scene = Scene::new().await;
    let new = json!(submission(&scene.test, "openai", "sk-x", None).await).to_string();
    let send = async || {
        let request =
            Request::post(KEYS).header(header::CONTENT_TYPE, "application/json").header("idempotency-key", "one");
        scene.raw(writer(&scene), request.body(Bytes::from(new.clone())).unwrap()).await
    };
    let (first, second) = (send().await, send().await);
    assert_eq!(first.ok(), second.ok());
    assert_eq!(second.headers["idempotency-replayed"], "true");
    assert_eq!(scene.test.node.stored_key_changes().await.unwrap().len(), 1);
    scene.send(writer(&scene), &Method::DELETE, &format!("{KEYS}/openai"), "").await.ok();
    assert_eq!(send().await.status, StatusCode::CONFLICT);
}

bitrouter_test_postgres::once_more_on_postgres!(
    a_key_is_stored_replaced_listed_and_deleted,
    n45_what_was_accepted_once_is_good_for_nobody_and_nothing_else,
    where_a_key_is_sent_is_a_persons_to_say,
    p07_stored_keys_are_the_persons_own_in_any_role,
    sixty_are_taken_within_an_hour_and_each_is_noted,
    a_repeated_submission_is_answered_as_the_first_one,
);
