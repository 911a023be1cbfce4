//! `explain`: what would become of a call, in both kinds of output, and how it ends.

use bitrouter_tests::{Daemon, Output, World};
use serde_json::{Value, json};

/// A demo whose owner has made policies.
struct House {
    world: World,
    daemon: Daemon,
}

impl House {
    fn new() -> Self {
        let world = World::new();
        let daemon = world.demo();
        daemon.until_node_is_on();
        Self { world, daemon }
    }

    /// A policy that is bound to `principal`; its id.
    #[track_caller]
    fn bind(&self, kind: &str, spec: &Value, principal: (&str, &str)) -> String {
        let spec = self.world.write("spec.json", spec.to_string()).display().to_string();
        let create =
            ["cloud", "policy", "create", "--local", "--name", kind, "--kind", kind, "--spec", &spec, "--json"];
        let id = text(&self.world.cli(create).with_code(0).json(), "id");
        let bind = ["cloud", "policy", "bind", "--local", &id, "--principal-type", principal.0, "--principal-id"];
        self.world.cli(bind.iter().copied().chain([principal.1])).expect_code(0);
        id
    }

    fn namespace(&self) -> String {
        let list = self.world.cli(["node", "namespace", "list", "--json"]).with_code(0).json();
        text(&list["data"][0], "id")
    }

    fn key(&self, scope: &str) -> String {
        let mint = ["cloud", "keys", "mint", "--local", "--name", "k", "--scope", scope, "--json"];
        text(&self.world.cli(mint).with_code(0).json(), "id")
    }

    fn explain(&self, words: &[&str]) -> Output {
        self.world.cli(["explain"].iter().chain(words))
    }
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("no `{member}` in {value}")).to_owned()
}

#[test]
fn a_call_that_nothing_binds_is_allowed_and_has_a_price() {
    let house = House::new();
    let told = house.explain(&["demo/echo", "--max-tokens", "100", "--input-tokens", "50", "--json"]).with_code(0);
    let expected = json!({
        "model": "demo/echo", "route": [{"provider": "demo", "model": "echo", "key_source": null}], "policies": [],
        "verdict": "allow", "worst_case_micro_usd": 250,
    });
    assert_eq!(told.json(), expected);
    // Without numbers the model's own hold.
    let told = house.explain(&["demo/echo", "--json"]).with_code(0).json();
    assert_eq!(told["worst_case_micro_usd"], 131_072 + 2 * 8_192);
    let told = house.explain(&["demo/embed", "--input-tokens", "1000000", "--json"]).with_code(0).json();
    assert_eq!(told["worst_case_micro_usd"], 100_000);
    let told = house.explain(&["demo/echo", "--max-tokens", "100", "--input-tokens", "50"]).with_code(0);
    let expected = "model:      demo/echo\nverdict:    allow\nworst case: $0.00025\n\ndemo\techo\t—\n";
    assert_eq!((told.stdout.as_str(), told.stderr.as_str()), (expected, ""));
    house.daemon.stop();
}

#[test]
fn a_refusal_is_an_answer_and_names_the_policy() {
    let house = House::new();
    let namespace = house.namespace();
    let budget = json!({"window": "day", "limit_micro_usd": 1000});
    let cap = house.bind("budget", &budget, ("namespace", &namespace));
    let told = house.explain(&["demo/echo", "--json"]).with_code(0).json();
    let in_force = json!([{
        "policy_id": cap, "name": "budget", "kind": "budget", "principal_type": "namespace", "principal_id": namespace,
        "refuses": true, "refuses_streams": false, "judges_content": false,
    }]);
    assert_eq!((&told["verdict"], &told["policy_id"]), (&json!("budget_exceeded"), &json!(cap)), "{told}");
    assert_eq!((&told["policies"], &told["worst_case_micro_usd"]), (&in_force, &json!(147_456)));
    assert!(text(&told, "message").contains(&cap), "{told}");
    // One that is short enough fits, with the cap that it would get.
    let told = house.explain(&["demo/echo", "--input-tokens", "200", "--json"]).with_code(0).json();
    assert_eq!((&told["verdict"], &told["worst_case_micro_usd"]), (&json!("allow"), &json!(1000)), "{told}");
    assert!(told.get("message").is_none() && told.get("policy_id").is_none(), "{told}");

    let key = house.key("inference:invoke");
    let deny = house.bind("guardrail", &json!({"model_deny": ["*/lorem"]}), ("api_key", &key));
    let of_key = format!("api_key:{key}");
    let ask = |model: &str, principal: &str| {
        house
            .explain(&[model, "--principal", principal, "--input-tokens", "1", "--max-tokens", "1", "--json"])
            .with_code(0)
            .json()
    };
    let told = ask("demo/lorem", &of_key);
    let expected = (json!("model_denied"), json!(deny), json!([]), Value::Null);
    let said = ["verdict", "policy_id", "route", "worst_case_micro_usd"].map(|member| told[member].clone());
    assert_eq!(said, [expected.0, expected.1, expected.2, expected.3], "{told}");
    let marks: Vec<_> = told["policies"].as_array().expect("a list").iter().map(|one| one["refuses"].clone()).collect();
    assert_eq!(marks, [json!(false), json!(true)], "the namespace's first");
    assert_eq!(ask("demo/echo", &of_key)["verdict"], "allow");
    assert_eq!(ask("demo/lorem", "namespace:default")["verdict"], "allow");
    assert_eq!(ask("demo/lorem", "oauth_client:bitrouter-cli")["policies"].as_array().map(Vec::len), Some(1));
    assert_eq!(ask("demo/echo", &format!("api_key:{}", house.key("usage:read")))["verdict"], "missing_scope");

    let told = house.explain(&["demo/lorem", "--principal", &of_key]).with_code(0);
    assert!(
        told.stdout.starts_with("model:      demo/lorem\nverdict:    model_denied\nworst case: —\nwhy:  "),
        "{}",
        told.stdout
    );
    assert!(
        told.stdout.ends_with(&format!("{deny}\tguardrail\tguardrail\tapi_key\t{key}\trefuses\n")),
        "{}",
        told.stdout
    );
    house.daemon.stop();
}

