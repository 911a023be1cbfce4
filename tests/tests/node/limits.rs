//! A namespace with as much of everything as it may have: one more is refused and says why, lists are whole, and calls, the
//! start and the daemon's memory are as they were.

use std::time::Duration;

use bitrouter_proto::clock;
use bitrouter_tests::{Answer, Daemon, World, http::Call, procfs, wait};
use serde_json::{Value, json};

/// So many calls are timed.
const CALLS: usize = 60;
/// What anything may take on a machine with much else to do.
const LONGEST: Duration = Duration::from_secs(20);
/// By how much a full namespace may make the daemon grow at most, which is less than 16 MiB: its keys are in memory.
const GROWTH: u64 = (16 << 20) - 1;

/// Somebody with a credential, at the daemon that runs now.
struct Caller<'a> {
    daemon: &'a Daemon,
    token: &'a str,
}

impl Caller<'_> {
    fn send(&self, method: &str, below: &str, body: Option<Value>) -> Answer {
        let call = self.daemon.http().request(method, &format!("/v1/namespaces/me{below}")).bearer(self.token);
        match body {
            Some(body) => call.json(body.to_string()).send(),
            None => call.send(),
        }
    }

    #[track_caller]
    fn made(&self, below: &str, body: Value) -> Value {
        self.send("POST", below, Some(body)).ok().json()
    }

    #[track_caller]
    fn refused(&self, below: &str, body: Value, names: &str) {
        refused(&self.send("POST", below, Some(body)), names);
    }

    /// The rows of a list, which comes whole and in time.
    #[track_caller]
    fn listed(&self, below: &str) -> Vec<Value> {
        let start = clock::monotonic_now();
        let list = self.send("GET", below, None).ok().json();
        let took = start.elapsed();
        assert!(took < LONGEST, "{below} took {took:?}");
        list["data"].as_array().unwrap_or_else(|| panic!("no list at {below}")).clone()
    }
}

#[track_caller]
fn refused(answer: &Answer, names: &str) {
    let said = answer.json();
    assert_eq!((answer.status, &said["error"]), (409, &json!("conflict")), "{said}");
    assert!(said["error_description"].as_str().is_some_and(|text| text.contains(names)), "{said}");
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("no `{member}` in {value}")).to_owned()
}

/// What a call takes in the middle of many: with a key, and without.
#[derive(Debug)]
struct Pace {
    with_key: Duration,
    keyless: Duration,
}

impl Pace {
    #[track_caller]
    fn of(daemon: &Daemon, key: &str) -> Self {
        let middle = |token: Option<&str>| {
            let timed = |_| {
                let call = daemon.http().chat("demo/echo", "one two three");
                let call = token.into_iter().fold(call, Call::bearer);
                let start = clock::monotonic_now();
                call.send().ok();
                start.elapsed()
            };
            let mut all: Vec<Duration> = (0..CALLS).map(timed).collect();
            all.sort();
            all[CALLS / 2]
        };
        Self { with_key: middle(Some(key)), keyless: middle(None) }
    }
}

/// Everything that a namespace lists, asked for twice.
#[track_caller]
fn lists(caller: &Caller<'_>, deepest: &str, policy: &str) -> Vec<usize> {
    let all = [
        "/keys".to_owned(),
        "/policies".to_owned(),
        "/budgets".to_owned(),
        "/sessions".to_owned(),
        format!("/principals/api_key/{deepest}/policies"),
        format!("/policies/{policy}/bindings"),
    ];
    let count = |below: &String| (0..2).map(|_| caller.listed(below).len()).max().unwrap_or_default();
    all.iter().map(count).collect()
}

