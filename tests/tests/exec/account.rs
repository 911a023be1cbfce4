//! With the node off the key is the account's, and so are the addresses.

use bitrouter_tests::wait;

use crate::rig::Rig;

const OFF: &str = "[node]\nenabled = false\n";

#[test]
fn with_the_node_off_and_nobody_signed_in_nothing_runs() {
    let rig = Rig::with(OFF);
    let output = rig.run(&[], "touch ran").with_code(1);
    assert!(
        output.stderr.contains("node is off") && output.stderr.contains("bitrouter auth login"),
        "{}",
        output.stderr
    );
    let output = rig.run(&["--namespace", "work"], "touch ran");
    assert!(output.code != 0 && output.stderr.contains("--namespace"), "{}", output.stderr);
    assert!(!rig.world.path("home/ran").exists());
}

/// A node elsewhere is the account: what it is asked for is what an account's server is.
#[test]
fn with_the_node_off_the_key_is_the_accounts_and_is_revoked_by_it() {
    let far = Rig::on();
    let minted = far.world.cli(["auth", "login", "--local", "--json"]).with_code(0).json();
    let path = minted["credentials_path"].as_str().expect("a path");
    let credential: serde_json::Value = serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON");
    let token = credential["access_token"].as_str().expect("a token");
    let scopes = ["inference:invoke", "keys:read", "keys:write", "policy:read", "policy:write", "usage:read"];
    let body = serde_json::json!({"display_name": "wide", "scopes": scopes});
    let wide = far.http().post("/v1/namespaces/me/keys").bearer(token).json(body.to_string()).send().ok().json();
    let wide = wide["token"].as_str().expect("a key").to_owned();
    let server = format!("http://127.0.0.1:{}", far.daemon.port());

    // Another daemon of the same user: no key is sent to one of another.
    let near = &far.world;
    near.write("near/config/bitrouter/config.toml", OFF);
    for place in ["near/data", "near/state", "near/run"] {
        near.directory(place);
    }
    let place = |name: &str| near.path(&format!("near/{name}"));
    let at_home = |words: &[&str]| {
        let command = near.command(words).env("XDG_CONFIG_HOME", place("config")).env("XDG_DATA_HOME", place("data"));
        command.env("XDG_STATE_HOME", place("state")).env("XDG_RUNTIME_DIR", place("run"))
    };
    at_home(&["start", "--listen", "127.0.0.1:0"]).run().expect_code(0);
    let script = "echo $ANTHROPIC_BASE_URL $OPENAI_BASE_URL; curl -s -o /dev/null -w '%{http_code}\\n' -H \"Authorization: Bearer $OPENAI_API_KEY\" -H 'Content-Type: application/json' $OPENAI_BASE_URL/chat/completions -d '{\"model\":\"acme:m\",\"messages\":[]}'";
    let run = |flags: &[&str]| {
        let words = [&["exec", "--json"], flags, &["--", "sh", "-c", script]].concat();
        at_home(&words).env("BITROUTER_API_KEY", &wide).env("BITROUTER_API_URL", &server).run()
    };
    let output = run(&["--budget-usd", "1.00", "--models", "acme/*"]).with_code(0);
    let expected = format!("{server} {server}/v1\n200\n");
    assert_eq!(output.stdout, expected, "{}", output.stderr);
    let told = crate::rig::document(&output.stderr);
    assert_eq!((&told["revoked"], &told["requests"]), (&true.into(), &1.into()), "{told}");
    wait::holds("the end of the policies", || far.policies().is_empty());
    let keys = far.keys();
    let run_key = keys.iter().find(|key| key["display_name"] == "exec sh").expect("the key of the run");
    assert!(!run_key["revoked_at"].is_null());

    // A session that cannot bind a budget.
    let narrow = serde_json::json!({"display_name": "narrow", "scopes": ["inference:invoke", "keys:write"]});
    let narrow = far.http().post("/v1/namespaces/me/keys").bearer(&wide).json(narrow.to_string()).send().ok().json();
    let narrow = narrow["token"].as_str().expect("a key");
    let words = ["exec", "--budget-usd", "1.00", "--", "touch", "ran"];
    let refused = at_home(&words).env("BITROUTER_API_KEY", narrow).env("BITROUTER_API_URL", &server).run();
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("policy:write"), "{}", refused.stderr);
    assert!(!near.path("home/ran").exists());
    at_home(&["stop"]).run().expect_code(0);
}