#[test]
fn what_policies_make_of_streams_and_texts_is_said_beside_the_verdict() {
    let house = House::new();
    let namespace = house.namespace();
    let pattern = json!([{"name": "a rule", "pattern": "secret", "action": "block"}]);
    let preset =
        json!({"guardrail": {"content_patterns": pattern}, "rate_limit": {"window_secs": 60, "max_requests": 9}});
    house.bind("guardrail", &json!({"allow_streaming": false}), ("namespace", &namespace));
    house.bind("preset", &preset, ("namespace", &namespace));
    let ask = ["demo/echo", "--input-tokens", "1", "--max-tokens", "1"];
    let told = house.explain(&[&ask[..], &["--json"]].concat()).with_code(0).json();
    assert_eq!(told["verdict"], "allow", "{told}");
    let policies = told["policies"].as_array().expect("a list");
    let said = |kind: &str| {
        let policy = policies.iter().find(|policy| policy["kind"] == kind).expect("the policy");
        (policy["refuses_streams"].clone(), policy["judges_content"].clone())
    };
    assert_eq!(said("guardrail"), (json!(true), json!(false)), "{told}");
    assert_eq!(said("preset"), (json!(false), json!(true)), "{told}");
    let told = house.explain(&ask).with_code(0).stdout;
    assert!(told.contains("\nstreams:    refused\ncontent:    judged, and may be refused\n"), "{told}");
    assert!(told.contains("\tno streams\n") && told.contains("\tjudges content\n"), "{told}");
    house.daemon.stop();
}

#[test]
fn who_and_what_is_not_there_is_the_callers_mistake() {
    let house = House::new();
    let error = house.explain(&["demo/ecko", "--json"]).with_code(1).error();
    assert_eq!(error["code"], "model_not_found", "{error}");
    assert!(text(&error, "message").contains("did you mean `demo/echo`"), "{error}");
    for (principal, hint) in [
        ("api_key:key_01m8p1cjqgbssp82qaf0d9ms21", "bitrouter cloud keys list --local"),
        ("oauth_token:nonsense", "bitrouter cloud sessions list --local"),
        ("user:usr_01m8p1cjqgbssp82qaf0d9ms21", "bitrouter node user list"),
        ("namespace:nowhere", "bitrouter node namespace list"),
    ] {
        let error = house.explain(&["demo/echo", "--principal", principal, "--json"]).with_code(1).error();
        assert_eq!((&error["code"], &error["hint"]), (&json!("not_found"), &json!(hint)), "{principal}: {error}");
    }
    house.explain(&["demo/echo", "--principal", "oauth_client:nobody"]).expect_code(1);
    for words in [&["--principal", "ann"][..], &["--max-tokens", "0"], &["--input-tokens", "-1"]] {
        let words: Vec<&str> = ["demo/echo"].iter().chain(words).copied().collect();
        house.explain(&words).expect_code(1);
    }
    let House { world, daemon } = house;
    daemon.stop();
    world.cli(["explain", "demo/echo"]).expect_code(2);
}

#[test]
fn a_provider_without_a_key_leads_nowhere_and_says_what_it_lacks() {
    let house = House::new();
    let told = house.explain(&["openai/gpt-4o", "--json"]).with_code(0).json();
    assert_eq!((&told["verdict"], &told["route"]), (&json!("provider_key_missing"), &json!([])), "{told}");
    assert!(text(&told, "message").contains("OPENAI_API_KEY"), "{told}");
    house.daemon.stop();
}

#[test]
fn keys_are_named_by_where_they_come_from() {
    let world = World::new();
    let daemon = world.serve().env("OPENAI_API_KEY", world.canary("key")).start();
    let told = world.cli(["explain", "openai/gpt-4o", "--input-tokens", "10", "--max-tokens", "10", "--json"]);
    let told = told.with_code(0).json();
    let first = json!({"provider": "openai", "model": "gpt-4o", "key_source": "environment"});
    assert_eq!((&told["verdict"], &told["route"][0]), (&json!("allow"), &first), "{told}");
    daemon.stop();
}

#[test]
fn without_a_node_there_is_a_route_and_a_price() {
    let world = World::new();
    world.config("[node]\nenabled = false\n");
    let daemon = world.demo();
    let ask = ["explain", "demo/echo", "--input-tokens", "50", "--max-tokens", "100", "--json"];
    let told = world.cli(ask).with_code(0).json();
    let said = ["verdict", "policies", "worst_case_micro_usd"].map(|member| told[member].clone());
    assert_eq!(said, [json!("allow"), json!([]), json!(250)], "{told}");
    let of_somebody = world.cli(ask.iter().copied().chain(["--principal", "namespace:default"]));
    assert_eq!(of_somebody.with_code(3).error()["code"], "node_off");
    daemon.stop();

    let world = World::new();
    world.write("data/bitrouter/node.db", "no database at all, whatever else it may be");
    world.write("data/bitrouter/node.bound", "");
    let daemon = world.demo();
    let told = world.cli(ask).with_code(0).json();
    assert_eq!((&told["verdict"], &told["policies"]), (&json!("unavailable"), &json!([])), "{told}");
    let call = daemon.http().chat("demo/echo", "hello").send();
    assert_eq!(call.status, 503, "{}", call.text());
    daemon.stop();
}
