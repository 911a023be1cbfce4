//! What `explain` says of a call is what becomes of it: random policies, and calls that spend what they leave.

use std::{cell::RefCell, collections::BTreeMap};

use bitrouter_tests::{Daemon, World};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

/// A call: model, words, cap.
type Asked = (&'static str, String, Option<u32>);

fn policies() -> impl Strategy<Value = Vec<Value>> {
    let budget =
        (1_i64..3_000).prop_map(|limit| json!({"kind": "budget", "spec": {"window": "day", "limit_micro_usd": limit}}));
    let rate = (option::of(1_i64..5), option::of(1_i64..3_000)).prop_map(|(requests, tokens)| {
        let requests = requests.or(tokens.is_none().then_some(2));
        let spec = json!({"window_secs": 3600, "max_requests": requests, "max_tokens": tokens});
        json!({"kind": "rate_limit", "spec": spec})
    });
    let deny = prop_oneof![Just("demo/lorem"), Just("*embed"), Just("echo"), Just("nothing/*")];
    let byok = prop_oneof![4 => Just("optional"), 1 => Just("required"), 1 => Just("forbidden")];
    let guardrail = (option::of(1_i64..300), deny, byok).prop_map(|(most, deny, byok)| {
        let spec = json!({"max_request_tokens": most, "model_deny": [deny], "byok": byok});
        json!({"kind": "guardrail", "spec": spec})
    });
    vec(prop_oneof![3 => budget, 2 => rate, 2 => guardrail], 0..4)
}

fn calls() -> impl Strategy<Value = Vec<Asked>> {
    let model = prop_oneof![Just("demo/echo"), Just("demo/lorem"), Just("demo/embed")];
    vec((model, "[a-z ]{1,400}", option::of(prop_oneof![1_u32..600, Just(100_000)])), 1..6)
}

/// Somebody at a daemon, with all scopes that rules and keys need.
struct Person<'a> {
    daemon: &'a Daemon,
    token: String,
}

impl Person<'_> {
    #[track_caller]
    fn made(&self, below: &str, body: &Value) -> Value {
        let call = self.daemon.http().request("POST", &format!("/v1/namespaces/me{below}"));
        call.bearer(&self.token).json(body.to_string()).send().ok().json()
    }

    /// A key that `policies` bind: its id and itself.
    fn bound_key(&self, policies: &[Value]) -> (String, String) {
        let key = self.made("/keys", &json!({"display_name": "k", "scopes": ["inference:invoke"]}));
        let id = key["id"].as_str().expect("an id").to_owned();
        for policy in policies {
            let mut policy = policy.clone();
            policy["name"] = json!("p");
            let made = self.made("/policies", &policy);
            let below = format!("/policies/{}/bind", made["id"].as_str().expect("an id"));
            self.made(&below, &json!({"principal_type": "api_key", "principal_id": id}));
        }
        (id, key["token"].as_str().expect("a token").to_owned())
    }
}

/// Code and policy of what became of a call: `allow` where it was served.
fn call(daemon: &Daemon, key: &str, path: &str, body: &str) -> (String, Value) {
    let answer = daemon.http().post(path).bearer(key).json(body).send();
    if answer.status == 200 {
        return ("allow".to_owned(), Value::Null);
    }
    let error = answer.error();
    (error["code"].as_str().expect("a code").to_owned(), error["policy_id"].clone())
}

#[test]
fn what_is_explained_of_a_call_is_what_becomes_of_it() {
    let world = World::new();
    let daemon = world.demo();
    let signed_in = world.cli(["auth", "login", "--local", "--json"]).with_code(0).json();
    let credential = std::fs::read_to_string(signed_in["credentials_path"].as_str().expect("a path")).expect("a file");
    let credential: Value = serde_json::from_str(&credential).expect("JSON");
    let token = credential["access_token"].as_str().expect("a token").to_owned();
    let person = Person { daemon: &daemon, token };
    let verdicts = RefCell::new(BTreeMap::<String, u32>::new());
    let mut runner = TestRunner::new(Config { cases: 100, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&(policies(), calls()), |(policies, calls)| {
        let (id, key) = person.bound_key(&policies);
        for (model, words, cap) in calls {
            let embeds = model == "demo/embed";
            let mut body = if embeds {
                json!({"model": model, "input": words})
            } else {
                json!({"model": model, "messages": [{"role": "user", "content": words}]})
            };
            if let Some(cap) = cap.filter(|_| !embeds) {
                body["max_tokens"] = json!(cap);
            }
            let body = body.to_string();
            // The bound of the input of such a body: its length, and 16 a message.
            let input = (body.len() + if embeds { 0 } else { 16 }).to_string();
            let principal = format!("api_key:{id}");
            let cap = cap.map(|cap| cap.to_string());
            let mut ask = vec!["explain", model, "--json", "--principal", &principal, "--input-tokens", &input];
            ask.extend(cap.iter().flat_map(|cap| ["--max-tokens", cap]));
            let told = world.cli(ask).with_code(0).json();
            let path = if embeds { "/v1/embeddings" } else { "/v1/chat/completions" };
            let (code, policy) = call(&daemon, &key, path, &body);
            prop_assert_eq!(told["verdict"].as_str(), Some(code.as_str()), "{} of {}", told, body);
            prop_assert_eq!(told.get("policy_id").unwrap_or(&Value::Null), &policy, "{} of {}", told, body);
            *verdicts.borrow_mut().entry(code).or_default() += 1;
        }
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
    let verdicts = verdicts.into_inner();
    // It is worth something only where it comes to different ends.
    for code in ["allow", "budget_exceeded", "rate_limited", "exceeds_limit", "model_denied", "max_request_tokens"] {
        assert!(verdicts.contains_key(code), "none was `{code}`: {verdicts:?}");
    }
    daemon.stop();
}
