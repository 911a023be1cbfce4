//! Members of a namespace: who makes them, what each role may do, and how soon it ends.

use bitrouter_gateway::http::Caller;
use bitrouter_node::people::MemberError;
use bitrouter_proto::account::{NamespaceId, Role, Scope, ScopeSet};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    caller::{Browser, Scene},
    support::{Pair, Reply},
};

/// The owner's namespace, of which eve is what somebody makes her.
struct Shared {
    scene: Scene,
    owner: Browser,
    eve: Browser,
}

impl Shared {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let owner = Browser::of_owner(&scene.test).await;
        let mut eve = Browser::new();
        eve.sign_in(&scene.test, "eve").await;
        Self { scene, owner, eve }
    }

    fn namespace(&self) -> NamespaceId {
        self.scene.owner.namespace
    }

    fn path(&self, below: &str) -> String {
        format!("/v1/namespaces/{}/{below}", self.namespace())
    }

    async fn make_eve(&self, role: Role) {
        self.scene.test.node.set_member(&self.namespace().to_string(), "eve", role).await.unwrap();
    }

    async fn remove_eve(&self) {
        let removed = self.scene.test.node.remove_member(&self.namespace().to_string(), "EVE").await.unwrap();
        assert_eq!(removed.name, "eve");
    }

    async fn eve_signs_in(&self) -> Pair {
        self.scene.test.sign_in_as(self.scene.stranger.id, self.namespace()).await
    }

    fn judged(&self, pair: &Pair) -> Option<ScopeSet> {
        match self.scene.test.node.judge(pair.access.as_bytes()) {
            Ok(Caller::Credential(principal)) => Some(principal.scopes),
            _ => None,
        }
    }

    async fn by_owner(&mut self, method: Method, below: &str, body: &str) -> Reply {
        let path = self.path(below);
        self.owner.json(&self.scene.test, &method, &path, body).await
    }

    async fn by_eve(&mut self, method: Method, below: &str, body: &str) -> Reply {
        let path = self.path(below);
        self.eve.json(&self.scene.test, &method, &path, body).await
    }
}