#[test]
fn p16_a_namespace_at_every_limit_is_as_fast_and_as_small_as_an_empty_one() {
    let world = World::new();
    let daemon = world.demo();
    let signed_in = world.cli(["auth", "login", "--local", "--json"]).with_code(0).json();
    let credential = std::fs::read_to_string(text(&signed_in, "credentials_path")).expect("a file");
    let token = text(&serde_json::from_str(&credential).expect("JSON"), "access_token");
    let person = Caller { daemon: &daemon, token: &token };
    let session = text(&person.listed("/sessions")[0], "id");

    // A chain of keys that is as deep as one may be.
    let scopes = json!(["inference:invoke", "keys:read", "keys:write", "policy:read", "policy:write"]);
    let mut chain: Vec<(String, String)> = Vec::new();
    for depth in 0..8 {
        let minter = chain.last().map_or(&token, |(_, token)| token);
        let body = json!({"display_name": format!("depth {depth}"), "scopes": scopes});
        let made = Caller { daemon: &daemon, token: minter }.made("/keys", body);
        chain.push((text(&made, "id"), text(&made, "token")));
    }
    let (deepest, key) = chain.last().expect("a key").clone();
    let budget = json!({"window": "day", "limit_micro_usd": 1_000_000_000});
    let policy = json!({"name": "a cap", "kind": "budget", "spec": budget});
    let policy_id = text(&person.made("/policies", policy.clone()), "id");
    lists(&person, &deepest, &policy_id);
    Pace::of(&daemon, &key);
    let before = Pace::of(&daemon, &key);
    let empty = procfs::rss(daemon.pid()).expect("its memory");
    daemon.stop();

    let database = world.path("data/bitrouter/node.db");
    let bound = chain.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(",");
    let last_but_one = &chain[6].0;
    let words = ["python3", "-c", include_str!("limits/fill.py"), database.to_str().expect("text")];
    let words = [&words[..], &[&deepest, &policy_id, &session, last_but_one, &bound]].concat();
    world.program("/usr/bin/env".as_ref(), words).run().expect_code(0);

    let start = clock::monotonic_now();
    let daemon = world.demo();
    wait::holds("the node", || daemon.status()["node"]["state"] == "on");
    let started = start.elapsed();
    assert!(started < LONGEST, "the start took {started:?}");
    let person = Caller { daemon: &daemon, token: &token };
    let by_key = Caller { daemon: &daemon, token: &key };

    // Each list is whole.
    assert_eq!(lists(&person, &deepest, &policy_id), [10_000, 1_000, 1_000, 100, 64, 1]);
    let namespaces = world.cli(["node", "namespace", "list", "--json"]).with_code(0).json();
    assert_eq!(namespaces["data"].as_array().map(Vec::len), Some(100));
    let effective = format!("/policies/effective?principal_type=api_key&principal_id={deepest}");
    let effective = person.send("GET", &effective, None).ok().json();
    assert_eq!(effective["budgets"].as_array().map(Vec::len), Some(9 * 64));

    // One more of each is one too many.
    let mint = json!({"display_name": "one more", "scopes": ["inference:invoke"]});
    person.refused("/keys", mint.clone(), "10000 keys");
    by_key.refused("/keys", mint.clone(), "depth 8");
    person.refused("/policies", policy.clone(), "at most 1000 policies");
    let policies = person.listed("/policies").into_iter().map(|row| text(&row, "id"));
    let unbound = policies.into_iter().find(|id| id.ends_with("000000998")).expect("a policy");
    for (principal_type, principal_id) in [("api_key", &deepest), ("namespace", &text(&signed_in, "namespace_id"))] {
        let bind = json!({"principal_type": principal_type, "principal_id": principal_id});
        person.refused(&format!("/policies/{unbound}/bind"), bind, "at most 64 policies");
    }
    let used = daemon.http().post("/v1/namespaces/me/keys").bearer(&chain[6].1).header("idempotency-key", "one more");
    refused(&used.json(mint.to_string()).send(), "10000 values of `Idempotency-Key`");
    let space = world.cli(["node", "namespace", "create", "one-more"]).with_code(1);
    assert!(space.stderr.contains("at most 100 namespaces"), "{}", space.stderr);
    // Of sessions there is room for one more: the one that nobody has used for the longest ends.
    let sessions = |caller: &Caller<'_>| -> Vec<String> {
        caller.listed("/sessions").iter().map(|session| text(session, "id")).collect()
    };
    let longest_idle = sessions(&person).into_iter().find(|id| id.ends_with("000000098")).expect("a session");
    world.cli(["auth", "login", "--local"]).expect_code(0);
    let credential = std::fs::read_to_string(text(&signed_in, "credentials_path")).expect("a file");
    let token = text(&serde_json::from_str(&credential).expect("JSON"), "access_token");
    let person = Caller { daemon: &daemon, token: &token };
    let now = sessions(&person);
    assert!(now.len() <= 100 && !now.contains(&longest_idle), "{} sessions", now.len());

    // Calls and memory are as they were.
    Pace::of(&daemon, &key);
    let after = Pace::of(&daemon, &key);
    // What a machine with much else to do takes for anything.
    let floor = Duration::from_millis(50);
    assert!(after.with_key <= (before.with_key * 3).max(floor), "{before:?}, then {after:?}");
    assert!(after.keyless <= (before.keyless * 3).max(floor), "{before:?}, then {after:?}");
    // Once it idles: what lists took is given back.
    procfs::idles_within(daemon.pid(), empty + GROWTH);

    // What is revoked opens nothing on the next request, and makes room.
    person.send("DELETE", &format!("/keys/{deepest}"), None).ok();
    assert_eq!(daemon.http().chat("demo/echo", "x").bearer(&key).send().status, 401);
    person.made("/keys", mint);
    daemon.stop();
}
