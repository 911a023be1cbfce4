//! `BITROUTER_API_KEY` with a key that the own node minted: its calls are routed here, whatever server the key is said to be for.

use bitrouter_tests::{World, wait};
use serde_json::{Value, json};

fn mint(world: &World, scope: &str) -> (String, String) {
    let words = ["cloud", "keys", "mint", "--local", "--json", "--name", "own", "--scope", scope];
    // What is shown once is kept by nobody: it would be taken for a leak.
    let said = world.bare_command(bitrouter_tests::shared_files::binary()).args(words).output().expect("a key");
    let minted: Value = serde_json::from_slice(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    let text = |name: &str| minted[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {minted}")).to_owned();
    world.watch(&text("token"));
    (text("id"), text("token"))
}

#[test]
fn p04_a_key_of_the_own_node_is_used_in_process_and_goes_to_no_server() {
    let world = World::new();
    let daemon = world.demo();
    let (id, token) = mint(&world, "inference:invoke usage:read");
    daemon.stop();
    // Without a word of where the key is for: a key of another node would go to the shipped server, which the trap would tell.
    let daemon = world.serve().arg("--demo").env("BITROUTER_API_KEY", &token).start();
    let provider = wait::until("the provider of the own node", || {
        let provider = daemon.provider("bitrouter");
        provider["detail"].as_str().is_some_and(|detail| detail.contains("this daemon's own node")).then_some(provider)
    });
    assert_eq!((&provider["active"], &provider["key_source"]), (&json!(true), &json!("environment")), "{provider}");
    let session = daemon.status()["session"].clone();
    let namespace = session["namespace_id"].as_str().expect("a namespace").to_owned();
    assert_eq!(session["state"], "api_key", "{session}");

    let answer = daemon.http().chat("bitrouter:demo/echo", "one two").send().ok();
    assert_eq!(answer.content(), "one two");
    // A caller without a credential is the key's holder, and the call has one row.
    let requests = wait::until("the row", || {
        let page = world.cli(["cloud", "requests", "--local", "--json"]).with_code(0).json();
        let rows = page["data"].as_array()?.clone();
        rows.iter().any(|row| !row["completed_at"].is_null()).then_some(rows)
    });
    assert_eq!(requests.len(), 1, "{requests:?}");
    let used = world.cli(["cloud", "keys", "list", "--local", "--json"]).with_code(0).json();
    assert_eq!((&used["data"][0]["id"], used["data"][0]["last_used_at"].is_null()), (&json!(id), false), "{used}");
    // The account behind the key is this very node: it is asked for once, and never for itself.
    assert_eq!(daemon.http().chat("bitrouter:bitrouter:demo/echo", "x").send().status, 508);

    let with_key = |words: &[&str]| world.command(words).env("BITROUTER_API_KEY", &token).run().with_code(0);
    let who = with_key(&["cloud", "whoami", "--json"]).json();
    assert_eq!((&who["authentication"], &who["namespace_id"]), (&json!("api_key"), &json!(namespace)), "{who}");
    assert_eq!(with_key(&["cloud", "namespace", "current"]).stdout, format!("{namespace}\n"));
    assert_eq!(with_key(&["cloud", "requests", "--json"]).json()["data"].as_array().map(Vec::len), Some(1));

    world.cli(["cloud", "keys", "revoke", &id, "--local"]).expect_code(0);
    let refused = daemon.http().chat("bitrouter:demo/echo", "x").send().refused(401, "session_ended");
    let said = refused["message"].as_str().unwrap_or_default();
    assert!(said.contains("`BITROUTER_API_KEY`") && !said.contains("auth login"), "{said}");
    // Nor does it go to any server from then on, after a start too.
    daemon.stop();
    let daemon = world.serve().arg("--demo").env("BITROUTER_API_KEY", &token).start();
    daemon.until_node_is_on();
    let ended = world.command(["cloud", "keys", "list"]).env("BITROUTER_API_KEY", &token).run().with_code(1);
    assert!(ended.stderr.contains("the key in `BITROUTER_API_KEY`"), "{}", ended.stderr);
    daemon.stop();
}

#[test]
fn p04_a_key_that_does_not_say_its_namespace_is_no_mistake() {
    let world = World::new();
    let run = |words: &[&str]| world.command(words).env("BITROUTER_API_KEY", "brk_far.canary").run().with_code(0);
    let told = run(&["cloud", "namespace", "current"]).stdout;
    assert!(told.starts_with("(no namespace"), "{told}");
    assert_eq!(run(&["cloud", "namespace", "current", "--json"]).json(), json!({"namespace_id": null}));
}
