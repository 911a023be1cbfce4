//! Policies of an OAuth client that somebody has registered act on every call made with its tokens, and on no other.

use bitrouter_tests::{Provider, Reply, World, sign_in::Owner};
use serde_json::json;

#[test]
fn n47_a_policy_of_a_registered_client_binds_its_tokens_and_what_is_minted_with_them() {
    let (world, provider) = (World::new(), Provider::start());
    world.config(&provider.as_openai());
    world.env_file("OPENAI_API_KEY=sk-of-the-node\n");
    provider.always(|_| Reply::json(200, r#"{"id":"c","object":"chat.completion","choices":[]}"#));
    let daemon = world.serve().start();
    daemon.until_node_is_on();
    let owner = Owner::sign_in(&world, &daemon);
    let register = |name: &str| {
        let words = ["cloud", "oauth-client", "register", "--local", "--json", "--name", name, "--type", "public"];
        let grants = ["--grant", "device_code", "--grant", "refresh_token"];
        let scope = ["--scope", "inference:invoke keys:write"];
        let made = world.cli(words.into_iter().chain(grants).chain(scope)).with_code(0).json();
        made["client_id"].as_str().expect("an id").to_owned()
    };
    let (agent, other) = (register("my agent"), register("another one"));
    let scopes = ["inference:invoke", "keys:write"];
    let its = owner.program_of(&agent, &scopes, None).access_token;
    let others = owner.program_of(&other, &scopes, None).access_token;
    let body = json!({"display_name": "k", "scopes": ["inference:invoke"]}).to_string();
    let minted = daemon.http().post("/v1/namespaces/me/keys").bearer(&its).json(body).send().ok().json();
    let minted = minted["token"].as_str().expect("a key").to_owned();
    let call = |token: &str| daemon.http().chat("openai:m", "hello").bearer(token).send();
    for token in [&its, &others, &minted] {
        call(token).ok();
    }
    let spec = world.write("spec.json", r#"{"model_deny":["*"]}"#).display().to_string();
    let deny = ["cloud", "policy", "create", "--local", "--json", "--name", "no", "--kind", "guardrail"];
    let made = world.cli(deny.into_iter().chain(["--spec", &spec])).with_code(0).json();
    let policy = made["id"].as_str().expect("an id").to_owned();
    let bind = |kind: &str, id: &str| {
        let words = ["cloud", "policy", "bind", &policy, "--local", "--principal-type", kind, "--principal-id", id];
        world.cli(words).expect_code(0);
    };
    bind("oauth_client", &agent);
    for token in [&its, &minted] {
        let refused = call(token).refused(403, "model_denied");
        assert_eq!(refused["policy_id"], json!(policy), "{refused}");
    }
    call(&others).ok();
    daemon.http().chat("openai:m", "hello").send().ok();
    let explained = world.cli(["explain", "openai:m", "--json", "--principal", &format!("oauth_client:{agent}")]);
    assert_eq!(explained.with_code(0).json()["verdict"], "model_denied");
    // It holds through a start, and for tokens that come later.
    let late = owner.program_of(&agent, &["inference:invoke"], None).access_token;
    call(&late).refused(403, "model_denied");
    world.cli(["cloud", "policy", "delete", &policy, "--local"]).expect_code(0);
    for token in [&its, &minted, &late] {
        call(token).ok();
    }
    daemon.stop();
}