#[tokio::test]
async fn the_owner_adds_changes_lists_and_removes_members_at_a_browser() {
    let mut shared = Shared::new().await;
    let eve = shared.scene.stranger.id.to_string();
    let before = shared.by_owner(Method::GET, "members", "").await.ok();
    let owner = &before["data"][0];
    assert_eq!(
        (&owner["name"], &owner["role"], before["data"].as_array().unwrap().len()),
        (&json!("ada"), &json!("owner"), 1)
    );
    let made = shared.by_owner(Method::POST, "members", r#"{"name":"EVE","role":"member"}"#).await.ok();
    assert_eq!((&made["person_id"], &made["name"], &made["role"]), (&json!(eve), &json!("eve"), &json!("member")));
    assert_eq!(made.as_object().unwrap().len(), 4, "{made}");
    assert_eq!(shared.by_owner(Method::GET, "members", "").await.ok(), json!({"data": [owner, made]}));
    // Once more is no harm, another role changes it, and since when stays.
    shared.scene.test.advance(std::time::Duration::from_mins(1));
    assert_eq!(shared.by_owner(Method::POST, "members", r#"{"name":"eve","role":"member"}"#).await.ok(), made);
    let body = format!(r#"{{"person_id":"{}","role":"viewer"}}"#, eve.to_ascii_uppercase());
    let changed = shared.by_owner(Method::POST, "members", &body).await.ok();
    assert_eq!((&changed["role"], &changed["created_at"]), (&json!("viewer"), &made["created_at"]));
    for (body, status, field) in [
        (r#"{"name":"eve","role":"owner"}"#, 400, "role"),
        (r#"{"name":"eve"}"#, 400, "role"),
        (r#"{"role":"viewer"}"#, 400, "name"),
        (r#"{"name":"eve","person_id":"eve","role":"viewer"}"#, 400, "name"),
        (r#"{"name":"nobody","role":"viewer"}"#, 404, "name"),
        (r#"{"person_id":"usr_00000000000000000000000001","role":"viewer"}"#, 404, "person_id"),
        (r#"{"name":"ADA","role":"viewer"}"#, 409, "name"),
        (r#"{"name":"eve","role":"viewer","more":1}"#, 400, "more"),
    ] {
        let refused = shared.by_owner(Method::POST, "members", body).await;
        let said = refused.json();
        assert_eq!((refused.status.as_u16(), said["field"].as_str()), (status, Some(field)), "{body}: {said}");
    }
    let own = shared.scene.owner.id;
    let refused = shared.by_owner(Method::DELETE, &format!("members/{own}"), "").await;
    assert_eq!(refused.refusal(), (409, "conflict".to_owned()));
    let removed = shared.by_owner(Method::DELETE, &format!("members/{eve}"), "").await.ok();
    assert_eq!(removed, json!({"removed": true}));
    assert_eq!(shared.by_owner(Method::GET, "members", "").await.ok(), before);
    assert_eq!(shared.by_owner(Method::DELETE, &format!("members/{eve}"), "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_operator_names_namespace_and_person_and_may_repeat_himself() {
    let shared = Shared::new().await;
    let node = &shared.scene.test.node;
    let made = node.set_member("other", "eve", Role::Admin).await.unwrap();
    assert_eq!(node.set_member("other", &made.person_id.to_string(), Role::Admin).await.unwrap(), made);
    assert_eq!(node.list_members("other").await.unwrap()[1..], [made]);
    assert_eq!(node.remove_member("other", "eve").await.unwrap().role, Role::Admin);
    let none = node.remove_member("other", "eve").await.unwrap_err();
    assert_eq!(none.to_string(), "`eve` is no member of this namespace");
    assert_eq!(node.list_members("other").await.unwrap().len(), 1);
    for (namespace, who, said) in [
        ("nowhere", "eve", "there is no namespace of yours called `nowhere`"),
        ("default", "bob", "there is no person called `bob`"),
        ("default", "ADA", "`ada` owns the namespace, and is neither added to it nor removed from it"),
    ] {
        let errors: [MemberError; 2] = [
            node.set_member(namespace, who, Role::Viewer).await.unwrap_err(),
            node.remove_member(namespace, who).await.unwrap_err(),
        ];
        assert_eq!(errors.map(|error| error.to_string()), [said, said]);
    }
    // Another's namespace is none of the owner's, though he may be a member there.
    let theirs = shared.scene.stranger.namespace.to_string();
    assert!(node.set_member(&theirs, "eve", Role::Viewer).await.is_err());
}

#[tokio::test]
async fn a_member_is_made_once_by_a_repeated_post() {
    let shared = Shared::new().await;
    let post = async |body: &'static str| {
        let mut request = http::Request::builder()
            .method(Method::POST)
            .uri(shared.path("members"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", "k1");
        let cookies: Vec<_> = shared.owner.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request = request.header(http::header::COOKIE, cookies.join("; "));
        request = request.header("x-csrf-token", shared.owner.csrf.as_deref().unwrap());
        request = request.header(http::header::HOST, "127.0.0.1:4356");
        shared.scene.raw(Caller::Anyone, request.body(bytes::Bytes::from_static(body.as_bytes())).unwrap()).await
    };
    let first = post(r#"{"name":"eve","role":"member"}"#).await;
    let again = post(r#"{"role":"member", "name":"eve"}"#).await;
    assert_eq!(first.ok(), again.ok());
    assert_eq!(again.headers["idempotency-replayed"], "true");
    // Removed since, she is neither said to be there nor let in again.
    shared.remove_eve().await;
    assert_eq!(post(r#"{"name":"eve","role":"member"}"#).await.refusal(), (409, "conflict".to_owned()));
    assert!(shared.scene.test.node.list_members("default").await.unwrap().len() == 1, "what is said again is not done");
    assert_eq!(post(r#"{"name":"eve","role":"viewer"}"#).await.refusal(), (409, "conflict".to_owned()));
}

#[tokio::test]
async fn p07_only_the_owners_browser_sees_and_changes_members() {
    let mut shared = Shared::new().await;
    let calls = [
        (Method::GET, "members".to_owned(), ""),
        (Method::POST, "members".to_owned(), r#"{"name":"eve","role":"admin"}"#),
        (Method::DELETE, format!("members/{}", shared.scene.stranger.id), ""),
    ];
    for (method, below, body) in &calls {
        let reply = shared.by_eve(method.clone(), below, body).await;
        assert_eq!(reply.refusal(), (404, "not_found".to_owned()), "{method}: not even that it is there");
    }
    for role in Role::GIVEN {
        shared.make_eve(*role).await;
        for (method, below, body) in &calls {
            let reply = shared.by_eve(method.clone(), below, body).await;
            assert_eq!(reply.refusal(), (403, "forbidden".to_owned()), "{method} as {role:?}");
        }
        let path = format!("/v1/namespaces/{}", shared.namespace());
        let deleted = shared.eve.json(&shared.scene.test, &Method::DELETE, &path, "").await;
        assert_eq!(deleted.refusal(), (403, "forbidden".to_owned()), "as {role:?}");
    }
}

#[tokio::test]
async fn n24_a_role_is_judged_on_every_call_and_not_at_the_mint() {
    let shared = Shared::new().await;
    shared.make_eve(Role::Admin).await;
    let pair = shared.eve_signs_in().await;
    let issued = shared.judged(&pair).unwrap();
    assert!(issued.contains(Scope::PolicyWrite) && issued.contains(Scope::InferenceInvoke), "{issued}");
    shared.make_eve(Role::Viewer).await;
    let left = shared.judged(&pair).unwrap();
    assert_eq!(left, issued.intersection(Role::Viewer.scopes()));
    let caller = shared.scene.test.node.judge(pair.access.as_bytes()).unwrap();
    let get =
        async |below: &str| shared.scene.send(caller, &Method::GET, &format!("/v1/namespaces/me/{below}"), "").await;
    assert_eq!(get("sessions").await.status, StatusCode::OK);
    let delete = shared.scene.send(caller, &Method::DELETE, "/v1/namespaces/me/sessions/tok_0", "").await;
    assert_eq!(delete.status, StatusCode::NOT_FOUND, "absent before any scope");
    let mint = shared.scene.send(caller, &Method::POST, "/v1/namespaces/me/keys", "{}").await;
    let document = mint.json();
    let said = (mint.status, &document["error_description"], &document["role"]);
    assert_eq!(said, (StatusCode::FORBIDDEN, &json!("missing required scope: keys:write"), &json!("viewer")));
    // A new pair is issued under the role of its time, and gains nothing by a later one.
    let renewed = shared.scene.test.refresh(&pair.refresh).await;
    let told = ScopeSet::parse(renewed.ok()["scope"].as_str().unwrap()).unwrap();
    assert_eq!(told, left);
    shared.make_eve(Role::Member).await;
    assert_eq!(shared.judged(&renewed.pair()), Some(left));
    assert_eq!(shared.judged(&pair), Some(issued.intersection(Role::Member.scopes())));
}

#[tokio::test]
async fn n23_a_member_who_is_removed_is_out_on_the_next_request_and_stays_out() {
    let shared = Shared::new().await;
    let node = &shared.scene.test.node;
    shared.make_eve(Role::Member).await;
    let pair = shared.eve_signs_in().await;
    let waiting = shared.scene.test.start(None).await;
    let decision = bitrouter_node::oauth::approval::Decision {
        namespace: shared.namespace(),
        scopes: ScopeSet::GRANTABLE,
        own_device: false,
    };
    let code = waiting["user_code"].as_str().unwrap();
    node.approve_code(code, shared.scene.stranger.id, &super::support::neighbour(), decision).await.unwrap();
    let at_home = shared.scene.test.sign_in_as(shared.scene.stranger.id, shared.scene.stranger.namespace).await;
    shared.remove_eve().await;
    assert_eq!(shared.judged(&pair), None);
    assert!(shared.judged(&at_home).is_some(), "elsewhere nothing has changed");
    assert_eq!(shared.scene.test.refresh(&pair.refresh).await.refusal(), (400, "invalid_grant".to_owned()));
    assert_eq!(shared.scene.test.poll(&waiting).await.refusal(), (400, "access_denied".to_owned()));
    assert_eq!(node.sessions(shared.namespace()).await.unwrap().len(), 1, "the owner's");
    // Whoever is let in again begins anew.
    shared.make_eve(Role::Admin).await;
    assert_eq!(shared.judged(&pair), None);
    assert_eq!(shared.scene.test.refresh(&pair.refresh).await.refusal(), (400, "invalid_grant".to_owned()));
    let Shared { scene, .. } = shared;
    let Scene { test, owner, stranger } = scene;
    let test = test.reopened().await;
    assert!(!test.opens(&pair.access) && test.opens(&at_home.access));
    let again = test.sign_in_as(stranger.id, owner.namespace).await;
    assert!(test.opens(&again.access), "her role is read at a start");
}

#[tokio::test]
async fn n24_what_was_approved_is_judged_again_when_the_program_comes_for_it() {
    let shared = Shared::new().await;
    let node = &shared.scene.test.node;
    let approve = async |wanted: &str| {
        let code = shared.scene.test.start(Some(wanted)).await;
        let (namespace, scopes) = (shared.namespace(), ScopeSet::GRANTABLE);
        let decision = bitrouter_node::oauth::approval::Decision { namespace, scopes, own_device: false };
        let text = code["user_code"].as_str().unwrap().to_owned();
        let person = shared.scene.stranger.id;
        let granted = node.approve_code(&text, person, &super::support::neighbour(), decision).await;
        (code, granted)
    };
    let (_, refused) = approve("inference:invoke").await;
    assert_eq!(refused.unwrap_err().to_string(), "there is no such namespace of yours");
    shared.make_eve(Role::Viewer).await;
    let (_, refused) = approve("inference:invoke").await;
    assert_eq!(refused.unwrap_err().to_string(), "as viewer of this namespace you can grant none of these permissions");
    shared.make_eve(Role::Member).await;
    let (code, granted) = approve("inference:invoke usage:read policy:write").await;
    assert_eq!(granted.unwrap(), ScopeSet::of(&[Scope::InferenceInvoke, Scope::UsageRead]));
    let (only_calls, _) = approve("inference:invoke").await;
    shared.make_eve(Role::Viewer).await;
    let tokens = shared.scene.test.poll(&code).await;
    assert_eq!(tokens.ok()["scope"], "usage:read");
    assert_eq!(shared.judged(&tokens.pair()), Some(ScopeSet::of(&[Scope::UsageRead])));
    assert_eq!(shared.scene.test.poll(&only_calls).await.refusal(), (400, "invalid_grant".to_owned()));
}

#[tokio::test]
async fn a_session_of_another_person_is_ended_by_an_admin_or_the_owner_alone() {
    let mut shared = Shared::new().await;
    let of_owner = shared.scene.owner.session;
    for (role, status) in [(Role::Viewer, 403), (Role::Member, 403), (Role::Admin, 200)] {
        shared.make_eve(role).await;
        let reply = shared.by_eve(Method::DELETE, &format!("sessions/{of_owner}"), "").await;
        assert_eq!(reply.status.as_u16(), status, "{role:?}: {:?}", reply.body);
    }
    // One's own takes `keys:write` alone, by whatever credential.
    shared.make_eve(Role::Member).await;
    let pair = shared.eve_signs_in().await;
    let caller = shared.scene.test.node.judge(pair.access.as_bytes()).unwrap();
    let id = shared.scene.test.node.judge_token(pair.access.as_bytes()).unwrap().credential;
    let listed = shared.by_eve(Method::GET, "sessions", "").await.ok();
    assert_eq!(listed["data"][0]["id"], id.to_string(), "{listed}");
    let path = format!("/v1/namespaces/me/sessions/{id}");
    let ended = shared.scene.send(caller, &Method::DELETE, &path, "").await;
    assert_eq!(ended.ok(), json!({"revoked": true}));
    let pair = shared.eve_signs_in().await;
    let id = shared.scene.test.node.judge_token(pair.access.as_bytes()).unwrap().credential;
    let ended = shared.by_owner(Method::DELETE, &format!("sessions/{id}"), "").await;
    assert_eq!(ended.ok(), json!({"revoked": true}));
    assert_eq!(shared.judged(&pair), None);
}

#[tokio::test]
async fn the_list_of_namespaces_says_whose_the_shared_ones_are() {
    let mut shared = Shared::new().await;
    shared.make_eve(Role::Viewer).await;
    let pair = shared.eve_signs_in().await;
    let caller = shared.scene.test.node.judge(pair.access.as_bytes()).unwrap();
    let by_token = shared.scene.send(caller, &Method::GET, "/v1/namespaces", "").await.ok();
    let by_browser = shared.eve.json(&shared.scene.test, &Method::GET, "/v1/namespaces", "").await.ok();
    assert_eq!(by_token, by_browser);
    let rows = by_token["data"].as_array().unwrap();
    let shown = |row: &Value| (row["id"].as_str().unwrap().to_owned(), row["owner_name"].clone(), row["role"].clone());
    let (own, theirs) = (&shared.scene.stranger, &shared.scene.owner);
    assert_eq!(
        rows.iter().map(shown).collect::<Vec<_>>(),
        [
            (theirs.namespace.to_string(), json!("ada"), json!("viewer")),
            (own.namespace.to_string(), Value::Null, Value::Null),
            (own.other_namespace.to_string(), Value::Null, Value::Null),
        ]
    );
    assert_eq!(rows[0]["owner_id"], theirs.id.to_string());
    shared.remove_eve().await;
    let left = shared.eve.json(&shared.scene.test, &Method::GET, "/v1/namespaces", "").await.ok();
    assert_eq!(left["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_namespace_or_person_that_goes_takes_its_memberships_along() {
    let mut shared = Shared::new().await;
    let node = std::sync::Arc::clone(&shared.scene.test.node);
    node.set_member("other", "eve", Role::Member).await.unwrap();
    shared.make_eve(Role::Member).await;
    let pair = shared.scene.test.sign_in_as(shared.scene.stranger.id, shared.scene.owner.other_namespace).await;
    let path = format!("/v1/namespaces/{}", shared.scene.owner.other_namespace);
    shared.owner.json(&shared.scene.test, &Method::DELETE, &path, "").await.ok();
    assert_eq!(shared.judged(&pair), None);
    let pair = shared.eve_signs_in().await;
    assert!(shared.judged(&pair).is_some());
    node.remove_user("eve").await.unwrap();
    assert_eq!(shared.judged(&pair), None);
    assert!(node.list_members("default").await.unwrap().len() == 1);
    let test = shared.scene.test.reopened().await;
    assert!(!test.opens(&pair.access) && test.node.list_members("default").await.unwrap().len() == 1);
}

bitrouter_test_postgres::once_more_on_postgres!(
    the_owner_adds_changes_lists_and_removes_members_at_a_browser,
    the_operator_names_namespace_and_person_and_may_repeat_himself,
    a_member_is_made_once_by_a_repeated_post,
    p07_only_the_owners_browser_sees_and_changes_members,
    n24_a_role_is_judged_on_every_call_and_not_at_the_mint,
    n23_a_member_who_is_removed_is_out_on_the_next_request_and_stays_out,
    n24_what_was_approved_is_judged_again_when_the_program_comes_for_it,
    a_session_of_another_person_is_ended_by_an_admin_or_the_owner_alone,
    the_list_of_namespaces_says_whose_the_shared_ones_are,
    a_namespace_or_person_that_goes_takes_its_memberships_along,
);
