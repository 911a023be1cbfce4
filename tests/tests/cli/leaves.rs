//! Every leaf of `cloud` that changes or lists something, at a scripted account: what is sent, what people and programs are shown,
//! and what helps where the server says no.

use bitrouter_tests::Reply;
use serde_json::{Value, json};

use crate::far::Far;

/// One leaf, what the server says, and what is expected.
struct Leaf {
    words: &'static [&'static str],
    at: &'static str,
    answer: Value,
    sent: &'static str,
    body: Value,
    shown: &'static str,
}

fn key() -> Value {
    json!({
        "id": "17", "display_name": "ci", "key_prefix": "brk_17", "scopes": ["policy:read", "usage:read"],
        "expires_at": null, "last_used_at": null, "revoked_at": null, "created_at": "2026-05-01T00:00:00Z", "later": 1.0,
    })
}

fn policy() -> Value {
    let spec = json!({"window": "day", "limit_micro_usd": 5_000_000});
    json!({"id": "p1", "name": "nightly-cap", "kind": "budget", "spec": spec, "disabled_at": null, "later": []})
}

fn budget() -> Value {
    json!({"id": "p1", "name": "nightly-cap", "window": "day", "limit_micro_usd": 5_000_000, "disabled_at": null})
}

fn preset() -> Value {
    json!({"id": "p3", "name": "engineering", "guardrail": {"model_deny": ["*opus*"]}, "budget": null})
}

fn client() -> Value {
    json!({
        "id": "brc_1", "client_id": "brc_1", "client_name": "my-agent", "client_type": "public", "redirect_uris": [],
        "allowed_scopes": ["inference:invoke"], "allowed_grant_types": ["refresh_token"], "later": 1,
    })
}

const CLIENT: &str =
    "client_id: brc_1\nname:      my-agent\ntype:      public\nscopes:    inference:invoke\ngrants:    refresh_token\n";
const POLICY: &str =
    "id:   p1\nname: nightly-cap\nkind: budget\nspec:\n{\n  \"limit_micro_usd\": 5000000,\n  \"window\": \"day\"\n}\n";
const BUDGET: &str = "id:     p1\nname:   nightly-cap\nwindow: day\nlimit:  $5.00\n";
const PRESET: &str = "id:      p3\nname:    engineering\nclauses: guardrail\nguardrail:\n{\n  \"model_deny\": [\n    \"*opus*\"\n  ]\n}\n";

