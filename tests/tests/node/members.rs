//! A namespace that is shared, over the real listener: what a role opens, and how soon another one counts.

use bitrouter_tests::{
    Daemon, World,
    sign_in::{Owner, Session, flat_error, form},
    wait,
};

const SCOPES: [&str; 3] = ["inference:invoke", "usage:read", "keys:read"];

/// Adds Ada, whom nothing is shared with yet; her password.
fn add_ada(world: &World) -> String {
    let password = world.canary("password");
    let line = format!("{password}\n");
    world.command(["node", "user", "add", "Ada", "--password-stdin"]).stdin(line).run().expect_code(0);
    password
}

/// The namespace that the first start makes, and what it is called for others.
fn home(world: &World) -> (String, String) {
    let told = world.cli(["node", "namespace", "list", "--all", "--json"]).with_code(0).json();
    let row = &told["data"][0];
    let text = |name: &str| row[name].as_str().expect("a text").to_owned();
    (text("id"), format!("{} of {}", text("name"), text("owner_name")))
}

fn chat(daemon: &Daemon, session: &Session) -> bitrouter_tests::Answer {
    daemon.http().chat("demo/echo", "hello").bearer(&session.access_token).send()
}

fn renew(daemon: &Daemon, session: &Session) -> bitrouter_tests::Answer {
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", session.refresh_token.as_str()),
        ("client_id", "bitrouter-cli"),
    ];
    form(daemon.http().post("/oauth/token"), &fields).send()
}

#[test]
fn n24_a_member_calls_in_anothers_namespace_for_as_long_as_the_role_allows_it() {
    let world = World::new();
    let daemon = world.demo();
    let password = add_ada(&world);
    let (owner, ada) = (Owner::sign_in(&world, &daemon), Owner::with_password(&daemon, "ada", &password));
    let (namespace, called) = home(&world);
    owner.share(&namespace, "ada", "member");
    let session = ada.program(&SCOPES, Some(&format!("{called} (member)")));
    assert_eq!(session.namespace, namespace);
    chat(&daemon, &session).ok();
    // Another role, on the next request.
    owner.share(&namespace, "ada", "viewer");
    chat(&daemon, &session).refused(403, "missing_scope");
    daemon.http().get("/v1/namespaces/me/usage").bearer(&session.access_token).send().ok();
    owner.share(&namespace, "ada", "member");
    chat(&daemon, &session).ok();
    wait::holds("both calls in the usage of the namespace", || {
        world.cli(["cloud", "usage", "--local", "--json"]).with_code(0).json()["request_count"] == 2
    });
    // None, and for good.
    let page = owner.get(&format!("/console/namespaces/{namespace}")).ok().text();
    let id = page.split("usr_").nth(1).and_then(|rest| rest.get(..26)).expect("an id").to_owned();
    let path = format!("/v1/namespaces/{namespace}/members/usr_{id}");
    let token = page.split("name=\"csrf-token\" content=\"").nth(1).and_then(|rest| rest.split('"').next());
    let by_owner = |method: &str, path: &str| {
        let call = daemon.http().request(method, path).header("cookie", owner.cookie());
        call.header("x-csrf-token", token.expect("a token")).send()
    };
    assert_eq!(by_owner("DELETE", &path).ok().json(), serde_json::json!({"removed": true}));
    assert_eq!(flat_error(&by_owner("DELETE", &path), 404), "not_found");
    chat(&daemon, &session).refused(401, "invalid_api_key");
    assert_eq!(renew(&daemon, &session).json()["error"], "invalid_grant");
    assert_eq!(ada.get(&format!("/console/namespaces/{namespace}")).status, 404);
    owner.share(&namespace, "ada", "admin");
    chat(&daemon, &session).refused(401, "invalid_api_key");
    daemon.stop();
    let daemon = world.demo();
    chat(&daemon, &session).refused(401, "invalid_api_key");
    // Whoever is let in again begins anew.
    let ada = Owner::with_password(&daemon, "ada", &password);
    chat(&daemon, &ada.program(&SCOPES, Some(&format!("{called} (admin)")))).ok();
}

bitrouter_test_postgres::once_more_on_postgres!(
    n24_a_member_calls_in_anothers_namespace_for_as_long_as_the_role_allows_it,
);
