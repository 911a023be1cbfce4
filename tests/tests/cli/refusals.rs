//! Where a server says no: the next command, the exit code, and the server's own words.

use bitrouter_tests::Reply;
use serde_json::json;

use crate::far::Far;

#[test]
fn a_refusal_names_the_next_command_and_has_its_exit_code() {
    let far = Far::new();
    let refuse = |at: &str, status: u16, code: &str, said: &str| {
        let body = json!({"error": code, "error_description": said});
        far.issuer.rest(&format!("/v1/namespaces/ns_far{at}"), Reply::json(status, body.to_string()));
    };
    let revoke = &["keys", "revoke", "17"][..];
    let delete = &["policy", "delete", "p1"][..];
    let effective = &["policy", "effective", "--principal-type", "api_key", "--principal-id", "17"][..];
    let budget = &["budget", "create", "--name", "n", "--window", "day", "--limit-micro-usd", "1"][..];
    for (words, at, status, code, exit, hint) in [
        (revoke, "/keys/17", 404, "not_found", 1, Some("bitrouter cloud keys list")),
        (revoke, "/keys/17", 409, "conflict", 1, Some("bitrouter cloud keys list")),
        (delete, "/policies/p1", 404, "not_found", 1, Some("bitrouter cloud policy list")),
        (delete, "/policies/p1", 403, "own_policy", 1, Some("bitrouter cloud policy bindings p1")),
        (effective, "/policies/effective", 404, "not_found", 1, Some("bitrouter cloud keys list")),
        (budget, "/budgets", 400, "bad_request", 1, Some("bitrouter cloud budget create --help")),
        (budget, "/budgets", 409, "conflict", 1, Some("bitrouter cloud budget list")),
        (budget, "/budgets", 429, "rate_limited", 1, None),
        (budget, "/budgets", 500, "internal", 3, None),
        (budget, "/budgets", 503, "unavailable", 3, None),
    ] {
        refuse(at, status, code, "so it is");
        let told = far.cloud(words).with_code(exit);
        let expected = hint.map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
        assert_eq!(
            (told.stdout.as_str(), told.stderr),
            ("", format!("error: so it is\n{expected}")),
            "{status} {words:?}"
        );
        let error = far.world.command(["cloud", "--json"].iter().chain(words)).run().with_code(exit).error();
        assert_eq!(
            (&error["code"], &error["message"], &error["status"], &error["hint"]),
            (&json!(code), &json!("so it is"), &json!(status), &json!(hint)),
            "{error}"
        );
    }
    // The scope hint stands alone, for every leaf.
    for (words, at) in [(revoke, "/keys/17"), (delete, "/policies/p1"), (effective, "/policies/effective")] {
        refuse(at, 403, "forbidden", "missing required scope: clients:read");
        let told = far.cloud(words).with_code(1);
        let scope = "inference:invoke usage:read namespace:read clients:read";
        let hint = format!("bitrouter auth login --scope \"{scope}\" --oauth-as {}\n", far.issuer.url());
        assert_eq!(told.stderr, hint, "{words:?}");
    }
    far.daemon.stop();
}