fn leaves() -> Vec<Leaf> {
    let list = |row: Value| json!({"data": [row]});
    let leaf = |words, at, answer, sent, body, shown| Leaf { words, at, answer, sent, body, shown };
    vec![
        leaf(
            &["keys", "list"],
            "/keys",
            list(key()),
            "GET",
            Value::Null,
            "17\tci\tpolicy:read usage:read\tbrk_17\tactive\t—\t—\n",
        ),
        leaf(&["keys", "revoke", "17"], "/keys/17", json!({"revoked": true}), "DELETE", Value::Null, "revoked: true\n"),
        leaf(
            &["policy", "list", "--kind", "rate-limit"],
            "/policies",
            list(policy()),
            "GET ?kind=rate_limit",
            Value::Null,
            "p1\tnightly-cap\tbudget\tenabled\n",
        ),
        leaf(&["policy", "get", "p1"], "/policies/p1", policy(), "GET", Value::Null, POLICY),
        leaf(
            &["policy", "create", "--name", "nightly-cap", "--kind", "budget", "--spec", "spec.json"],
            "/policies",
            policy(),
            "POST once",
            json!({"name": "nightly-cap", "kind": "budget", "spec": {"window": "day", "limit_micro_usd": 5_000_000}}),
            POLICY,
        ),
        leaf(&["policy", "update", "p1", "--name", "x"], "/policies/p1", policy(), "PUT", json!({"name": "x"}), POLICY),
        leaf(
            &["policy", "update", "p1", "--spec", "spec.json"],
            "/policies/p1",
            policy(),
            "PUT",
            json!({"spec": {"window": "day", "limit_micro_usd": 5_000_000}}),
            POLICY,
        ),
        leaf(
            &["policy", "delete", "p1"],
            "/policies/p1",
            json!({"deleted": true}),
            "DELETE",
            Value::Null,
            "deleted: true\n",
        ),
        leaf(
            &["policy", "bind", "p1", "--principal-type", "api_key", "--principal-id", "17"],
            "/policies/p1/bind",
            json!({"binding_id": "b1"}),
            "POST once",
            json!({"principal_type": "api_key", "principal_id": "17"}),
            "binding id: b1\n",
        ),
        leaf(
            &["policy", "unbind", "p1", "b1"],
            "/policies/p1/bind/b1",
            json!({"unbound": true}),
            "DELETE",
            Value::Null,
            "unbound: true\n",
        ),
        leaf(
            &["policy", "disable", "p1"],
            "/policies/p1/disable",
            json!({"disabled": true}),
            "POST",
            Value::Null,
            "disabled: true\n",
        ),
        leaf(
            &["policy", "enable", "p1"],
            "/policies/p1/enable",
            json!({"disabled": false}),
            "POST",
            Value::Null,
            "disabled: false\n",
        ),
        leaf(
            &["policy", "bindings", "p1"],
            "/policies/p1/bindings",
            list(json!({"id": "b1", "policy_id": "p1", "principal_type": "account", "principal_id": "a"})),
            "GET",
            Value::Null,
            "b1\tp1\taccount\ta\n",
        ),
        leaf(
            &["policy", "effective", "--principal-type", "api_key", "--principal-id", "17"],
            "/policies/effective",
            json!({"budgets": [], "rate_limits": [], "guardrail": null}),
            "GET ?principal_type=api_key&principal_id=17",
            Value::Null,
            "budgets:     0\nrate limits: 0\nguardrail:   —\n",
        ),
        leaf(
            &["policy", "for-principal", "api_key", "17"],
            "/principals/api_key/17/policies",
            list(policy()),
            "GET",
            Value::Null,
            "p1\tnightly-cap\tbudget\tenabled\n",
        ),
        leaf(
            &["budget", "list"],
            "/budgets",
            list(budget()),
            "GET",
            Value::Null,
            "p1\tnightly-cap\tday\t$5.00\tenabled\n",
        ),
        leaf(&["budget", "get", "p1"], "/budgets/p1", budget(), "GET", Value::Null, BUDGET),
        leaf(
            &["budget", "create", "--name", "nightly-cap", "--window", "day", "--limit-micro-usd", "5000000"],
            "/budgets",
            budget(),
            "POST once",
            json!({"name": "nightly-cap", "window": "day", "limit_micro_usd": 5_000_000}),
            BUDGET,
        ),
        leaf(
            &["budget", "create", "--name", "n", "--window", "day", "--limit-micro-usd", "1", "--funding", "credit"],
            "/budgets",
            budget(),
            "POST once",
            json!({"name": "n", "window": "day", "limit_micro_usd": 1, "funding": "credit"}),
            BUDGET,
        ),
        leaf(
            &["budget", "update", "p1", "--funding", "any"],
            "/budgets/p1",
            budget(),
            "PUT",
            json!({"funding": "any"}),
            BUDGET,
        ),
        leaf(
            &["budget", "update", "p1", "--limit-micro-usd", "7"],
            "/budgets/p1",
            budget(),
            "PUT",
            json!({"limit_micro_usd": 7}),
            BUDGET,
        ),
        leaf(
            &["budget", "delete", "p1"],
            "/budgets/p1",
            json!({"deleted": true}),
            "DELETE",
            Value::Null,
            "deleted: true\n",
        ),
        leaf(
            &["preset", "list"],
            "/presets",
            list(preset()),
            "GET",
            Value::Null,
            "p3\tengineering\tguardrail\tenabled\n",
        ),
        leaf(&["preset", "get", "p3"], "/presets/p3", preset(), "GET", Value::Null, PRESET),
        leaf(
            &["preset", "create", "--name", "engineering", "--guardrail", "guardrail.json", "--budget", "spec.json"],
            "/presets",
            preset(),
            "POST once",
            json!({
                "name": "engineering", "guardrail": {"model_deny": ["*opus*"]},
                "budget": {"window": "day", "limit_micro_usd": 5_000_000},
            }),
            PRESET,
        ),
        leaf(
            &["preset", "update", "p3", "--rate-limit", "guardrail.json", "--clear-budget"],
            "/presets/p3",
            preset(),
            "PUT",
            json!({"rate_limit": {"model_deny": ["*opus*"]}, "clear_budget": true}),
            PRESET,
        ),
        leaf(
            &["preset", "delete", "p3"],
            "/presets/p3",
            json!({"deleted": true}),
            "DELETE",
            Value::Null,
            "deleted: true\n",
        ),
        leaf(
            &["sessions", "list"],
            "/sessions",
            list(json!({
                "id": "s1", "client_id": "bitrouter-cli", "subject": "u1", "scopes": ["usage:read"],
                "created_at": "2026-05-01T00:00:00Z", "last_used_at": "2026-05-02T00:00:00Z",
                "expires_at": "2999-05-02T00:00:00Z",
            })),
            "GET",
            Value::Null,
            "s1\tbitrouter-cli\tu1\t2026-05-02T00:00:00Z\t2999-05-02T00:00:00Z\n",
        ),
        leaf(
            &["sessions", "revoke", "s1", "--keep-keys"],
            "/sessions/s1",
            json!({"revoked": true}),
            "DELETE ?keys=keep",
            Value::Null,
            "revoked: true\n",
        ),
        leaf(
            &["oauth-client", "list"],
            "/oauth/clients",
            list(client()),
            "GET",
            Value::Null,
            "brc_1\tmy-agent\tpublic\trefresh_token\tinference:invoke\n",
        ),
        leaf(
            &[
                "oauth-client",
                "register",
                "--name",
                "my-agent",
                "--type",
                "public",
                "--grant",
                "device_code",
                "--grant",
                "authorization_code",
                "--scope",
                "inference:invoke policy:read",
                "--scope",
                "usage:read",
                "--redirect-uri",
                "http://127.0.0.1:1/cb",
            ],
            "/oauth/clients",
            client(),
            "POST once",
            json!({
                "client_name": "my-agent", "client_type": "public", "redirect_uris": ["http://127.0.0.1:1/cb"],
                "allowed_scopes": ["inference:invoke", "policy:read", "usage:read"],
                "allowed_grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "authorization_code"],
            }),
            CLIENT,
        ),
        leaf(
            &["oauth-client", "register", "--name", "x", "--type", "confidential", "--grant", "refresh_token"],
            "/oauth/clients",
            client(),
            "POST once",
            json!({"client_name": "x", "client_type": "confidential", "allowed_grant_types": ["refresh_token"]}),
            CLIENT,
        ),
        leaf(
            &["oauth-client", "update", "brc_1", "--name", "renamed", "--scope", "usage:read"],
            "/oauth/clients/brc_1",
            client(),
            "PUT",
            json!({"client_name": "renamed", "allowed_scopes": ["usage:read"]}),
            CLIENT,
        ),
        leaf(
            &["oauth-client", "delete", "brc_1", "--keep-keys"],
            "/oauth/clients/brc_1",
            json!({"deleted": true, "keys_kept": 2}),
            "DELETE ?keys=keep",
            Value::Null,
            "deleted:   true\nkeys kept: 2\n",
        ),
    ]
}

