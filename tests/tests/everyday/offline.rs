//! Who is signed in, without a daemon and without a network.

use bitrouter_tests::World;
use serde_json::{Value, json};

use crate::named::{at, members, tokenroute};

const FILE: &str = "data/bitrouter/account-credentials.json";

#[test]
fn p04_whoami_needs_no_daemon() {
    let world = World::new();
    let signed_out = world.cli(["whoami", "--json"]).with_code(1).error();
    assert_eq!((&signed_out["code"], &signed_out["hint"]), (&json!("not_signed_in"), &json!("bitrouter auth login")));
    let credential = json!({
        "access_token": "opaque", "expires_at": "2100-01-01T00:00:00Z", "client_id": "bitrouter-cli", "scope": "usage:read",
        "authorization_server": "https://far.example", "namespace_id": "ns_far", "token_type": "Bearer", "subject": "usr_far",
    });
    world.write(FILE, credential.to_string());
    let me = world.cli(["whoami", "--json"]).with_code(0).json();
    let expected = ["balance_error", "balance_usd", "display_name", "email", "id", "logto_sub", "status"];
    assert_eq!(members(&me), expected, "{me}");
    assert_eq!((&me["balance_usd"], &me["email"]), (&Value::Null, &Value::Null), "{me}");
    let text = world.cli(["whoami"]).with_code(0);
    assert!(text.stdout.ends_with("balance: —\n"), "{}", text.stdout);
    assert!(text.stderr.contains("no daemon is running"), "{}", text.stderr);
    at(&world, "https://far.example/", &["whoami"]).run().expect_code(0);
    // It is that server's, and no other's.
    let other = at(&world, "https://other.example", &["whoami", "--json"]).run().with_code(1).error();
    let message = other["message"].as_str().expect("a message");
    assert!(message.contains("https://far.example") && message.contains("https://other.example"), "{message}");
    assert!(!world.daemon_json().exists(), "nothing was started");
}

#[test]
fn signed_out_under_the_other_name_says_its_own_login() {
    let world = World::new();
    let program = tokenroute(&world);
    let error = world.program(&program, ["whoami", "--json"]).run().with_code(1).error();
    assert_eq!((&error["code"], &error["hint"]), (&json!("not_signed_in"), &json!("tokenroute login")), "{error}");
    // A key for calls is nobody's session.
    let keyed = world.program(&program, ["whoami", "--json"]).env("TOKENROUTE_API_KEY", "sk-tr-x").run();
    assert_eq!(keyed.with_code(1).error()["code"], "not_signed_in");
    let other = world.program(&program, ["whoami", "--json"]).env("BITROUTER_API_KEY", "brk_1.x").run();
    assert_eq!(other.with_code(1).error()["code"], "not_signed_in");
    let out = world.program(&program, ["logout", "--json"]).run().with_code(0).json();
    assert_eq!(out["was_signed_in"], json!(false), "{out}");
    assert!(!world.daemon_json().exists(), "nothing was started");
}

#[test]
fn the_version_is_told() {
    let world = World::new();
    let version = bitrouter_proto::VERSION;
    assert_eq!(world.cli(["version"]).with_code(0).stdout, format!("bitrouter {version}\n"));
    let program = tokenroute(&world);
    assert_eq!(world.program(&program, ["version"]).run().with_code(0).stdout, format!("tokenroute {version}\n"));
    let json = world.program(&program, ["version"]).env("TOKENROUTE_JSON", "1").run().with_code(0).json();
    assert_eq!(json, json!({"version": version}));
    let json = world.program(&program, ["--json", "-V"]).run().with_code(0).json();
    assert_eq!(json, json!({"version": version}));
    let flag = world.program(&program, ["--version"]).run().with_code(0).stdout;
    assert_eq!(flag, format!("tokenroute {version}\n"));
}
