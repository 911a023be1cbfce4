//! REST over the real listener, with tokens that were really issued: what each scope opens, and when it ends.

use bitrouter_tests::{
    Answer, Daemon, World,
    sign_in::{Owner, flat_error, sign_in},
    wait,
};
use serde_json::json;

/// What reads, with the scope that it takes.
const READS: [(&str, &str); 3] = [
    ("/v1/namespaces", "namespace:read"),
    ("/v1/namespaces/me/sessions", "keys:read"),
    ("/v1/account", "account:read"),
];

fn get(daemon: &Daemon, path: &str, token: &str) -> Answer {
    daemon.http().get(path).bearer(token).send()
}

#[test]
fn p08_each_scope_opens_its_own_paths_over_the_wire() {
    let world = World::new();
    let daemon = world.demo();
    let owner = Owner::sign_in(&world, &daemon);
    for scopes in [
        &["namespace:read"][..],
        &["keys:read"],
        &["account:read"],
        &["inference:invoke"],
        &["keys:read", "account:read"],
    ] {
        let session = owner.program(scopes, None);
        for (path, scope) in READS {
            let answer = get(&daemon, path, &session.access_token);
            if scopes.contains(&scope) {
                answer.ok();
                continue;
            }
            assert_eq!(flat_error(&answer, 403), "forbidden", "{path} with {scopes:?}");
            assert_eq!(answer.json()["error_description"], format!("missing required scope: {scope}"), "{path}");
        }
        let create = daemon.http().post("/v1/namespaces").bearer(&session.access_token).json(r#"{"name":"x"}"#).send();
        assert_eq!(create.json()["error_description"], "missing required scope: namespace:write", "{scopes:?}");
    }
}

#[test]
fn p07_a_token_reaches_the_namespace_that_is_baked_into_it_and_no_other() {
    let world = World::new();
    let daemon = world.demo();
    world.cli(["node", "namespace", "create", "blue"]).expect_code(0);
    let owner = Owner::sign_in(&world, &daemon);
    let scopes = ["keys:read", "keys:write", "namespace:read"];
    let (first, blue) = (owner.program(&scopes, Some("default")), owner.program(&scopes, Some("blue")));
    assert_ne!(first.namespace, blue.namespace);
    let sessions = |namespace: &str| format!("/v1/namespaces/{namespace}/sessions");
    let own = get(&daemon, &sessions(&blue.namespace.to_ascii_uppercase()), &blue.access_token).ok().json();
    let by_me = get(&daemon, &sessions("me"), &blue.access_token).ok().json();
    assert_eq!((&own["data"][0]["id"], own["data"].as_array().map(Vec::len)), (&by_me["data"][0]["id"], Some(1)));
    let id = own["data"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(own["data"][0]["scopes"], json!(["keys:read", "keys:write", "namespace:read"]));
    let foreign = get(&daemon, &sessions(&blue.namespace), &first.access_token);
    assert_eq!(flat_error(&foreign, 404), "not_found");
    let end = |namespace: &str, token: &str| {
        daemon.http().request("DELETE", &format!("{}/{id}", sessions(namespace))).bearer(token).send()
    };
    for namespace in ["me", &blue.namespace] {
        assert_eq!(flat_error(&end(namespace, &first.access_token), 404), "not_found", "{namespace}");
    }
    // Both are listed for either: they are the person's.
    for session in [&first, &blue] {
        let listed = get(&daemon, "/v1/namespaces", &session.access_token).ok().json();
        assert_eq!(listed["data"].as_array().map(Vec::len), Some(2), "{listed}");
    }
    assert_eq!(end("me", &blue.access_token).ok().json(), json!({"revoked": true}));
    assert_eq!(flat_error(&get(&daemon, "/v1/namespaces", &blue.access_token), 401), "unauthorized");
}

#[test]
fn n23_a_deleted_namespace_takes_its_tokens_with_it() {
    let world = World::new();
    let daemon = world.demo();
    world.cli(["node", "namespace", "create", "blue"]).expect_code(0);
    let owner = Owner::sign_in(&world, &daemon);
    let scopes = ["namespace:read", "inference:invoke"];
    let (kept, ended) = (owner.program(&scopes, Some("default")), owner.program(&scopes, Some("blue")));
    get(&daemon, "/v1/namespaces", &ended.access_token).ok();
    world.cli(["node", "namespace", "delete", "blue", "--yes"]).expect_code(0);
    assert_eq!(flat_error(&get(&daemon, "/v1/namespaces", &ended.access_token), 401), "unauthorized");
    daemon.http().chat("demo/echo", "x").bearer(&ended.access_token).send().refused(401, "invalid_api_key");
    get(&daemon, "/v1/namespaces", &kept.access_token).ok();
    daemon.stop();
    let daemon = world.demo();
    assert_eq!(flat_error(&get(&daemon, "/v1/namespaces", &ended.access_token), 401), "unauthorized");
    get(&daemon, "/v1/namespaces", &kept.access_token).ok();
}

#[test]
fn p08_an_expired_token_opens_no_management() {
    let world = World::new();
    world.config("[node.oauth]\naccess_token_ttl = \"2s\"\n");
    let daemon = world.demo();
    let session = sign_in(&world, &daemon, &["account:read"]);
    wait::holds("the end of the token", || get(&daemon, "/v1/account", &session.access_token).status == 401);
}

bitrouter_test_postgres::once_more_on_postgres!(
    p08_each_scope_opens_its_own_paths_over_the_wire,
    p07_a_token_reaches_the_namespace_that_is_baked_into_it_and_no_other,
    n23_a_deleted_namespace_takes_its_tokens_with_it,
);