/// The method and the query of a request, and whether it may be repeated.
#[track_caller]
fn sent(far: &Far, at: &str) -> String {
    let request = far.last();
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    assert_eq!(path, format!("/v1/namespaces/ns_far{at}"));
    let query = if query.is_empty() { String::new() } else { format!(" ?{query}") };
    let once = if request.header("idempotency-key").is_some() { " once" } else { "" };
    format!("{}{query}{once}", request.method)
}

fn here() -> Far {
    let far = Far::new();
    far.world.write("spec.json", r#"{"window": "day", "limit_micro_usd": 5000000}"#);
    far.world.write("guardrail.json", r#"{"model_deny": ["*opus*"]}"#);
    far
}

#[test]
fn every_leaf_sends_what_it_says_and_shows_what_came() {
    let far = here();
    for Leaf { words, at, answer, sent: expected, body, shown } in leaves() {
        far.answers(at, &answer);
        let run = |more: &[&str]| {
            let words = ["cloud"].iter().chain(words).chain(more).copied();
            far.world.command(words).in_directory(far.world.root()).run().with_code(0)
        };
        let told = run(&[]);
        assert_eq!((told.stdout.as_str(), told.stderr.as_str()), (shown, ""), "{words:?}");
        assert_eq!(sent(&far, at), expected, "{words:?}");
        let request = far.last();
        let got = if request.body.is_empty() { Value::Null } else { request.json() };
        // An empty object says as much as nothing.
        let got = if got == json!({}) { Value::Null } else { got };
        assert_eq!(got, body, "{words:?}");
        let told = run(&["--json"]);
        assert_eq!((told.stdout, told.stderr.as_str()), (format!("{answer}\n"), ""), "{words:?}");
    }
    far.daemon.stop();
}

#[test]
fn p04_a_minted_key_is_shown_once_and_asks_for_no_more_than_it_was_told_to() {
    let far = here();
    let token = far.world.canary("key");
    let answer = json!({
        "token": token, "id": "17", "key_prefix": "brk_17", "display_name": "ci", "scopes": ["policy:read", "usage:read"],
    });
    far.answers("/keys", &answer);
    let (stdout, stderr) = far.minted(&["--name", "ci", "--scope", "policy:read usage:read"]);
    let expected = format!("id:     17\nname:   ci\nprefix: brk_17\nscopes: policy:read usage:read\ntoken:  {token}\n");
    assert_eq!(stdout, expected);
    assert_eq!(stderr, "note: the token is shown this once; only its hash is kept\n");
    assert_eq!(sent(&far, "/keys"), "POST once");
    let scopes = json!(["policy:read", "usage:read"]);
    assert_eq!(far.last().json(), json!({"display_name": "ci", "scopes": scopes}));
    let words = ["--name", "ci", "--scope", "usage:read", "--scope", "keys:read usage:read"];
    let told = far.minted(&[&words[..], &["--expires-at", "2999-01-01T00:00:00Z", "--json"]].concat());
    assert_eq!(told, (format!("{answer}\n"), String::new()));
    let body = far.last().json();
    assert_eq!(
        (&body["scopes"], &body["expires_at"]),
        (&json!(["usage:read", "keys:read"]), &json!("2999-01-01T00:00:00Z"))
    );
    far.minted(&["--name", "ci", "--expires-in", "30d"]);
    let body = far.last().json();
    assert_eq!(body["scopes"], json!(["inference:invoke"]));
    assert!(body["expires_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{body}");
    far.daemon.stop();
    // It is in no file, and in no log.
    assert_eq!(far.world.leaks(), Vec::<String>::new());
}

#[test]
fn p03_a_provider_key_is_sealed_before_it_goes_to_an_account() {
    let far = here();
    let key = far.world.canary("sealed");
    // The base point of the curve: as good as any.
    let public_key = "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let sealing = json!({"kek_id": "kek_far", "public_key": public_key});
    far.issuer.rest("/v1/byok/encryption-pubkey", Reply::json(200, sealing.to_string()));
    let answer = json!({"provider_name": "openai", "kek_id": "kek_far", "key_prefix": "sk-"});
    far.issuer.rest("/v1/byok/keys", Reply::json(200, answer.to_string()));
    let words = ["cloud", "byok", "set", "--provider", "openai", "--key-stdin"];
    let told = far.world.command(words).stdin(format!("{key}\n")).run().with_code(0);
    assert_eq!(told.stdout, "provider: openai\nkek_id:   kek_far\nprefix:   sk-\n");
    let request = far.last();
    let body = request.json();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/v1/byok/keys"));
    assert!(request.header("idempotency-key").is_some());
    assert_eq!(
        (&body["provider_name"], &body["kek_id"], &body["key_prefix"]),
        (&json!("openai"), &json!("kek_far"), &json!("sk-"))
    );
    assert!(body.get("api_base").is_none() && !body.to_string().contains(&key), "{body}");
    // What is no public key is sealed against by nobody.
    let none = json!({"kek_id": "kek_far", "public_key": "AAAA"});
    far.issuer.rest("/v1/byok/encryption-pubkey", Reply::json(200, none.to_string()));
    let failed = far.world.command(words).stdin(format!("{key}\n")).run().with_code(1);
    assert!(failed.stderr.contains("public key"), "{}", failed.stderr);
    far.issuer.rest("/v1/byok/keys", Reply::json(200, r#"{"data":[]}"#));
    assert_eq!(far.cloud(&["byok", "list"]).with_code(0).stdout, "");
    far.issuer.rest("/v1/byok/keys/openai", Reply::json(200, r#"{"deleted":true}"#));
    assert_eq!(far.cloud(&["byok", "delete", "openai"]).with_code(0).stdout, "deleted: true\n");
    far.daemon.stop();
}

#[test]
fn a_warning_of_the_server_is_said_beside_what_it_did() {
    let far = here();
    let answer = json!({"binding_id": "b1", "warning": "policies are not enforced yet"});
    far.answers("/policies/p1/bind", &answer);
    let words = ["policy", "bind", "p1", "--principal-type", "namespace", "--principal-id", "ns_far"];
    let told = far.cloud(&words).with_code(0);
    assert_eq!(
        (told.stdout.as_str(), told.stderr.as_str()),
        ("binding id: b1\n", "note: policies are not enforced yet\n")
    );
    let told = far.cloud(&[&words[..], &["--json"]].concat()).with_code(0);
    assert_eq!((told.stdout, told.stderr.as_str()), (format!("{answer}\n"), ""));
    far.daemon.stop();
}

#[test]
fn what_is_read_from_standard_input_is_sent_as_it_stands_there() {
    let far = here();
    far.answers("/policies", &policy());
    let create = ["cloud", "policy", "create", "--name", "n", "--kind", "guardrail", "--spec", "-"];
    let run = |words: &[&str], stdin: &str| far.world.command(words).stdin(stdin).run();
    run(&create, "{\"model_allow\": [\"a\"],\n\"max_request_tokens\":1}\n").expect_code(0);
    assert_eq!(far.last().json()["spec"], json!({"model_allow": ["a"], "max_request_tokens": 1}));
    let refused = run(&create, "{\"a\": }").with_code(1);
    assert!(refused.stderr.contains("`--spec`: standard input is no JSON (line 1, column 7)"), "{}", refused.stderr);
    let twice = ["cloud", "preset", "create", "--name", "n", "--guardrail", "-", "--budget", "-"];
    let refused = run(&twice, "{}").with_code(1);
    assert!(refused.stderr.contains("standard input can be read once"), "{}", refused.stderr);
    far.daemon.stop();
}

#[test]
fn checkout_answers_the_page_and_shows_no_other_link() {
    let far = here();
    let path = "/v1/billing/checkout/sessions";
    far.issuer.rest(path, Reply::json(200, r#"{"id":"cs_1","url":"https://checkout.example/c/cs_1"}"#));
    let told = far.cloud(&["billing", "checkout", "--amount-cents", "2000"]).with_code(0);
    assert_eq!(told.stdout, "session id:   cs_1\ncheckout url: https://checkout.example/c/cs_1\n");
    let request = far.last();
    assert_eq!((request.target.as_str(), request.json()), (path, json!({"amount_cents": 2000})));
    assert!(request.header("idempotency-key").is_some());
    far.issuer.rest(path, Reply::json(200, r#"{"id":"cs_1","url":"http://phish.example/"}"#));
    let told = far.cloud(&["billing", "checkout", "--amount-cents", "2000"]).with_code(0);
    assert!(!told.stdout.contains("phish.example"), "{}", told.stdout);
    far.daemon.stop();
}

#[test]
fn an_empty_list_is_nothing_in_a_pipe() {
    let far = here();
    for (words, at) in [
        (&["keys", "list"][..], "/keys"),
        (&["policy", "list"], "/policies"),
        (&["policy", "bindings", "p1"], "/policies/p1/bindings"),
        (&["policy", "for-principal", "api_key", "17"], "/principals/api_key/17/policies"),
        (&["budget", "list"], "/budgets"),
        (&["preset", "list"], "/presets"),
        (&["sessions", "list"], "/sessions"),
        (&["oauth-client", "list"], "/oauth/clients"),
    ] {
        far.answers(at, &json!({"data": []}));
        let told = far.cloud(words).with_code(0);
        assert_eq!((told.stdout.as_str(), told.stderr.as_str()), ("", ""), "{words:?}");
    }
    far.daemon.stop();
}
